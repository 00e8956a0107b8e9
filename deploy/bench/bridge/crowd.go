package bridge

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"

	"hotline/media/peer/browser"
)

const (
	frame   = 20 * time.Millisecond
	samples = 160
	slots   = 20 // parts of the crowd that talk one after the other within a frame, as people do
)

// Crowd is many agents and their callers.
type Crowd struct {
	site   control
	phones []*line
	epoch  time.Time
	closed sync.Once
	ears   sync.WaitGroup
}

// line is an agent's telephone and, once it has one, its caller.
type line struct {
	crowd    *Crowd
	id       int
	phone    *browser.Browser
	caller   *net.UDPConn // nil: the telephone waits
	site     netip.AddrPort
	seq      uint16
	stamp    uint32
	callerIn hearing // of the caller's goroutine until it has ended
	phoneIn  hearing // of the browser's
}

// hearing is what one side hears.
type hearing struct {
	mu     sync.Mutex
	delays []time.Duration
	on     bool
}

// NewCrowd is for the site that listens at an address.
func NewCrowd(addr string) *Crowd { return &Crowd{site: control{"http://" + addr}, epoch: time.Now()} }

// Connect adds n waiting telephones.
func (c *Crowd) Connect(ctx context.Context, n int) error {
	for range n {
		l := &line{crowd: c}
		var err error
		l.phone, err = browser.Connect(ctx, browser.Options{
			OnPacket: func(p *rtp.Packet, at time.Time) { l.phoneIn.take(p.Payload, at.Sub(c.epoch)) },
		}, func(offer string) (string, error) {
			raw, err := c.site.do(ctx, "/phones", offer)
			if err != nil {
				return "", err
			}
			var p phone
			err = json.Unmarshal(raw, &p)
			l.id = p.ID
			return p.Answer, err
		})
		if err != nil {
			return fmt.Errorf("telephone %d: %w", len(c.phones), err)
		}
		c.phones = append(c.phones, l)
	}
	return nil
}

// Tidy lets the site give back the memory that it does not need.
func (c *Crowd) Tidy(ctx context.Context) error {
	_, err := c.site.do(ctx, "/tidy", "")
	return err
}

// Ring gives n of the waiting telephones a caller each.
func (c *Crowd) Ring(ctx context.Context, n int) error {
	for _, l := range c.phones {
		if n == 0 {
			break
		}
		if l.caller != nil {
			continue
		}
		n--
		var err error
		if l.caller, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return err
		}
		raw, err := c.site.do(ctx, fmt.Sprintf("/phones/%d/call?remote=%s", l.id, url.QueryEscape(l.caller.LocalAddr().String())), "")
		if err != nil {
			return err
		}
		if l.site, err = netip.ParseAddrPort(string(raw)); err != nil {
			return err
		}
		c.ears.Go(l.listen)
	}
	if n > 0 {
		return fmt.Errorf("%d telephones too few", n)
	}
	return nil
}

// listen is the caller's ear.
func (l *line) listen() {
	b := make([]byte, 1500)
	for {
		n, err := l.caller.Read(b)
		if err != nil {
			return
		}
		if n > 12 && b[1]&0x7f == 0 {
			l.callerIn.take(b[12:n], time.Since(l.crowd.epoch))
		}
	}
}

// take reads the time at which a packet was said from its samples: nobody touches them on the way.
func (h *hearing) take(payload []byte, now time.Duration) {
	if len(payload) != samples || binary.BigEndian.Uint64(payload) != mark {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on {
		h.delays = append(h.delays, now-time.Duration(binary.BigEndian.Uint64(payload[8:])))
	}
}

const mark = 0x1b2e3d4c5f6a7988 // of packets with a time in them

// Heard is what came of a conversation.
type Heard struct {
	Delays []time.Duration // of every packet, sorted
	Lost   float64         // share of what was said
}

// Talk lets all who have a caller talk, both ways, and measures from the time on when settled returns until measured returns.
func (c *Crowd) Talk(ctx context.Context, settled, measured func()) (Heard, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var talking sync.WaitGroup
	var callers []*line
	for _, l := range c.phones {
		if l.caller != nil {
			callers = append(callers, l)
		}
	}
	for slot := range slots {
		talking.Go(func() { c.talk(ctx, callers, slot) })
	}
	settled()
	c.record(callers, true)
	begin := time.Now()
	measured()
	said := float64(time.Since(begin)/frame) * 2 * float64(len(callers))
	c.record(callers, false)
	cancel()
	talking.Wait()
	var h Heard
	for _, l := range callers {
		h.Delays = append(append(h.Delays, l.callerIn.delays...), l.phoneIn.delays...)
	}
	slices.Sort(h.Delays)
	h.Lost = max(0, 1-float64(len(h.Delays))/said)
	if len(h.Delays) == 0 {
		return h, fmt.Errorf("nothing was heard of %d calls", len(callers))
	}
	return h, nil
}

func (c *Crowd) record(callers []*line, on bool) {
	for _, l := range callers {
		for _, h := range []*hearing{&l.callerIn, &l.phoneIn} {
			h.mu.Lock()
			if h.on = on; on {
				h.delays = nil
			}
			h.mu.Unlock()
		}
	}
}

// talk is the mouths of one slot's lines: every frame a packet of each side.
func (c *Crowd) talk(ctx context.Context, callers []*line, slot int) {
	timer := time.NewTimer(frame * time.Duration(slot) / slots)
	defer timer.Stop()
	next := time.Now().Add(frame * time.Duration(slot) / slots)
	payload, packet := make([]byte, samples), make([]byte, 12+samples)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for i := slot; i < len(callers); i += slots {
			l := callers[i]
			binary.BigEndian.PutUint64(payload, mark)
			binary.BigEndian.PutUint64(payload[8:], uint64(time.Since(c.epoch)))
			l.phone.Send(payload)
			binary.BigEndian.PutUint64(payload[8:], uint64(time.Since(c.epoch)))
			l.say(packet, payload)
		}
		next = next.Add(frame)
		timer.Reset(time.Until(next))
	}
}

// say sends a packet of the caller's.
func (l *line) say(packet, payload []byte) {
	l.seq, l.stamp = l.seq+1, l.stamp+samples
	packet[0], packet[1] = 0x80, 0
	binary.BigEndian.PutUint16(packet[2:], l.seq)
	binary.BigEndian.PutUint32(packet[4:], l.stamp)
	binary.BigEndian.PutUint32(packet[8:], uint32(l.id)+1)
	copy(packet[12:], payload)
	l.caller.WriteToUDPAddrPort(packet, l.site)
}

// Close lets everybody hang up.
func (c *Crowd) Close() {
	c.closed.Do(func() {
		for _, l := range c.phones {
			l.phone.Close()
			if l.caller != nil {
				l.caller.Close()
			}
		}
		c.ears.Wait()
	})
}
