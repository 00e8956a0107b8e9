package media

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/media/srtp"
)

// TestSteadyStateDoesNotAllocate: packets and ticks make no garbage, whatever a stream does.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	keys := &srtp.Keys{Local: [30]byte{1}, Remote: [30]byte{2}}
	for _, c := range []struct {
		name  string
		edit  func(*Setup)
		start func(b *bench, p *peer)
		most  float64
	}{
		{name: "prompt", start: func(_ *bench, p *peer) { p.stream.Play(Tone(440, time.Minute, 0.5), PlayOptions{Loop: true}) }},
		{name: "music, 60 ms", edit: func(n *Setup) { n.Ptime = 60 * time.Millisecond }, start: func(_ *bench, p *peer) { p.stream.PlayMusic(NewMusic(Tone(440, time.Second, 0.5))) }},
		{name: "tap", start: func(_ *bench, p *peer) { p.stream.Tap(deaf{}) }},
		{name: "digits in the audio", edit: func(n *Setup) { n.InbandDTMF = true }},
		{name: "relay", start: func(b *bench, p *peer) { b.roomOf(p, b.newPeer(nil)) }},
		{name: "mixing", start: func(b *bench, p *peer) { b.roomOf(p, b.newPeer(nil), b.newPeer(nil)) }},
		{name: "SRTP", edit: func(n *Setup) { n.SRTP = keys }, most: 4}, // what pion allocates for a packet each way
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			p := b.newPeer(c.edit)
			if c.start != nil {
				c.start(b, p)
			}
			if s := p.stream.setup.SRTP; s != nil {
				p.cipher, _ = srtp.New(srtp.Keys{Local: s.Remote, Remote: s.Local})
			}
			packets := make([][]byte, 400)
			for i := range packets {
				packets[i] = p.audio(p.samples(500, frameSamples))
			}
			p.stream.control.next = b.time().Add(time.Hour) // reports, every 5 s, may allocate
			i := 0
			step := func() {
				p.say(packets[i])
				i++
				b.step(1)
			}
			for range 100 {
				step()
			}
			if n := testing.AllocsPerRun(200, step); n > c.most {
				t.Errorf("%v allocations in 20 ms", n)
			}
		})
	}
}

type deaf struct{}

func (deaf) Frame(in, out []int16) {}

func (b *bench) roomOf(peers ...*peer) *Room {
	room := NewRoom(b.Engine)
	for _, p := range peers {
		if err := room.Join(p.stream, Talker); err != nil {
			b.t.Fatal(err)
		}
		p.stream.control.next = b.time().Add(time.Hour)
	}
	return room
}

// load is many streams and one socket that speaks for all their peers.
type load struct {
	e       *Engine
	shared  bool
	streams []*Stream
	conn    []*net.UDPConn
	packet  []byte
}

func newLoad(b *testing.B, n int, shared bool, edit func(*Setup)) *load {
	e, err := NewEngine(Config{BindIP: loopback})
	if err != nil {
		b.Fatal(err)
	}
	l := &load{e: e, shared: shared, packet: make([]byte, 172)}
	putHeader(l.packet, 0, false, 0, 0, 77)
	for range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		conn.SetReadBuffer(4096) // nobody reads: what is sent there is dropped cheaply
		remote := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		s, err := e.Open(OpenOptions{Remote: remote, Shared: shared})
		if err != nil {
			b.Fatal(err)
		}
		setup := Setup{Remote: remote, RTCPMux: true, DTMFPayloadType: 101}
		if edit != nil {
			edit(&setup)
		}
		if err := s.Configure(setup); err != nil {
			b.Fatal(err)
		}
		s.control.next = time.Now().Add(time.Hour)
		l.streams, l.conn = append(l.streams, s), append(l.conn, conn)
	}
	b.Cleanup(func() {
		for i, s := range l.streams {
			s.Close()
			l.conn[i].Close()
		}
		e.closeShared()
		e.closeShards()
	})
	return l
}

