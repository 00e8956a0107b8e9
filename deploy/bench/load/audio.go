package load

import (
	"encoding/binary"
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

// SendDigit sends one telephone-event (RFC 4733): its beginning and, at once, the three
// packets of its end, 80 ms of the stream later. It returns when the first packet left.
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

// Press sends one telephone-event as long as a person's finger: each 20 ms a packet, and after 100 ms the three of its end. It returns
// when the first packet left; release waits for the last.
func (c *Call) Press(event byte) (at time.Time, release func()) {
	const steps = 5
	done, stamp := make(chan struct{}), c.stamp
	send := func(mark bool, end byte, length uint16) {
		var buf [16]byte
		c.RTP.WriteToUDPAddrPort(c.packet(buf[:], 101, mark, stamp, []byte{event, end | 10, byte(length >> 8), byte(length)}), c.Server)
	}
	at = time.Now()
	send(true, 0, frame)
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := uint16(2); i <= steps; i++ {
			<-tick.C
			send(false, 0, i*frame)
		}
		<-tick.C
		for range 3 {
			send(false, 0x80, steps*frame)
		}
	}()
	return at, func() {
		<-done
		c.stamp += steps * frame
	}
}

// Sound waits until audio arrives that is not silence, at most until the deadline.
func (c *Call) Sound(deadline time.Time) (time.Time, error) {
	var buf [1500]byte
	c.RTP.SetReadDeadline(deadline)
	for {
		n, _, err := c.RTP.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return time.Time{}, err
		}
		if n > 12 && buf[1]&0x7f == 0 && !silent(buf[12:n]) {
			return time.Now(), nil
		}
	}
}

// Quiet reads until a packet of silence arrives and returns when it came. The caller must have heard sound before.
func (c *Call) Quiet(deadline time.Time) (time.Time, error) {
	var buf [1500]byte
	c.RTP.SetReadDeadline(deadline)
	for {
		n, _, err := c.RTP.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return time.Time{}, err
		}
		if n > 12 && buf[1]&0x7f == 0 && silent(buf[12:n]) {
			return time.Now(), nil
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
