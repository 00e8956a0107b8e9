package softphone

import (
	"context"
	"time"

	"hotline/call"
	"hotline/media"
)

const (
	measureEvery = 2 * time.Second
	silentAfter  = 4 * time.Second // without a packet somebody is not heard; with the measuring that is found within 6 s
	statsAge     = 7 * time.Second // what a browser said longer ago says nothing of now
)

// statsData is what the browser has measured of what it receives, from the beginning of the call.
type statsData struct {
	PacketsReceived int64   `json:"packets_received"`
	Lost            int64   `json:"lost"`
	JitterMS        float64 `json:"jitter_ms"`
	RTTMS           float64 `json:"rtt_ms"`
}

// lineWatch is what is kept of a call's line between two measurements. The station's mutex guards it.
type lineWatch struct {
	caller, agent, browser counted
	stats                  statsData
	statsAt                time.Time
	oneWay                 string
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

// stats takes what the browser has measured.
func stats(r request, d statsData) (any, error) {
	if d.PacketsReceived < 0 || d.Lost < 0 || !(d.JitterMS >= 0 && d.JitterMS < 1e5) || !(d.RTTMS >= 0 && d.RTTMS < 1e5) {
		return nil, field("data", "stats.data", "the figures cannot be")
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	if r.st.phone == r.s {
		r.st.line.stats, r.st.line.statsAt = d, time.Now()
	}
	return nil, nil
}

// measure shows every agent in a call how the line is.
func (g *Gateway) measure(ctx context.Context) error {
	t := time.NewTicker(measureEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			for _, st := range g.everybody() {
				if callID, oneWay, changed := st.measure(now); changed {
					g.noteOneWay(callID, st.account, oneWay)
				}
			}
		}
	}
}

// measure shows how the line is, and says when it was found that somebody is not heard, or is heard again.
func (st *station) measure(now time.Time) (callID, oneWay string, changed bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.call == nil || st.call.AnsweredAt == nil {
		return "", "", false
	}
	c, ok := st.g.cfg.Calls.Call(st.call.ID)
	if !ok {
		return "", "", false
	}
	v := QualityView{CallID: st.call.ID}
	v.Caller = st.line.caller.view(now, c.Leg().Audio().Quality())
	if s := st.stream(); s != nil {
		v.Agent = st.line.agent.view(now, s.Quality())
	} else {
		st.line.agent.view(now, media.Quality{PacketsReceived: uint64(st.line.agent.packets), Lost: st.line.agent.lost})
	}
	st.line.blend(now, &v.Agent)
	oneWay = st.line.notHeard(now)
	if oneWay != "" {
		v.OneWay = &oneWay
	}
	st.emit(eventQuality, v)
	changed = oneWay != st.line.oneWay
	st.line.oneWay = oneWay
	if changed && oneWay != "" {
		st.emit(eventNotice, oneWayNotice(oneWay))
	}
	return st.call.ID, oneWay, changed
}

// view is one end of the line since it was looked at last.
func (c *counted) view(now time.Time, q media.Quality) LineView {
	loss := c.count(now, int64(q.PacketsReceived), q.Lost)
	return LineView{Loss: loss, JitterMS: max(q.JitterMS, q.RemoteJitterMS), RTTMS: q.RTTMS, MOS: q.MOS}
}

// blend adds what the browser says of the other direction: the worse of both is what the agent should know.
func (l *lineWatch) blend(now time.Time, v *LineView) {
	if now.Sub(l.statsAt) > statsAge {
		l.browser = counted{}
		return
	}
	loss := l.browser.count(now, l.stats.PacketsReceived, l.stats.Lost)
	v.Loss, v.JitterMS = max(v.Loss, loss), max(v.JitterMS, l.stats.JitterMS)
	if l.stats.RTTMS > 0 {
		v.RTTMS = l.stats.RTTMS
	}
	// Half the way there and back, a packet, and the buffer that the jitter needs.
	delay := time.Duration((l.stats.RTTMS/2 + 20 + 2*l.stats.JitterMS) * float64(time.Millisecond))
	if mos := media.MOS(loss, delay); v.MOS == 0 || mos < v.MOS {
		v.MOS = mos
	}
}

// notHeard says who is not heard: the caller by us or by the browser, or the agent by us.
func (l *lineWatch) notHeard(now time.Time) string {
	switch {
	case l.caller.silent(now) || l.browser.silent(now):
		return "caller"
	case l.agent.silent(now):
		return "agent"
	}
	return ""
}

func oneWayNotice(side string) Notice {
	if side == "caller" {
		return Notice{Code: "call.one_way_caller", Text: "Nothing is heard of the caller. Their line or network may be at fault: ring them back if it stays so."}
	}
	return Notice{Code: "call.one_way_agent", Text: "The caller does not hear you: nothing comes from your browser. Check your microphone and network."}
}

// noteOneWay keeps with the call that somebody was not heard.
func (g *Gateway) noteOneWay(callID, agent, side string) {
	if side == "" {
		g.log.Info("everybody is heard again", "call", callID, "agent", agent)
		return
	}
	g.log.Warn("one-way audio", "call", callID, "agent", agent, "not_heard", side)
	g.tasks.start(func() {
		c, ok := g.cfg.Calls.Call(callID)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(g.ctx, 5*time.Second)
		defer cancel()
		err := c.Do(ctx, func(*call.Talk) error {
			c.Note(map[string]string{"one_way": side})
			return nil
		})
		if err != nil {
			g.log.Debug("the call was over before its fault was noted", "call", callID, "error", err)
		}
	})
}
