package load

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// frame is 20 ms of PCMU at 8 kHz.
const frame = 160

// packet fills buf with one RTP packet (RFC 3550, section 5.1) and returns it.
func (c *Call) packet(buf []byte, payloadType byte, marker bool, stamp uint32, payload []byte) []byte {
	buf[0], buf[1] = 0x80, payloadType
	if marker {
		buf[1] |= 0x80
	}
	binary.BigEndian.PutUint16(buf[2:], c.seq)
	binary.BigEndian.PutUint32(buf[4:], stamp)
	binary.BigEndian.PutUint32(buf[8:], c.ssrc)
	c.seq++
	return buf[:12+copy(buf[12:], payload)]
}

// SendFrame sends 20 ms of audio.
func (c *Call) SendFrame(payload []byte) {
	var buf [12 + frame]byte
	c.RTP.WriteToUDPAddrPort(c.packet(buf[:], 0, false, c.stamp, payload), c.Server)
	c.stamp += frame
}

// SendDigit sends one telephone-event (RFC 4733): its first packets at once, and the three end packets. It returns when the first
// packet left. The end follows 80 ms later in the background of the call's own pacing, so call it between frames.
func (c *Call) SendDigit(event byte) time.Time {
	var buf [16]byte
	stamp := c.stamp
	at := time.Now()
	c.RTP.WriteToUDPAddrPort(c.packet(buf[:], 101, true, stamp, []byte{event, 10, 0, 160}), c.Server)
	for range 3 {
		c.RTP.WriteToUDPAddrPort(c.packet(buf[:], 101, false, stamp, []byte{event, 0x80 | 10, 640 >> 8, 640 & 0xff}), c.Server)
	}
	c.stamp += 640
	return at
}

// FirstPacket waits until the server's first audio arrives, at most until the deadline.
func (c *Call) FirstPacket(deadline time.Time) (time.Time, error) {
	var buf [1500]byte
	c.RTP.SetReadDeadline(deadline)
	_, _, err := c.RTP.ReadFromUDPAddrPort(buf[:])
	return time.Now(), err
}

// Quiet reads until a packet of silence arrives and returns when the last sounding packet before it came.
func (c *Call) Quiet(after, deadline time.Time) (time.Time, error) {
	var buf [1500]byte
	last := after
	c.RTP.SetReadDeadline(deadline)
	for {
		n, _, err := c.RTP.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return last, err
		}
		if n > 12 && buf[1]&0x7f == 0 {
			if silent(buf[12:n]) {
				return last, nil
			}
			last = time.Now()
		}
	}
}

// silent tells whether all samples are within a few steps of zero (µ-law 0xff and 0x7f are zero).
func silent(payload []byte) bool {
	for _, b := range payload {
		if b|0x80 < 0xf8 {
			return false
		}
	}
	return true
}

// Flow counts the audio of many calls.
type Flow struct {
	Sent, Received, Late atomic.Int64 // packets; late: more than 60 ms after the one before
}

// Talk sends a frame every 20 ms on each call and reads what comes, until stop is closed. Senders share one ticker for each group.
func Talk(calls []*Call, groups int, flow *Flow, stop <-chan struct{}) {
	payload := make([]byte, frame)
	for i := range payload {
		payload[i] = byte(i)
	}
	var wg sync.WaitGroup
	for g := range groups {
		wg.Go(func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
				case <-stop:
					return
				}
				for i := g; i < len(calls); i += groups {
					calls[i].SendFrame(payload)
					flow.Sent.Add(1)
				}
			}
		})
	}
	for _, c := range calls {
		wg.Go(func() { c.listen(flow, stop) })
	}
	wg.Wait()
}

func (c *Call) listen(flow *Flow, stop <-chan struct{}) {
	var buf [1500]byte
	var before time.Time
	for {
		c.RTP.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, _, err := c.RTP.ReadFromUDPAddrPort(buf[:])
		select {
		case <-stop:
			return
		default:
		}
		if err != nil {
			before = time.Time{}
			continue
		}
		now := time.Now()
		flow.Received.Add(1)
		if !before.IsZero() && now.Sub(before) > 60*time.Millisecond {
			flow.Late.Add(1)
		}
		before = now
	}
}
