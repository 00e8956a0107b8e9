package media

import (
	"math"
	"time"
)

// Quality is what was measured of a stream.
type Quality struct {
	Codec           string  `json:"codec"`
	PacketsSent     uint64  `json:"packets_sent"`
	PacketsReceived uint64  `json:"packets_received"`
	Lost            int64   `json:"lost"`             // of what the peer sent (RFC 3550, appendix A.3)
	JitterMS        float64 `json:"jitter_ms"`        // of what the peer sent (RFC 3550, appendix A.8)
	RTTMS           float64 `json:"rtt_ms"`           // 0 until the peer has reported
	RemoteLost      int64   `json:"remote_lost"`      // of what we sent, as the peer reports
	RemoteJitterMS  float64 `json:"remote_jitter_ms"` // likewise
	MOS             float64 `json:"mos"`              // 1 to 4.5 by the E-model (ITU-T G.107); 0: nothing was received
	MOSEstimated    bool    `json:"mos_estimated"`    // always true: nobody was asked
	Late            uint64  `json:"late"`             // packets that came too late to be played in time
	Concealed       uint64  `json:"concealed"`        // frames of 20 ms that were made up
	DelayMS         float64 `json:"delay_ms"`         // of the jitter buffer
	Strangers       uint64  `json:"strangers"`        // packets from addresses that are not the peer's: dropped
	Invalid         uint64  `json:"invalid"`          // packets that were no RTP, of no known type, or failed authentication
	DigitsDropped   uint64  `json:"digits_dropped"`   // faster than any human or machine dials
}

// Quality returns what was measured since [Stream.Begin], also after the stream was closed.
func (s *Stream) Quality() Quality {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.measured()
}

// Begin lets what Quality counts begin at nothing: a browser's stream outlives calls, and a call's quality is the call's.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in.jitter = nil
	s.control.late, s.control.concealed = 0, 0
	s.in.strangers, s.in.invalid, s.in.digitsDropped = 0, 0, 0
	s.control.since = baseline{
		sent: s.out.packets, received: s.in.stats.total(), lost: s.in.stats.lost(), remoteLost: s.control.remoteLost,
	}
	s.in.stats.bursts, s.in.stats.lostInBursts = 0, 0
	s.in.lost, s.in.awaited = false, s.engine.now()
}

// baseline is what the counters that must go on (RTCP reports the whole) were when Quality began.
type baseline struct {
	sent                       uint32
	received, lost, remoteLost int64
}

func (s *Stream) measured() Quality {
	r, before := &s.in.stats, &s.control.since
	received, lost := r.total()-before.received, r.lost()-before.lost
	q := Quality{
		Codec: s.setup.Codec.Name(), PacketsSent: uint64(s.out.packets - before.sent), PacketsReceived: uint64(received), Lost: lost,
		JitterMS: samplesMS(r.jitter), RTTMS: round(s.control.rtt.Seconds() * 1000), RemoteLost: s.control.remoteLost - before.remoteLost,
		RemoteJitterMS: samplesMS(s.control.remoteJitter), MOSEstimated: true, Late: s.control.late, Concealed: s.control.concealed,
		Strangers: s.in.strangers, Invalid: s.in.invalid, DigitsDropped: s.in.digitsDropped,
	}
	if !s.configured {
		q.Codec = ""
	}
	buffered := 2 * r.jitter // what a buffer that fits would hold
	if j := s.in.jitter; j != nil {
		q.Late, q.Concealed, q.DelayMS = q.Late+j.Late(), q.Concealed+j.Concealed(), samplesMS(float64(j.Delay()))
		buffered = float64(j.Delay())
	}
	if received > 0 {
		oneWay := s.control.rtt/2 + s.setup.Ptime + samplesDuration(int(buffered))
		burst := 1.0
		if r.bursts > 0 {
			burst = float64(r.lostInBursts) / float64(r.bursts)
		}
		q.MOS = mos(float64(max(0, q.Lost))/float64(int64(q.PacketsReceived)+max(0, q.Lost)), burst, oneWay)
	}
	return q
}

// MOS estimates the mean opinion score of G.711 from the share of packets lost (0 to 1) and the one-way delay, for what others measured.
func MOS(loss float64, oneWay time.Duration) float64 { return mos(loss, 1, oneWay) }

func samplesMS(n float64) float64 { return round(n * 1000 / SampleRate) }

func round(v float64) float64 { return math.Round(v*100) / 100 }

// mos estimates the mean opinion score of G.711 with loss concealment from the share of packets lost, the mean length of a loss and
// the one-way delay, by the E-model with default values (ITU-T G.107; Ie = 0 and Bpl = 25.1 of G.113, appendix I).
func mos(loss, burst float64, oneWay time.Duration) float64 {
	const r0, ie, bpl = 93.2, 0.0, 25.1
	percent := loss * 100
	ratio := max(1, burst*(1-loss)) // BurstR: the mean length against that of random losses, 1/(1-loss)
	r := r0 - delayImpairment(oneWay) - (ie + (95-ie)*percent/(percent/ratio+bpl))
	switch {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	}
	return round(max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6))
}

// delayImpairment is Idd (G.107, section 7.4): below 100 ms delay is not heard.
func delayImpairment(oneWay time.Duration) float64 {
	ms := oneWay.Seconds() * 1000
	if ms <= 100 {
		return 0
	}
	x := math.Log2(ms / 100)
	return 25 * (math.Pow(1+math.Pow(x, 6), 1.0/6) - 3*math.Pow(1+math.Pow(x/3, 6), 1.0/6) + 2)
}
