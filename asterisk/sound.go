package asterisk

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
	"hotline/media"
)

// bridgeKind is a bridge of two that Asterisk serves itself, never short-circuits, and in which keys are reported.
const bridgeKind = "mixing,dtmf_events"

// What cannot be joined is tried again: a channel that is being hung up says so before it says that it is gone.
const (
	joinTries = 5
	joinAgain = 100 * time.Millisecond
)

// sound is how a leg's audio gets from Asterisk to us: an external-media channel, and the bridge that it shares with the leg's own.
// It is made while the leg still rings, so that nothing is left to do when it is answered.
type sound struct {
	media, bridge string // ids
	lent          bool   // the leg's stream is somebody's, who closes it
	codec         media.Codec
	begun         bool // they may exist
	made          bool // they do, and the stream knows where its audio comes from
	entered       bool // the external-media channel is in our application: it may be put into a bridge
	joining       bool
	tries         int // that failed
	ready         bool
	stalled       bool          // Asterisk was lost while they were made: again after the reconnect
	since         time.Time     // it is among those of the node that are not ready; zero: it is not
	hush          bool          // something may play to the channel: it comes from the dialplan
	held          bool          // the peer has put us on hold
	waiting       []func(error) // Answer, until it is ready
}

// codecOf is what the leg speaks in Asterisk, so that nothing is transcoded: the first that the channel and the trunk have in common.
func codecOf(formats string, codecs []string) media.Codec {
	speaks := func(list []string, names ...string) bool {
		for _, have := range list {
			for _, name := range names {
				if strings.EqualFold(have, name) {
					return true
				}
			}
		}
		return len(list) == 0
	}
	for f := range strings.SplitSeq(formats, "|") {
		switch {
		case f == "ulaw" && speaks(codecs, "PCMU"):
			return media.PCMU
		case f == "alaw" && speaks(codecs, "PCMA"):
			return media.PCMA
		}
	}
	if len(codecs) > 0 && strings.EqualFold(codecs[0], "PCMA") {
		return media.PCMA
	}
	return media.PCMU
}

func formatOf(c media.Codec) string {
	if c == media.PCMA {
		return "alaw"
	}
	return "ulaw"
}

// connect makes the external-media channel and the bridge.
func (l *Leg) connect() {
	s := &l.sound
	if s.begun {
		return
	}
	s.begun, s.stalled = true, false
	s.settle(l.n)
	var from netip.AddrPort
	l.ask(func(ctx context.Context) error {
		c := l.n.client
		ch, err := c.ExternalMedia(ctx, ari.ExternalMedia{
			ID: s.media, Host: netip.AddrPortFrom(l.n.faces, l.stream.Local().Port()).String(), Format: formatOf(s.codec),
		})
		if err == nil {
			from, err = listens(ch)
		}
		if err == nil {
			_, err = c.CreateBridge(ctx, s.bridge, bridgeKind)
		}
		return err
	}, func(err error) {
		if err == nil && !l.over {
			err = l.stream.Configure(l.setup(from))
		}
		switch {
		case err == nil:
			s.made = true
			s.tries = 0
			l.join()
		case ari.Unavailable(err) && !l.over && l.n.isUp() && s.tries < joinTries: // the answer was lost: whatever was made is taken away
			s.tries++
			l.renew()
		default:
			l.soundless(err)
		}
	})
}

// listens reads where Asterisk takes our audio, which is where it sends its own from.
func listens(ch ari.Channel) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(ch.Variables["UNICASTRTP_LOCAL_ADDRESS"] + ":" + ch.Variables["UNICASTRTP_LOCAL_PORT"])
	if err != nil {
		if ip, e := netip.ParseAddr(ch.Variables["UNICASTRTP_LOCAL_ADDRESS"]); e == nil { // IPv6 has no brackets there
			return netip.ParseAddrPort("[" + ip.String() + "]:" + ch.Variables["UNICASTRTP_LOCAL_PORT"])
		}
		return at, hotline.Errorf(hotline.Unavailable, "asterisk.no_media", "Asterisk does not say where it takes audio: load res_rtp_asterisk and chan_rtp")
	}
	return at, nil
}

