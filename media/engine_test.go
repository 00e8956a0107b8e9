package media

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hotline/media/srtp"

	"hotline"
)

// running starts an engine with its real clock and sockets.
func running(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if !cfg.BindIP.IsValid() {
		cfg.BindIP = loopback
	}
	e, err := NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	for _, sh := range e.shards { // all its goroutines are there when the tests begin to count
		first := make(signal)
		sh.join(first)
		<-first
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if st := e.Stats(); st.PortsInUse != 0 || st.Streams != 0 || st.SharedStreams != 0 {
			t.Errorf("left over: %+v", st)
		}
	})
	return e
}

// signal is closed by its first tick.
type signal chan struct{}

func (s signal) tick(time.Time) bool {
	close(s)
	return false
}

// ear waits until a tone is heard from the peer.
type ear struct {
	mu   sync.Mutex
	freq float64
	pcm  []int16
	done chan struct{}
}

func newEar(freq float64) *ear { return &ear{freq: freq, done: make(chan struct{})} }

func (h *ear) Frame(in, _ []int16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pcm = append(h.pcm, in...)
	if n := len(h.pcm) - 800; n > 0 {
		h.pcm = h.pcm[n:]
		if Goertzel(h.pcm, SampleRate, h.freq) > 0.05 {
			select {
			case <-h.done:
			default:
				close(h.done)
			}
		}
	}
}

func (h *ear) wait(t testing.TB, what string) {
	t.Helper()
	select {
	case <-h.done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: no tone of %.0f Hz within 10 s", what, h.freq)
	}
}

// TestRealCalls lets streams talk to each other over real sockets with the real clock: own ports, shared sockets, SRTP.
func TestRealCalls(t *testing.T) {
	for _, c := range []struct {
		name                 string
		shared, mux, secured bool
	}{{name: "ports"}, {name: "ports, RTCP on the same", mux: true}, {name: "shared", shared: true, mux: true}, {name: "SRTP", secured: true, mux: true}} {
		t.Run(c.name, func(t *testing.T) {
			e, other := running(t, Config{}), running(t, Config{})
			var keys, reversed *srtp.Keys
			if c.secured {
				keys, reversed = &srtp.Keys{Local: [30]byte{1}, Remote: [30]byte{2}}, &srtp.Keys{Local: [30]byte{2}, Remote: [30]byte{1}}
			}
			for range 5 {
				y, err := other.Open(OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				x, err := e.Open(OpenOptions{Shared: c.shared, Remote: y.Local()})
				if err != nil {
					t.Fatal(err)
				}
				digit := make(chan byte, 10)
				y.onEvent = func(ev StreamEvent) {
					if ev.Kind == DigitDown {
						digit <- ev.Digit
					}
				}
				if err := x.Configure(Setup{Remote: y.Local(), RTCPMux: c.mux, DTMFPayloadType: 101, SRTP: keys}); err != nil {
					t.Fatal(err)
				}
				if err := y.Configure(Setup{Remote: x.Local(), RTCPMux: c.mux, DTMFPayloadType: 101, SRTP: reversed}); err != nil {
					t.Fatal(err)
				}
				hx, hy := newEar(600), newEar(900)
				x.Tap(hx)
				y.Tap(hy)
				x.Play(Tone(900, 10*time.Second, 0.5), PlayOptions{})
				y.Play(Tone(600, 10*time.Second, 0.5), PlayOptions{})
				hx.wait(t, "x")
				hy.wait(t, "y")
				if err := x.SendDigits(context.Background(), "4", 60*time.Millisecond, 40*time.Millisecond); err != nil {
					t.Fatal(err)
				}
				if d := <-digit; d != '4' {
					t.Errorf("digit %c", d)
				}
				x.Close()
				y.Close()
			}
			if c.shared {
				if st := e.Stats(); st.PortsInUse != runtime.GOMAXPROCS(0) {
					t.Errorf("shared sockets use %d ports", st.PortsInUse)
				}
			}
		})
	}
}

// TestIPv6: streams talk over IPv6 too.
func TestIPv6(t *testing.T) {
	e := running(t, Config{BindIP: netip.IPv6Loopback()})
	x, errX := e.Open(OpenOptions{})
	y, errY := e.Open(OpenOptions{})
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	for s, other := range map[*Stream]*Stream{x: y, y: x} {
		if err := s.Configure(Setup{Remote: other.Local(), RTCPMux: true}); err != nil {
			t.Fatal(err)
		}
	}
	h := newEar(600)
	x.Tap(h)
	y.Play(Tone(600, 10*time.Second, 0.5), PlayOptions{})
	h.wait(t, "x")
}

// counter counts its ticks; each takes a while, one of them very long.
type counter struct {
	n     int
	times []time.Time
}

func (c *counter) tick(now time.Time) bool {
	c.n++
	c.times = append(c.times, now)
	time.Sleep(7 * time.Millisecond)
	if c.n == 50 {
		time.Sleep(400 * time.Millisecond)
	}
	return true
}

// TestClock: the grid does not drift with the work that is done, and a stall is made up for, but not without end.
func TestClock(t *testing.T) {
	e, err := NewEngine(Config{BindIP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer e.closeShards()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c := &counter{}
		e.shards[0].join(c)
		e.shards[0].keepTime(ctx, 0)
		missed := int(e.Stats().Stalls)
		if c.n+missed < 497 || c.n+missed > 500 || missed < 10 || missed > 20 {
			t.Errorf("%d ticks and %d left out in 10 s", c.n, missed)
		}
		for i := 1; i < len(c.times); i++ {
			if d := c.times[i].Sub(c.times[i-1]); d%frameTime != 0 || d <= 0 {
				t.Fatalf("tick %d comes %v after the one before", i, d)
			}
		}
	})
}

func TestPortsComeBack(t *testing.T) {
	first := freeRange(t, 20)
	e := running(t, Config{PortMin: first, PortMax: first + 19})
	seen := map[uint16]int{}
	for range 30 {
		var streams []*Stream
		for {
			s, err := e.Open(OpenOptions{})
			if errors.Is(err, ErrNoPorts) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Configure(Setup{Remote: s.Local()}); err != nil { // takes the RTCP port too
				t.Fatal(err)
			}
			seen[s.Local().Port()]++
			streams = append(streams, s)
		}
		if len(streams) != 10 || e.Stats().PortsInUse != 10 {
			t.Fatalf("%d streams on 20 ports, %+v", len(streams), e.Stats())
		}
		var wg sync.WaitGroup
		for _, s := range streams {
			wg.Go(s.Close)
		}
		wg.Wait()
	}
	for port, n := range seen {
		if port%2 != 0 || n != 30 {
			t.Errorf("port %d was used %d times", port, n)
		}
	}
	if kind := hotline.KindOf(ErrNoPorts); kind != hotline.Unavailable {
		t.Errorf("ErrNoPorts is %s", kind)
	}
}

// TestPortTakenByAnother is passed over.
func TestPortTakenByAnother(t *testing.T) {
	first := freeRange(t, 4)
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, uint16(first))))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := running(t, Config{PortMin: first, PortMax: first + 3})
	s, err := e.Open(OpenOptions{})
	if err != nil || s.Local().Port() != uint16(first+2) {
		t.Fatalf("%v", err)
	}
	defer s.Close()
	if _, err := e.Open(OpenOptions{}); !errors.Is(err, ErrNoPorts) {
		t.Errorf("error is %v", err)
	}
}

