package peer

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"hotline/media"
	"hotline/media/peer/browser"
)

// history is what a peer reported, with the time.
type history struct {
	mu   sync.Mutex
	seen []State
	at   []time.Time
	ch   chan State
}

func newHistory() *history { return &history{ch: make(chan State, 100)} }

func (h *history) take(s State) {
	h.mu.Lock()
	h.seen, h.at = append(h.seen, s), append(h.at, time.Now())
	h.mu.Unlock()
	h.ch <- s
}

func (h *history) wait(t *testing.T, want State) time.Time {
	t.Helper()
	for {
		select {
		case s := <-h.ch:
			if s == want {
				return time.Now()
			}
		case <-time.After(45 * time.Second):
			t.Fatalf("the peer did not become %s: %v", want, h.seen)
		}
	}
}

// TestGoodbye: a browser that closes its connection is gone at once.
func TestGoodbye(t *testing.T) {
	s := newSite(t, "")
	h := newHistory()
	b, p := s.connect(browser.Options{}, Options{OnState: h.take})
	b.Close()
	h.wait(t, Closed)
	if p.State() != Closed || s.hub.Stats().Peers != 0 {
		t.Errorf("%s, %+v", p.State(), s.hub.Stats())
	}
	p.Close() // again: no error, no news
	chrome := newChrome(t, browserOptions{tone: 440})
	h = newHistory()
	q, answer, err := s.hub.Accept(context.Background(), chrome.offer(), Options{OnState: h.take})
	must(t, err)
	chrome.answer(answer)
	h.wait(t, Connected)
	q.Close() // we hang up: the browser is told
	h.wait(t, Closed)
	chrome.until("see the end", func() bool {
		return len(chrome.states) > 0 && strings.Contains("closed failed disconnected", chrome.states[len(chrome.states)-1].String())
	})
}

// TestSilence: in a call a network that is cut is noticed sooner than in none, and its return at once.
func TestSilence(t *testing.T) {
	s := newSite(t, "")
	h := newHistory()
	b, p := s.connect(browser.Options{Checks: -1}, Options{OnState: h.take})
	h.wait(t, Connected)
	c := s.call(media.PCMU)
	room := media.NewRoom(s.engine)
	must(t, room.Join(c.stream, media.Talker))
	must(t, room.Join(p.Stream(), media.Talker))
	frame := make([]byte, 160)
	stop := every20ms(func(int) { b.Send(frame) })
	c.until("be sent audio", func() bool { return len(c.packets) > 20 })
	stop()
	cut := time.Now()
	if took := h.wait(t, Disconnected).Sub(cut); took < s.hub.patience.talk {
		t.Errorf("the cut was noticed after %v already", took)
	}
	defer every20ms(func(int) { b.Send(frame) })()
	h.wait(t, Connected)
	if p.State() != Connected {
		t.Error(p.State())
	}
}

// TestIdleSilence: an idle telephone that checks now and then stays; one that does not is missed, and its check brings it back.
func TestIdleSilence(t *testing.T) {
	s := newSite(t, "")
	h, other := newHistory(), newHistory()
	b, _ := s.connect(browser.Options{Checks: -1}, Options{OnState: h.take})
	_, q := s.connect(browser.Options{Checks: 300 * time.Millisecond}, Options{OnState: other.take})
	h.wait(t, Disconnected)
	must(t, b.Raw(b.Check()))
	h.wait(t, Connected)
	other.mu.Lock()
	defer other.mu.Unlock()
	if q.State() != Connected || len(other.seen) != 1 {
		t.Errorf("the telephone that is there was %v", other.seen)
	}
	h.wait(t, Disconnected)
	h.wait(t, Failed) // it does not come back
	if st := s.hub.Stats(); st.Peers != 1 {
		t.Errorf("%+v", st)
	}
}

// TestNeverComes: an offer whose browser never comes is given up.
func TestNeverComes(t *testing.T) {
	s := newSite(t, "")
	h := newHistory()
	p, _, err := s.hub.Accept(context.Background(), crlf(chromium), Options{OnState: h.take})
	must(t, err)
	h.wait(t, Failed)
	p.Close()
	h.wait(t, Closed)
}

// TestAnotherNetwork: the browser goes on from another address (Wi-Fi to mobile); audio follows as soon as its check has come from there.
func TestAnotherNetwork(t *testing.T) {
	s := newSite(t, "")
	b, p := s.connect(browser.Options{}, Options{})
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(b.Server()))
	must(t, err)
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	packet, err := b.Seal(1, make([]byte, 160))
	must(t, err)
	conn.Write(packet) // before the check this is a stranger's
	conn.Write(b.Check())
	p.Stream().Play(media.Tone(800, time.Minute, 0.3), media.PlayOptions{})
	buf := make([]byte, 1500)
	for audio := 0; audio < 5; {
		n, err := conn.Read(buf)
		must(t, err)
		if n > 100 && buf[0] == 0x80 {
			audio++
		}
	}
	if st := s.hub.Stats(); st.Strangers == 0 {
		t.Error("a packet from an address that had not authenticated itself was not counted as a stranger's")
	}
	packet, err = b.Seal(2, make([]byte, 160))
	must(t, err)
	conn.Write(packet)
	heard := make(chan struct{})
	stop := sync.OnceFunc(func() { close(heard) })
	p.Stream().Tap(tap(func(in, out []int16) {
		if p.Quality().PacketsReceived > 0 {
			stop()
		}
	}))
	select {
	case <-heard:
	case <-time.After(5 * time.Second):
		t.Error("what comes from the new address is not heard")
	}
}