func (l *Leg) setup(from netip.AddrPort) media.Setup {
	pt := uint8(0)
	if l.sound.codec == media.PCMA {
		pt = 8
	}
	return media.Setup{
		Codec: l.sound.codec, PayloadType: pt, Remote: from, InbandDTMF: l.trunk != nil && l.trunk.Settings.DTMF == "inband",
	}
}

// join puts both channels into the bridge when all three are there.
func (l *Leg) join() {
	s := &l.sound
	if l.over || !s.made || !s.entered || !l.entered || s.joining || s.ready {
		return
	}
	s.joining = true
	channel := l.channel
	hush := s.hush
	l.ask(func(ctx context.Context) error {
		if hush { // what plays to a channel drowns what comes from its bridge
			if err := l.n.client.MusicOff(ctx, channel); ari.Gone(err) {
				return err
			}
		}
		return l.n.client.AddToBridge(ctx, s.bridge, channel, s.media)
	}, func(err error) {
		s.joining = false
		switch {
		case l.over:
		case channel != l.channel: // another trunk is tried meanwhile
			l.join()
		case err == nil:
			s.ready, s.tries = true, 0
			l.connected()
		case ari.Gone(err): // what tells of the end is on its way
		case s.tries < joinTries && l.n.isUp(): // it may not be yet, the bridge may be busy, or the answer was lost
			s.tries++
			l.after(joinAgain, l.join)
		default:
			l.soundless(err)
		}
	})
}

// settle counts the leg among those whose audio is being connected, settled no more.
func (s *sound) settle(n *node) {
	if s.since.IsZero() {
		s.since = time.Now()
		n.mu.Lock()
		n.making.now++
		n.mu.Unlock()
	}
}

func (s *sound) settled(n *node) {
	if !s.since.IsZero() {
		now := time.Now()
		n.mu.Lock()
		n.making.done(now.Sub(s.since), now)
		n.mu.Unlock()
		s.since = time.Time{}
	}
}

// connected goes on with what waited for the audio.
func (l *Leg) connected() {
	l.sound.settled(l.n)
	if l.out != nil {
		l.dial()
		return
	}
	if l.answered {
		l.sound.release(nil)
	}
}

func (s *sound) release(err error) {
	for _, reply := range s.waiting {
		reply(err)
	}
	s.waiting = nil
}

// soundless ends a leg whose audio cannot be had.
func (l *Leg) soundless(err error) {
	if l.over || ari.Gone(err) && l.in != nil {
		return // the caller was quicker
	}
	if ari.Unavailable(err) && !l.n.isUp() {
		l.sound.stalled = true
		return
	}
	l.log.Error("a leg has no audio", "event", "alarm", "err", err)
	l.sound.release(hotline.Errorf(hotline.Unavailable, "asterisk.no_audio", "Asterisk could not connect the audio: %w", err))
	why := call.CauseFailure
	if l.answered {
		why.SIP = 0
	}
	l.hangup(why)
}

// deaf is told that the external-media channel or the bridge is gone although the leg goes on: it is made again.
func (l *Leg) deaf() {
	s := &l.sound
	if l.over || !s.ready {
		return
	}
	l.log.Warn("the audio of a leg was cut inside Asterisk and is connected again")
	l.renew()
}

// renew makes external media and bridge again, under new ids: what was there before is taken away, but may not be gone yet.
func (l *Leg) renew() {
	s := &l.sound
	media, bridge := s.media, s.bridge
	l.ask(func(ctx context.Context) error {
		return worse(l.n.client.Hangup(ctx, media, 16), l.n.client.DestroyBridge(ctx, bridge))
	}, nil)
	s.media, s.bridge = media+"'", bridge+"'"
	s.begun, s.made, s.entered, s.joining, s.ready = false, false, false, false, false
	l.n.add(l, s.media, s.bridge)
	l.connect()
}
