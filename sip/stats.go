package sip

import (
	"bytes"
	"sync/atomic"
)

// Stats counts what the edge holds and has done.
type Stats struct {
	Legs     int               `json:"legs"`
	HalfOpen int               `json:"half_open"` // INVITEs without a final answer
	MaxCalls int               `json:"max_calls"`
	Accepted uint64            `json:"accepted"`
	Refused  uint64            `json:"refused"` // with 503, for want of room
	Rejected uint64            `json:"rejected"`
	Dialled  uint64            `json:"dialled"`
	Requests map[string]uint64 `json:"requests"`  // that came, by method; "other" for what we do not know
	Answers  map[string]uint64 `json:"responses"` // that went out, by class: "2xx"
}

// counters are the sums behind [Stats].
type counters struct {
	accepted, refused, rejected, dialled atomic.Uint64

	requests [16]atomic.Uint64 // by index in methods, the last for others
	answers  [7]atomic.Uint64  // by class
}

var status = []byte("SIP/2.0 ")

// count looks at a start line.
func (c *counters) count(sent bool, data []byte) {
	rest, response := bytes.CutPrefix(data, status)
	switch {
	case sent && response && len(rest) > 0 && rest[0] >= '1' && rest[0] <= '6':
		c.answers[rest[0]-'0'].Add(1)
	case !sent && !response:
		method, _, _ := bytes.Cut(data, []byte(" "))
		for i, m := range methods {
			if string(method) == m {
				c.requests[i].Add(1)
				return
			}
		}
		c.requests[len(c.requests)-1].Add(1)
	}
}

// Stats returns the counters.
func (e *Edge) Stats() Stats {
	legs, half := e.legs.count()
	c := &e.counts
	s := Stats{
		Legs: legs, HalfOpen: half, MaxCalls: e.cfg.MaxCalls, Accepted: c.accepted.Load(), Refused: c.refused.Load(),
		Rejected: c.rejected.Load(), Dialled: c.dialled.Load(), Requests: map[string]uint64{}, Answers: map[string]uint64{},
	}
	for i, m := range methods {
		s.Requests[m] = c.requests[i].Load()
	}
	s.Requests["other"] = c.requests[len(c.requests)-1].Load()
	for i := 1; i <= 6; i++ {
		s.Answers[string(rune('0'+i))+"xx"] = c.answers[i].Load()
	}
	return s
}