// freeRange finds n free ports in a row, the first even.
func freeRange(t *testing.T, n int) int {
	t.Helper()
search:
	for first := 30000 + 2*n; first < 60000; first += 500 {
		var open []net.PacketConn
		for i := range n {
			conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, uint16(first+i))))
			if err != nil {
				for _, c := range open {
					c.Close()
				}
				continue search
			}
			open = append(open, conn)
		}
		for _, c := range open {
			c.Close()
		}
		return first
	}
	t.Fatal("no free range of ports")
	return 0
}

// TestSharedSocketsWithFewPorts: with ports for one shared socket only, streams share that one, and audio leaves it.
func TestSharedSocketsWithFewPorts(t *testing.T) {
	first := freeRange(t, 2)
	e, other := running(t, Config{PortMin: first, PortMax: first + 1}), running(t, Config{})
	for range 3 {
		y, err := other.Open(OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := e.Open(OpenOptions{Shared: true, Remote: y.Local()})
		if err != nil {
			t.Fatal(err)
		}
		for s, to := range map[*Stream]*Stream{x: y, y: x} {
			if err := s.Configure(Setup{Remote: to.Local(), RTCPMux: true}); err != nil {
				t.Fatal(err)
			}
		}
		h := newEar(900)
		y.Tap(h)
		x.Play(Tone(900, 10*time.Second, 0.5), PlayOptions{})
		h.wait(t, "y")
	}
	if _, err := e.Open(OpenOptions{}); !errors.Is(err, ErrNoPorts) {
		t.Errorf("error is %v", err)
	}
}

func TestSharedSocketConflict(t *testing.T) {
	e := running(t, Config{})
	remote := netip.MustParseAddrPort("127.0.0.1:9")
	var ports []uint16
	for range runtime.GOMAXPROCS(0) + 1 {
		s, err := e.Open(OpenOptions{Shared: true, Remote: remote})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Configure(Setup{Remote: remote}); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, s.Local().Port())
		defer s.Close()
	}
	for i := range ports {
		for j := range i {
			if ports[i] == ports[j] {
				t.Errorf("two streams with one remote address share port %d", ports[i])
			}
		}
	}
	if st := e.Stats(); st.SharedStreams != len(ports)-1 {
		t.Errorf("%+v: the last one must have a port of its own", st)
	}
	s, err := e.Open(OpenOptions{Shared: true, Remote: netip.MustParseAddrPort("127.0.0.1:19")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Configure(Setup{Remote: remote}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a re-INVITE to an address in use: %v", err)
	}
}

func TestEngineRefusesAndStops(t *testing.T) {
	for _, c := range [][2]int{{80, 90}, {20000, 20000}, {30000, 20000}, {20000, 70000}, {0, 20000}} {
		if _, err := NewEngine(Config{PortMin: c[0], PortMax: c[1]}); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("ports %v: %v", c, err)
		}
	}
	e, err := NewEngine(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Open(OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Local().Addr().IsUnspecified() || s.Local().Port() == 0 {
		t.Errorf("the peer would be told %v", s.Local())
	}
	play := s.Play(Tone(440, time.Second, 0.5), PlayOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Run(ctx); err != nil {
		t.Fatal(err)
	}
	<-play.Done()
	if _, err := e.Open(OpenOptions{}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("open after the end: %v", err)
	}
	if st := e.Stats(); st.Streams != 0 || st.PortsInUse != 0 {
		t.Errorf("%+v", st)
	}
}

// TestManyAtOnce opens, configures, plays, joins, taps, taps out and closes from many goroutines; the race detector watches.
func TestManyAtOnce(t *testing.T) {
	e := running(t, Config{})
	before := runtime.NumGoroutine()
	music := NewMusic(Tone(440, time.Second, 0.5))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 30 {
				room := NewRoom(e)
				x, errX := e.Open(OpenOptions{OnEvent: func(StreamEvent) {}})
				y, errY := e.Open(OpenOptions{})
				if errX != nil || errY != nil {
					t.Error(errX, errY)
					return
				}
				x.onEvent = func(StreamEvent) { room.SetRole(y, Listener) }
				x.Configure(Setup{Remote: y.Local(), DTMFPayloadType: 101, RTCPMux: i%2 == 0})
				y.Configure(Setup{Remote: x.Local(), Codec: Codec(g % 2), PayloadType: Codec(g % 2).PayloadType(), RTCPMux: i%2 == 0})
				remove := x.Tap(newEar(440))
				x.PlayMusic(music)
				room.Join(x, Talker)
				room.Join(y, Coached)
				play := y.Play(Tone(600, 30*time.Millisecond, 0.5), PlayOptions{Loop: i%3 == 0})
				x.InjectDigit('1', time.Millisecond)
				if i%3 == 0 {
					play.Stop()
				}
				<-play.Done()
				remove()
				x.Quality()
				switch i % 4 {
				case 0:
					room.Close()
				case 1:
					NewRoom(e).Join(x, Talker)
				}
				x.Close()
				y.Close()
			}
		})
	}
	wg.Wait()
	// A goroutine that has nothing left to do may still be counted for a moment.
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		<-time.After(5 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines before, %d after", before, n)
	}
}

// TestNothingLeftOver opens and closes 3,000 streams: descriptors and goroutines are back at the baseline.
func TestNothingLeftOver(t *testing.T) {
	e := running(t, Config{})
	use := func(n int) {
		for range n {
			s, err := e.Open(OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Configure(Setup{Remote: s.Local(), DTMFPayloadType: 101}); err != nil {
				t.Fatal(err)
			}
			s.Play(Silence(time.Second), PlayOptions{})
			s.Tap(deaf{})
			s.Close()
		}
	}
	use(10)
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	use(3000)
	if n := openFiles(t); n > files {
		t.Errorf("%d descriptors before, %d after", files, n)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines before, %d after", goroutines, n)
	}
	for _, sh := range e.shards {
		sh.mu.Lock()
		if n := len(sh.sockets); n != 0 {
			t.Errorf("%d sockets are still watched", n)
		}
		sh.mu.Unlock()
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
