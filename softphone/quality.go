package softphone

import (
	"context"
	"time"

	"hotline/call"
	"hotline/media"
	"hotline/softphone/line"
)

const measureEvery = 2 * time.Second // somebody who is not heard is found within 6 s

// stats takes what the browser has measured.
func stats(r request, d line.Stats) (any, error) {
	if !d.Possible() {
		return nil, field("data", "stats.data", "the figures cannot be")
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	if r.st.phone == r.s {
		r.st.line.Told(time.Now(), d)
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
	var agent *media.Quality
	if s := st.stream(); s != nil {
		q := s.Quality()
		agent = &q
	}
	v.Caller, v.Agent, oneWay = st.line.Measure(now, c.Leg().Audio().Quality(), agent)
	if oneWay != "" {
		v.OneWay = &oneWay
	}
	st.emit(eventQuality, v)
	changed = oneWay != st.line.OneWay
	st.line.OneWay = oneWay
	if changed && oneWay != "" {
		st.emit(eventNotice, oneWayNotice(oneWay))
	}
	return st.call.ID, oneWay, changed
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
