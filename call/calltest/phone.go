package calltest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"hotline/media"
)

const (
	telephoneEvent = 101
	frame          = 160 // samples of 20 ms
)

// Phone is the far end of a [Leg]: PCMU over RTP on loopback. What it sends is paced by its own clock.
type Phone struct {
	conn *net.UDPConn
	done chan struct{}
	once sync.Once
	wait sync.WaitGroup

	mu     sync.Mutex
	peer   netip.AddrPort
	heard  []int16
	got    []byte // keys that were pressed at the other end
	gotAt  uint32 // timestamp of the last
	say    []int16
	hum    []int16 // said whenever there is nothing else to say
	keys   []byte
	drop   bool
	seq    uint16
	stamp  uint32
	notify chan struct{} // closed and replaced when something was heard
}

func newPhone() (*Phone, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	p := &Phone{conn: conn, done: make(chan struct{}), notify: make(chan struct{}), seq: 1000, stamp: 5000}
	p.wait.Add(2)
	go p.listen()
	go p.speak()
	return p, nil
}

func (p *Phone) close() {
	p.once.Do(func() {
		close(p.done)
		p.conn.Close()
	})
	p.wait.Wait()
}

func (p *Phone) local() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *Phone) dial(peer netip.AddrPort) {
	p.mu.Lock()
	p.peer = peer
	p.mu.Unlock()
}

func (p *Phone) listen() {
	defer p.wait.Done()
	buf := make([]byte, 2048)
	for {
		n, _, err := p.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if n >= 16 && buf[1]&0x7f == telephoneEvent {
			p.pressed(binary.BigEndian.Uint32(buf[4:]), buf[12])
		}
		if n <= 12 || buf[1]&0x7f != 0 {
			continue
		}
		pcm := make([]int16, n-12)
		media.PCMU.Decode(pcm, buf[12:n])
		p.mu.Lock()
		p.heard = append(p.heard, pcm...)
		close(p.notify)
		p.notify = make(chan struct{})
		p.mu.Unlock()
	}
}

// pressed takes a packet of a key: all of one key have its timestamp.
func (p *Phone) pressed(stamp uint32, code byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if code > 15 || len(p.got) > 0 && stamp == p.gotAt {
		return
	}
	p.got, p.gotAt = append(p.got, "0123456789*#ABCD"[code]), stamp
}

// WaitKeys waits until keys are all that was pressed at the other end, and says whether they were in time.
func (p *Phone) WaitKeys(timeout time.Duration, keys string) bool {
	return p.WaitHeard(timeout, func([]int16) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return string(p.got) == keys
	})
}

// speak sends a packet every 20 ms: a key, speech, or silence.
func (p *Phone) speak() {
	defer p.wait.Done()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.tick()
		case <-p.done:
			return
		}
	}
}

func (p *Phone) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stamp += frame
	if !p.peer.IsValid() || p.drop {
		return
	}
	if len(p.keys) > 0 {
		p.key(p.keys[0])
		p.keys = p.keys[1:]
		return
	}
	pcm := make([]int16, frame)
	n := copy(pcm, p.say)
	p.say = p.say[n:]
	for n < frame && len(p.hum) > 0 {
		k := copy(pcm[n:], p.hum)
		p.hum = append(p.hum[k:], p.hum[:k]...)
		n += k
	}
	payload := make([]byte, frame)
	media.PCMU.Encode(payload, pcm)
	p.send(0, false, p.stamp, payload)
}

// key sends one key press as RFC 4733 does: begin, and three times its end, all with one timestamp.
func (p *Phone) key(digit byte) {
	code := slices.Index([]byte("0123456789*#ABCD"), digit)
	if code < 0 {
		return
	}
	event := []byte{byte(code), 10, 0, 160}
	p.send(telephoneEvent, true, p.stamp, event)
	event[1] |= 0x80
	binary.BigEndian.PutUint16(event[2:], 640)
	for range 3 {
		p.send(telephoneEvent, false, p.stamp, event)
	}
	p.stamp += 4 * frame
}

func (p *Phone) send(pt byte, marker bool, stamp uint32, payload []byte) {
	packet := make([]byte, 12, 12+len(payload))
	packet[0], packet[1] = 0x80, pt
	if marker {
		packet[1] |= 0x80
	}
	p.seq++
	binary.BigEndian.PutUint16(packet[2:], p.seq)
	binary.BigEndian.PutUint32(packet[4:], stamp)
	binary.BigEndian.PutUint32(packet[8:], 0xcafe)
	p.conn.WriteToUDPAddrPort(append(packet, payload...), p.peer)
}

// Say lets the phone speak: 8 kHz mono. It returns at once.
func (p *Phone) Say(pcm []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.say = append(p.say, pcm...)
}

// Hum lets the phone give a tone until it is told otherwise; 0 is silence.
func (p *Phone) Hum(freq float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hum = nil
	if freq > 0 {
		p.hum = media.Tone(freq, time.Second, 0.15).PCM()
	}
}

// Tunes waits until, for 300 ms, every frequency of on and none of off is heard.
func (p *Phone) Tunes(timeout time.Duration, on, off []float64) bool {
	return p.WaitHeard(timeout, func(pcm []int16) bool {
		const window, steps = 800, 3
		if len(pcm) < window*steps {
			return false
		}
		for i := range steps {
			part := pcm[len(pcm)-window*(i+1):][:window]
			for _, f := range on {
				if media.Goertzel(part, media.SampleRate, f) < 0.003 {
					return false
				}
			}
			for _, f := range off {
				if media.Goertzel(part, media.SampleRate, f) > 0.0006 {
					return false
				}
			}
		}
		return true
	})
}

// Press presses keys, one every 20 ms. It returns at once.
func (p *Phone) Press(keys string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, keys...)
}

// Mute stops and restarts all packets: the network is gone.
func (p *Phone) Mute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = on
}

// Heard returns what the phone has heard since the call began, 8 kHz mono.
func (p *Phone) Heard() []int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

// WaitHeard waits until cond holds for what was heard, and says whether it did in time.
func (p *Phone) WaitHeard(timeout time.Duration, cond func(pcm []int16) bool) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		heard, notify := slices.Clone(p.heard), p.notify
		p.mu.Unlock()
		if cond(heard) {
			return true
		}
		select {
		case <-notify:
		case <-deadline.C:
			return false
		case <-p.done:
			return false
		}
	}
}

// HearsTone waits until a frequency is clearly heard in the last 100 ms.
func (p *Phone) HearsTone(freq float64, timeout time.Duration) bool {
	return p.WaitHeard(timeout, func(pcm []int16) bool {
		const window = 800
		if len(pcm) < window {
			return false
		}
		last := pcm[len(pcm)-window:]
		return media.Level(last) > -40 && media.Goertzel(last, media.SampleRate, freq) > 4*media.Goertzel(last, media.SampleRate, freq*1.31)
	})
}
