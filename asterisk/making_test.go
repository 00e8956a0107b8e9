package asterisk

import (
	"net/http"
	"testing"
	"time"

	"hotline/asterisk/ari/aritest"
)

// A machine gets nearly what it can do, be it large or small, when twice as much is asked of it; and no call is made for long.
func TestAdmissionFitsTheMachine(t *testing.T) {
	const tick = 100 * time.Microsecond
	for _, perSecond := range []int{50, 500, 2000} {
		m := newMaking()
		each := time.Second / time.Duration(perSecond)
		type one struct{ came, ready time.Duration }
		var queue []one // the machine does one after the other
		var admitted, refused int
		var last, slowest, due time.Duration
		for now := time.Duration(0); now < time.Minute; now += tick {
			for len(queue) > 0 && queue[0].ready <= now {
				took := queue[0].ready - queue[0].came
				m.done(took, time.Unix(0, 0).Add(now))
				if queue = queue[1:]; now > 30*time.Second {
					slowest = max(slowest, took)
				}
			}
			for ; due <= now; due += each / 2 {
				switch {
				case m.admits():
					m.now++
					last = max(last, now) + each
					queue = append(queue, one{now, last})
					if now > 30*time.Second {
						admitted++
					}
				default:
					refused++
				}
			}
		}
		if got := float64(admitted) / 30; got < 0.9*float64(perSecond) || slowest > makingSlow+200*time.Millisecond || refused == 0 {
			t.Errorf("a machine that makes %d calls a second was given %.0f, the slowest took %v; %d were refused", perSecond, got, slowest, refused)
		}
	}
	m := newMaking()
	for i := range 200 { // a machine that stands still and recovers
		m.now++
		m.done(time.Minute, time.Unix(int64(i)*100, 0))
	}
	if m.limit != makingLeast {
		t.Errorf("%v calls at a time for a machine that stands still", m.limit)
	}
	for i := range 3000 {
		m.now++
		m.done(time.Millisecond, time.Unix(20000, int64(i)))
	}
	if m.limit < makingFirst || m.limit > makingFirst+1 || m.now != 0 {
		t.Errorf("%+v of a machine that was hardly used since", m)
	}
}

// When Asterisk does not get calls ready, new ones are refused at once; when it has, they come in again.
func TestAStuckAsteriskGetsNoNewCalls(t *testing.T) {
	st := newStage(t)
	gate := make(chan struct{})
	st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: "/channels/externalMedia", Before: gate})
	n := st.edge.nodes[0]
	n.mu.Lock()
	n.making.limit = makingLeast // it was slow before
	n.mu.Unlock()
	ids := make([]string, makingLeast)
	for i := range ids {
		ids[i] = st.calls()
	}
	st.until("all are in the making", func() bool { return st.edge.Stats().Legs == makingLeast })
	st.s.AwaitGone(t, st.calls())
	if s := st.edge.Stats(); s.Refused != 1 || s.Accepted != makingLeast {
		t.Errorf("%+v", s)
	}
	close(gate)
	for range ids {
		l := st.leg()
		if err := l.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	st.up()
	for _, id := range ids {
		st.s.Hangup(id, 16, 0)
	}
}
