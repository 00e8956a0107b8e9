// Package line is how both ends of a conversation are heard: loss, jitter and delay since it was looked at last, and whether somebody is
// not heard at all. It measures nothing itself and tells nobody. Start at [Watch].
package line

import (
	"time"

	"hotline/media"
)

const (
	silentAfter = 4 * time.Second // without a packet somebody is not heard
	statsAge    = 7 * time.Second // what a browser said longer ago says nothing of now
)

// Stats is what the browser has measured of what it receives, from the beginning of the call.
type Stats struct {
	PacketsReceived int64   `json:"packets_received"`
	Lost            int64   `json:"lost"`
	JitterMS        float64 `json:"jitter_ms"`
	RTTMS           float64 `json:"rtt_ms"`
}

// Possible says whether the figures can be.
func (s Stats) Possible() bool {
	return s.PacketsReceived >= 0 && s.Lost >= 0 && s.JitterMS >= 0 && s.JitterMS < 1e5 && s.RTTMS >= 0 && s.RTTMS < 1e5
}

// View is one end of the line. MOS is estimated (G.107); 0 means that there is nothing to estimate from.
type View struct {
	Loss     float64 `json:"loss"` // share of packets, 0 to 1
	JitterMS float64 `json:"jitter_ms"`
	RTTMS    float64 `json:"rtt_ms"`
	MOS      float64 `json:"mos"`
}

// Watch is what is kept of a call's line between two measurements.
type Watch struct {
	OneWay string // who was not heard at the last measurement: caller, agent, or ""

	caller, agent, browser counted
	stats                  Stats
	statsAt                time.Time
}

// Told takes what the browser has measured.
func (w *Watch) Told(now time.Time, s Stats) { w.stats, w.statsAt = s, now }

// Measure returns how both ends are, and who is not heard. agent is nil while the browser is away.
func (w *Watch) Measure(now time.Time, caller media.Quality, agent *media.Quality) (c, a View, notHeard string) {
	c = w.caller.view(now, caller)
	if agent != nil {
		a = w.agent.view(now, *agent)
	} else {
		w.agent.view(now, media.Quality{PacketsReceived: uint64(w.agent.packets), Lost: w.agent.lost})
	}
	w.blend(now, &a)
	return c, a, w.notHeard(now)
}

// counted is one direction of the line.
type counted struct {
	packets, lost int64
	heard         time.Time // when packets came last
}

// count takes the counters as they are now, and returns the share that was lost since.
func (c *counted) count(now time.Time, packets, lost int64) float64 {
	received, missing := packets-c.packets, max(0, lost-c.lost)
	if received < 0 { // counted anew
		received, missing = packets, max(0, lost)
	}
	if received > 0 || c.heard.IsZero() {
		c.heard = now
	}
	c.packets, c.lost = packets, lost
	if received+missing == 0 {
		return 0
	}
	return float64(missing) / float64(received+missing)
}

func (c *counted) silent(now time.Time) bool {
	return !c.heard.IsZero() && now.Sub(c.heard) >= silentAfter
}

// view is one end of the line since it was looked at last.
func (c *counted) view(now time.Time, q media.Quality) View {
	loss := c.count(now, int64(q.PacketsReceived), q.Lost)
	return View{Loss: loss, JitterMS: max(q.JitterMS, q.RemoteJitterMS), RTTMS: q.RTTMS, MOS: q.MOS}
}

// blend adds what the browser says of the other direction: the worse of both is what the agent should know.
func (w *Watch) blend(now time.Time, v *View) {
	if now.Sub(w.statsAt) > statsAge {
		w.browser = counted{}
		return
	}
	loss := w.browser.count(now, w.stats.PacketsReceived, w.stats.Lost)
	v.Loss, v.JitterMS = max(v.Loss, loss), max(v.JitterMS, w.stats.JitterMS)
	if w.stats.RTTMS > 0 {
		v.RTTMS = w.stats.RTTMS
	}
	// Half the way there and back, a packet, and the buffer that the jitter needs.
	delay := time.Duration((w.stats.RTTMS/2 + 20 + 2*w.stats.JitterMS) * float64(time.Millisecond))
	if mos := media.MOS(loss, delay); v.MOS == 0 || mos < v.MOS {
		v.MOS = mos
	}
}

// notHeard says who is not heard: the caller by us or by the browser, or the agent by us.
func (w *Watch) notHeard(now time.Time) string {
	switch {
	case w.caller.silent(now) || w.browser.silent(now):
		return "caller"
	case w.agent.silent(now):
		return "agent"
	}
	return ""
}