// talk sends one packet from every peer.
func (l *load) talk(seq int) {
	binary.BigEndian.PutUint16(l.packet[2:], uint16(seq))
	binary.BigEndian.PutUint32(l.packet[4:], uint32(seq*frameSamples))
	for i, s := range l.streams {
		to := s.way.Local()
		l.conn[i].WriteToUDPAddrPort(l.packet, netip.AddrPortFrom(to.Addr(), to.Port()))
	}
}

// read reads what has arrived, as the pollers do.
func (l *load) read(events []syscall.EpollEvent, buf *batch) {
	for _, sh := range l.e.shards {
		for more := true; more; {
			sh.poll.Control(func(fd uintptr) {
				n, _ := syscall.EpollWait(int(fd), events, 0)
				more = n > 0
				for _, ev := range events[:max(n, 0)] {
					sh.sockets[ev.Fd].read(buf)
				}
			})
		}
	}
	l.e.flush()
}

// threadTime is the CPU time of this thread: others on the machine do not count.
func threadTime() time.Duration {
	const rusageThread = 1
	var u syscall.Rusage
	syscall.Getrusage(rusageThread, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStream measures what one stream costs in CPU of Hotline: 20 ms of receiving a packet and sending one, over real sockets.
// The peers' own sending is not counted. "streams/core" is how many a core can carry at that.
func BenchmarkStream(b *testing.B) {
	const n = 500
	taps := func(l *load) {
		for _, s := range l.streams {
			s.Tap(deaf{})
		}
	}
	for _, c := range []struct {
		name   string
		shared bool
		edit   func(*Setup)
		start  func(*load)
	}{
		{"prompt/ports", false, nil, nil},
		{"prompt/shared", true, nil, nil},
		{"recorded/shared", true, nil, taps},
		{"inband/shared", true, func(s *Setup) { s.InbandDTMF = true }, nil},
		{"relayed/shared", true, nil, func(l *load) {
			for i := 0; i+1 < len(l.streams); i += 2 {
				r := NewRoom(l.e)
				r.Join(l.streams[i], Talker)
				r.Join(l.streams[i+1], Talker)
			}
		}},
		{"srtp/ports", false, func(s *Setup) { s.SRTP = &srtp.Keys{} }, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := newLoad(b, n, c.shared, c.edit)
			prompt := Tone(440, time.Minute, 0.5)
			if c.start != nil {
				c.start(l)
			} else {
				for _, s := range l.streams {
					s.Play(prompt, PlayOptions{Loop: true})
				}
			}
			events, buf, now := make([]syscall.EpollEvent, 256), newBatch(), time.Now()
			l.e.now = func() time.Time { return now }
			b.ReportAllocs()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			used := time.Duration(0)
			for i := range b.N {
				l.talk(i)
				now = now.Add(frameTime)
				begin := threadTime()
				l.read(events, buf)
				for _, sh := range l.e.shards {
					sh.tick(now)
				}
				used += threadTime() - begin
			}
			each := float64(used.Nanoseconds()) / float64(b.N) / n
			b.ReportMetric(each/1000, "µs/stream-tick")
			b.ReportMetric(float64(frameTime.Nanoseconds())/each, "streams/core")
		})
	}
}

func BenchmarkResample48k(b *testing.B) {
	pcm := sine(48000, 1000, 48000, 0.5)
	for b.Loop() {
		Resample(pcm, 48000, SampleRate)
	}
}

// muxed is a browser's way: a place on a socket that many share, found by address, as package peer has it.
type muxed struct {
	socket *Socket
	remote netip.AddrPort
}

func (m muxed) Local() netip.AddrPort                    { return m.socket.Local() }
func (m muxed) Expect(_, _ netip.AddrPort, _ bool) error { return nil }
func (m muxed) Send(b []byte, _ netip.AddrPort)          { m.socket.Queue(b, m.remote) }
func (m muxed) SendRTCP(b []byte, _ netip.AddrPort)      { m.socket.Queue(b, m.remote) }
func (m muxed) Close()                                   {}

// bridges is calls between a trunk and browsers.
type bridges struct {
	*load
	socket   *Socket
	byAddr   map[netip.AddrPort]*Stream
	mu       sync.RWMutex // of byAddr, as in package peer
	browsers []*net.UDPConn
	ciphers  []*srtp.Context // of the browsers
}

func newBridges(b *testing.B, n int) *bridges {
	br := &bridges{load: newLoad(b, n, true, nil), byAddr: make(map[netip.AddrPort]*Stream)}
	var err error
	if br.socket, err = br.e.Listen(netip.AddrPortFrom(loopback, 0), br.receive); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(br.socket.Close)
	for i := range n {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		conn.SetReadBuffer(4096)
		remote := conn.LocalAddr().(*net.UDPAddr).AddrPort()
		s, err := br.e.OpenOver(OpenOptions{Idle: true}, func(*Stream) (Transport, error) { return muxed{br.socket, remote}, nil })
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(s.Close)
		keys := srtp.Keys{Profile: srtp.AEAD_AES_128_GCM, Local: [30]byte{1}, Remote: [30]byte{2}}
		if err := s.Configure(Setup{Remote: remote, RTCPMux: true, SRTP: &keys}); err != nil {
			b.Fatal(err)
		}
		s.control.next = time.Now().Add(time.Hour)
		far, _ := srtp.New(srtp.Keys{Profile: srtp.AEAD_AES_128_GCM, Local: keys.Remote, Remote: keys.Local})
		br.browsers, br.ciphers, br.byAddr[remote] = append(br.browsers, conn), append(br.ciphers, far), s
		r := NewRoom(br.e)
		r.Join(br.streams[i], Talker)
		r.Join(s, Talker)
	}
	return br
}

func (br *bridges) receive(p []byte, from netip.AddrPort) {
	br.mu.RLock()
	s := br.byAddr[from]
	br.mu.RUnlock()
	s.Receive(p, from)
}

// talk sends one packet from every caller and every browser.
func (br *bridges) talk(seq int) {
	br.load.talk(seq)
	to := net.UDPAddrFromAddrPort(br.socket.Local())
	for i, conn := range br.browsers {
		conn.WriteToUDP(br.ciphers[i].Seal(br.packet), to)
	}
}

// BenchmarkBridge measures what a call between a trunk and a browser costs in CPU of Hotline: each tick a packet each way, plain on
// one side, SRTP with GCM on the other, in rooms of two. The peers' own work is not counted.
func BenchmarkBridge(b *testing.B) {
	const n = 250
	for _, name := range []string{"talking", "recorded"} {
		b.Run(name, func(b *testing.B) {
			br := newBridges(b, n)
			for _, s := range br.streams {
				if name == "recorded" {
					s.Tap(deaf{})
				}
			}
			events, buf, now := make([]syscall.EpollEvent, 256), newBatch(), time.Now()
			br.e.now = func() time.Time { return now }
			b.ReportAllocs()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			used := time.Duration(0)
			for tick := range b.N {
				br.talk(tick)
				now = now.Add(frameTime)
				begin := threadTime()
				br.read(events, buf)
				for _, sh := range br.e.shards {
					sh.tick(now)
				}
				used += threadTime() - begin
			}
			each := float64(used.Nanoseconds()) / float64(b.N) / n
			b.ReportMetric(each/1000*50, "µs/call-second")
			b.ReportMetric(float64(frameTime.Nanoseconds())/each, "calls/core")
			if q := br.streams[0].Quality(); q.PacketsSent < uint64(b.N) {
				b.Fatalf("%d packets relayed in %d ticks", q.PacketsSent, b.N)
			}
		})
	}
}