type tap func(in, out []int16)

func (f tap) Frame(in, out []int16) { f(in, out) }

// TestTCP: no UDP gets out of the browser's network.
func TestTCP(t *testing.T) {
	s := newSite(t, "127.0.0.1:0")
	chrome := newChrome(t, browserOptions{tone: 440, tcp: true})
	h := newHistory()
	p, answer, err := s.hub.Accept(context.Background(), chrome.offer(), Options{OnState: h.take})
	must(t, err)
	var lines []string
	for line := range strings.SplitSeq(answer, "\r\n") {
		if !strings.Contains(line, " udp ") {
			lines = append(lines, line)
		}
	}
	chrome.answer(strings.Join(lines, "\r\n"))
	h.wait(t, Connected)
	c := s.call(media.PCMU)
	defer c.whistle(1000)()
	room := media.NewRoom(s.engine)
	must(t, room.Join(c.stream, media.Talker))
	must(t, room.Join(p.Stream(), media.Talker))
	chrome.hears(1000)
	c.hears(440)
	if st := s.hub.Stats(); st.TCP == 0 {
		t.Errorf("not over TCP: %+v", st)
	}
	chrome.close()
	h.wait(t, Closed)
}

// TestTCPGuests: connections that nobody knows are few, and short.
func TestTCPGuests(t *testing.T) {
	s := newSite(t, "127.0.0.1:0")
	_, addr := s.hub.Addrs()
	var conns []net.Conn
	for range maxGuests + 4 {
		conn, err := net.Dial("tcp", addr.String())
		must(t, err)
		defer conn.Close()
		conns = append(conns, conn)
	}
	refused := make(chan struct{}, len(conns))
	for _, conn := range conns {
		go func() {
			conn.Read(make([]byte, 1)) // until it is closed
			refused <- struct{}{}
		}()
	}
	for range 4 {
		<-refused
	}
	for _, frame := range [][]byte{{0, 4, 1, 2, 3, 4}, {0xff, 0xff}, {0, 0}, append([]byte{0, 20}, make([]byte, 20)...)} {
		for _, conn := range conns {
			conn.Write(frame) // each is somebody's last word
		}
	}
	for range maxGuests {
		<-refused
	}
	b, _ := s.connect(browser.Options{TCP: true}, Options{}) // there is room again
	if st := s.hub.Stats(); st.Refused < maxGuests {
		t.Errorf("%+v", st)
	}
	b.Close()
}

// TestListener: a supervisor without a microphone is sent audio and asked for none.
func TestListener(t *testing.T) {
	s := newSite(t, "")
	heard, h := make(chan struct{}, 1000), newHistory()
	b, p := s.connect(browser.Options{
		Checks: 300 * time.Millisecond,
		Tamper: func(offer string) string { return strings.Replace(offer, "a=sendrecv", "a=recvonly", 1) },
		OnPacket: func(*rtp.Packet, time.Time) {
			select {
			case heard <- struct{}{}:
			default:
			}
		},
	}, Options{OnState: h.take, OnEvent: func(e media.StreamEvent) { t.Errorf("event %+v of one who has no microphone", e) }})
	c, d := s.call(media.PCMU), s.call(media.PCMU)
	defer c.whistle(500)()
	defer d.whistle(900)()
	room := media.NewRoom(s.engine)
	must(t, room.Join(c.stream, media.Talker))
	must(t, room.Join(d.stream, media.Talker))
	must(t, room.Join(p.Stream(), media.Listener))
	for range 60 { // longer than a talker may be silent
		<-heard
	}
	if p.State() != Connected {
		t.Error(p.State())
	}
	b.Vanish()
	h.wait(t, Disconnected) // and missed when it does not check any more
}

// TestStop: the hub stops in the middle of everything; nothing is left (newSite looks).
func TestStop(t *testing.T) {
	s := newSite(t, "127.0.0.1:0")
	h := newHistory()
	for _, o := range []browser.Options{{}, {TCP: true}} {
		_, p := s.connect(o, Options{OnState: h.take})
		p.Stream().Play(media.Tone(440, time.Minute, 0.3), media.PlayOptions{Loop: true})
	}
	chrome := newChrome(t, browserOptions{tone: 440})
	offer := chrome.offer()
	_, _, err := s.hub.Accept(context.Background(), offer, Options{OnState: h.take}) // never connects
	must(t, err)
	s.stop()
	for range 3 {
		h.wait(t, Closed)
	}
	if _, _, err := s.hub.Accept(context.Background(), offer, Options{}); err == nil {
		t.Error("a hub that has stopped accepts")
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", "localhost", "localhost:80", "1.2.3.4", "1.2.3.4:99999"} {
		if _, err := parseAddr(bad); err == nil {
			t.Errorf("%q is no address", bad)
		}
	}
	if a, err := parseAddr(":8444"); err != nil || !a.Addr().IsUnspecified() {
		t.Error(a, err)
	}
	if got := ownAddresses(netip.MustParseAddr("10.1.2.3")); len(got) != 1 || got[0].String() != "10.1.2.3" {
		t.Error(got)
	}
	if got := ownAddresses(netip.IPv4Unspecified()); len(got) == 0 || got[0].IsUnspecified() || got[0].Is6() {
		t.Error(got)
	}
}
