package peer

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5/packetio"

	"hotline"
	"hotline/media"
)

// Options of [Hub.Accept].
type Options struct {
	ID      string                  // of the agent's telephone, for logs
	OnEvent func(media.StreamEvent) // of the stream; must not block
	OnState func(State)             // in order, with no lock held; must not block
}

// State of a [Peer].
type State string

// The states. A peer that has failed sends nothing any more; whoever accepted it closes it.
const (
	Connecting   State = "connecting"
	Connected    State = "connected"    // audio can flow both ways
	Disconnected State = "disconnected" // nothing is heard of the browser; it may come back
	Failed       State = "failed"       // it will not come back, or never came
	Closed       State = "closed"       // by us, or the browser has said goodbye
)

func (s State) final() bool { return s == Failed || s == Closed }

// patience is how long a browser may be silent.
type patience struct {
	connect time.Duration // until audio can flow
	talk    time.Duration // in a call: browsers send 50 packets a second, also when muted
	idle    time.Duration // else: they check every 2.5 s
	fail    time.Duration // until it will not come back (RFC 7675, section 5.1)
}

var usual = patience{connect: 20 * time.Second, talk: time.Second, idle: 6 * time.Second, fail: 30 * time.Second}

const justBefore = 100 * time.Millisecond

// Peer is the connection of one browser.
type Peer struct {
	hub       *Hub
	id        string
	name      string // of ICE: how the browser's checks find us
	password  string
	offer     *offer
	stream    *media.Stream
	path      atomic.Pointer[path] // to send on; nil: none yet, or none any more
	paths     []path               // that have authenticated themselves; guarded by the hub's mutex
	handshake *packetio.Buffer     // DTLS packets that came
	secure    context.Context      // of the handshake's goroutine
	leave     context.CancelFunc

	mu        sync.Mutex
	state     State
	began     time.Time
	checkedAt time.Time // the last check of ICE
	shaking   bool      // the handshake has begun
	news      []State   // to be told
	telling   bool
	onState   func(State)
}

// Accept answers a browser's offer. The peer is there at once, connecting; its stream may be put into a room already. Candidates of
// the offer are not looked at: the browser comes to us.
func (h *Hub) Accept(ctx context.Context, sdp string, o Options) (*Peer, string, error) {
	of, err := parseOffer(sdp)
	if err != nil {
		return nil, "", err
	}
	p := &Peer{
		hub: h, id: o.ID, name: rand.Text()[:16], password: rand.Text() + rand.Text()[:6], offer: of,
		handshake: packetio.NewBuffer(), state: Connecting, began: time.Now(), onState: o.OnState,
	}
	p.handshake.SetLimitSize(64 << 10)
	if p.onState == nil {
		p.onState = func(State) {}
	}
	p.secure, p.leave = context.WithCancel(context.WithoutCancel(ctx))
	p.stream, err = h.engine.OpenOver(media.OpenOptions{ID: o.ID, OnEvent: o.OnEvent, Idle: true},
		func(*media.Stream) (media.Transport, error) { return way{p}, nil })
	if err != nil {
		return nil, "", err
	}
	h.mu.Lock()
	stopped := h.stopped
	if !stopped {
		h.byName[p.name] = p
	}
	h.mu.Unlock()
	if stopped {
		p.stream.Close()
		return nil, "", hotline.Errorf(hotline.Unavailable, "peer.stopped", "the server is stopping: reconnect in a moment")
	}
	answer := h.answer(p)
	of.lines = nil // kilobytes that a telephone does not need to wait with
	return p, answer, nil
}

// Stream is the audio of the browser: one for the life of the peer.
func (p *Peer) Stream() *media.Stream { return p.stream }

// State returns the present state.
func (p *Peer) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Quality returns what was measured since [media.Stream.Begin].
func (p *Peer) Quality() media.Quality { return p.stream.Quality() }

// Close ends the connection and its stream.
func (p *Peer) Close() { p.stream.Close() }

// checked is told that the browser has proved to be there.
func (p *Peer) checked(now time.Time) {
	p.mu.Lock()
	p.checkedAt = now
	begin := !p.shaking && p.state == Connecting
	p.shaking = p.shaking || begin
	if p.state == Disconnected {
		p.become(Connected)
	}
	p.tell()
	if begin {
		p.hub.begin(p)
	}
}

// begin starts the handshake, when the first check has shown where to.
func (h *Hub) begin(p *Peer) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if !h.stopped {
		h.working.Go(p.shakeHands)
	}
}

// check looks after the peer, a few times a second.
func (p *Peer) check(now time.Time) {
	heard, busy := p.stream.Activity()
	p.mu.Lock()
	last := heard
	if p.checkedAt.After(last) || p.offer.setup.Direction == media.SendOnly { // who has no microphone is not heard
		last = p.checkedAt
	}
	limit, most := p.hub.patience.idle, &p.hub.patience
	if gap := last.Sub(heard); busy && gap >= 0 && gap < justBefore { // audio was flowing: a second without is a second that the caller hears nothing
		limit = most.talk
	}
	silent := now.Sub(last)
	switch {
	case p.state == Connecting && now.Sub(p.began) > most.connect, p.state == Disconnected && silent > most.fail:
		p.tell()
		p.end(Failed)
		return
	case p.state == Connected && silent > limit:
		p.become(Disconnected)
	case p.state == Disconnected && silent < sweepEvery+justBefore:
		p.become(Connected)
	}
	p.tell()
}

// end takes the peer off the hub. The handshake's goroutine says goodbye, if there is one.
func (p *Peer) end(s State) {
	h := p.hub
	h.mu.Lock()
	if h.byName[p.name] == p {
		delete(h.byName, p.name)
	}
	for _, old := range p.paths {
		if old.line == nil {
			h.disown(p, old) // a connection stays for the goodbye
		}
	}
	h.mu.Unlock()
	p.mu.Lock()
	p.become(s)
	began := p.shaking
	p.tell()
	p.leave()
	if !began {
		p.hangUp()
	}
}

// hangUp ends what the goodbye needed.
func (p *Peer) hangUp() {
	p.path.Store(nil)
	p.handshake.Close()
	p.hub.mu.Lock()
	paths := p.paths
	p.paths = nil
	p.hub.mu.Unlock()
	for _, old := range paths {
		if old.line != nil {
			old.line.close()
		}
	}
}

// become changes the state; p.mu is held. A final state is final.
func (p *Peer) become(s State) {
	if p.state == s || p.state.final() && s != Closed {
		return
	}
	p.state = s
	p.news = append(p.news, s)
}

// tell hands the news to the listener in order, one goroutine at a time, with no lock held. It releases p.mu.
func (p *Peer) tell() {
	if p.telling {
		p.mu.Unlock() // that goroutine will see ours
		return
	}
	p.telling = true
	for len(p.news) > 0 {
		s := p.news[0]
		p.news = p.news[1:]
		p.mu.Unlock()
		p.onState(s)
		p.mu.Lock()
	}
	p.telling = false
	p.mu.Unlock()
}
