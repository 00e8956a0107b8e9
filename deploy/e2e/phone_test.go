//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/deploy/bench/load"
	"hotline/media"
)

// phone is a caller whom a test steers while the call goes on: it sends a tone without a pause, presses what it is told to, and
// counts what it hears.
type phone struct {
	t        testing.TB
	call     *load.Call
	keys     chan byte
	cancel   context.CancelFunc
	done     sync.WaitGroup
	answered time.Time
	packets  atomic.Int64 // of audio that came
	sounding atomic.Int64 // those of them that were not silent
	first    atomic.Int64 // the first of those: ns after the INVITE
}

// rings calls a number and fails the test when nobody answers.
func (h *house) rings(number, from string, hertz float64) *phone {
	h.t.Helper()
	p, err := h.tryRing(number, from, hertz)
	if err != nil {
		h.t.Fatalf("%s calls %s: %v", from, number, err)
	}
	return p
}

func (h *house) tryRing(number, from string, hertz float64) (*phone, error) {
	ctx, cancel := context.WithCancel(context.Background())
	g := &load.Generator{Target: netip.MustParseAddrPort(h.sip), Number: number, From: from}
	if err := g.Listen(ctx); err != nil {
		cancel()
		return nil, err
	}
	tooLong := time.AfterFunc(20*time.Second, cancel)
	c, err := g.Call(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	tooLong.Stop()
	p := &phone{t: h.t, call: c, keys: make(chan byte, 32), cancel: cancel, answered: time.Now()}
	p.done.Go(func() { p.talk(ctx, hertz) })
	p.done.Go(func() { p.listen(ctx) })
	h.t.Cleanup(p.drop)
	return p, nil
}

// talk sends a frame every 20 ms, and a digit in place of one when a key was pressed; 200 ms lie between two digits.
func (p *phone) talk(ctx context.Context, hertz float64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	pcm, coded := make([]int16, 160), make([]byte, 160)
	for n, rest := 0, 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for i := range pcm {
			pcm[i] = int16(8000 * math.Sin(2*math.Pi*hertz*float64(n*160+i)/8000))
		}
		media.PCMU.Encode(coded, pcm)
		p.call.SendFrame(coded)
		if rest--; rest > 0 {
			continue
		}
		select {
		case key := <-p.keys:
			p.call.SendDigit(byte(strings.IndexByte("0123456789*#", key)))
			rest = 10
		default:
		}
	}
}

func (p *phone) listen(ctx context.Context) {
	context.AfterFunc(ctx, func() { p.call.RTP.Close() })
	buf := make([]byte, 1500)
	for {
		n, _, err := p.call.RTP.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n <= 12 || buf[1]&0x7f != 0 {
			continue
		}
		p.packets.Add(1)
		for _, b := range buf[12:n] {
			if b|0x80 < 0xf0 { // more than a few steps from zero
				if p.sounding.Add(1) == 1 {
					p.first.Store(int64(time.Since(p.call.Invited)))
				}
				break
			}
		}
	}
}

// press queues digits.
func (p *phone) press(keys string) {
	for i := range len(keys) {
		p.keys <- keys[i]
	}
}

// hears waits until so much more audio has come, and that some of it was sound.
func (p *phone) hears(d time.Duration) {
	p.t.Helper()
	packets, sounding := p.packets.Load(), p.sounding.Load()
	want := int64(d / (20 * time.Millisecond))
	limit := d + 15*time.Second
	if !soon(limit, func() bool { return p.packets.Load()-packets >= want && p.sounding.Load() > sounding }) {
		p.t.Fatalf("within %s: %d packets of audio, %d with sound; wanted %d", limit, p.packets.Load()-packets, p.sounding.Load()-sounding, want)
	}
}

// stays waits until so much more audio has come, sound or not: the product's own clock.
func (p *phone) stays(d time.Duration) {
	p.t.Helper()
	packets, want := p.packets.Load(), int64(d/(20*time.Millisecond))
	if !soon(d+15*time.Second, func() bool { return p.packets.Load()-packets >= want }) {
		p.t.Fatalf("%d packets of audio came; wanted %d", p.packets.Load()-packets, want)
	}
}

// hangup ends the call with BYE.
func (p *phone) hangup() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.call.Hangup(ctx); err != nil {
		p.t.Error(err)
	}
	p.drop()
}

// drop closes the caller's sockets without a word.
func (p *phone) drop() {
	p.cancel()
	p.done.Wait()
}

// soon asks until the answer is yes, and says whether it came within the limit.
func soon(limit time.Duration, yes func() bool) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !yes() {
		select {
		case <-tick.C:
		case <-end:
			return yes()
		}
	}
	return true
}

// invite is an INVITE with an offer, from a socket at local.
func invite(target, number, from, id string, local netip.AddrPort) []byte {
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n", local.Addr(), local.Addr())
	return fmt.Appendf(nil, "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:%s>\r\n"+
		"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		number, target, local, id, from, local.Addr(), id, number, target, id, local, len(sdp), sdp)
}

// ask sends an INVITE once and returns the first final answer, or "" when none comes within the limit.
func ask(t testing.TB, conn *net.UDPConn, target, number, from string, limit time.Duration) string {
	t.Helper()
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	id := fmt.Sprintf("%s-%d", strings.Trim(from, "+"), time.Now().UnixNano())
	if _, err := conn.WriteToUDPAddrPort(invite(target, number, from, id, local), netip.MustParseAddrPort(target)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(limit))
	buf := make([]byte, 64<<10)
	for {
		n, _, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return ""
		}
		if text := string(buf[:n]); strings.HasPrefix(text, "SIP/2.0 ") && !strings.HasPrefix(text, "SIP/2.0 1") && strings.Contains(text, id) {
			return text
		}
	}
}
