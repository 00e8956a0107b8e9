package asterisk

import (
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/ari/aritest"
	"hotline/call"
)

// Two Asterisks: calls come from both, calls out take turns, a drained one finishes what it has and gets no more, one that dies takes only
// its own calls along.
func TestTwoNodes(t *testing.T) {
	two := aritest.New(t)
	st := newStage(t, func(c *Config) {
		c.Nodes = append(c.Nodes, ari.Config{Name: "two", URL: two.URL, User: two.User, Password: two.Password, Retry: 20 * time.Millisecond})
	})
	second := &stage{rig: st.rig, s: two}
	l1, id1 := st.up()
	l2, id2 := second.up()
	if id1 == id2 || l1.Info().ForeignID != id1 || l2.Info().ForeignID != id2 {
		t.Errorf("%s and %s", l1.Info().ForeignID, l2.Info().ForeignID)
	}
	dialled := func() [2]uint64 {
		n := st.edge.Nodes()
		return [2]uint64{n[0].Dialled, n[1].Dialled}
	}
	out := func() *caught {
		l, box := st.dial(call.Dial{To: "7000", TrunkID: st.trunk.ID})
		return &caught{l, box}
	}
	a, b := out(), out()
	if d := dialled(); d != [2]uint64{1, 1} {
		t.Errorf("calls out by node: %v", d)
	}
	if err := st.edge.Drain(t.Context(), "one", Drained{}); err != nil {
		t.Fatal(err)
	}
	st.s.AwaitGone(t, st.calls())
	c := out()
	if d := dialled(); d != [2]uint64{1, 2} {
		t.Errorf("calls out with one node drained: %v", d)
	}
	st.s.Digit(id1, "1", 50*time.Millisecond)
	next(t, l1.box, call.DigitPressed)
	if err := st.edge.Undrain(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	l3, id3 := st.up()
	for _, l := range []*caught{a, b, c} {
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
		st.ended(l)
	}
	two.Restart()
	if c := st.ended(l2); c != call.CauseBackendLost {
		t.Errorf("cause %+v", c)
	}
	st.s.Digit(id1, "2", 50*time.Millisecond)
	next(t, l1.box, call.DigitPressed)
	st.s.Hangup(id1, 16, 0)
	st.s.Hangup(id3, 16, 0)
	st.ended(l1)
	st.ended(l3)
	st.until("both are connected", st.edge.Ready)
	st.gone()
	if n := st.edge.Nodes(); n[1].Lost != 1 || n[0].Lost != 0 || n[0].Refused != 1 {
		t.Errorf("%+v", n)
	}
}

// How the trunks are is what Asterisk says of their endpoints.
func TestTrunkStates(t *testing.T) {
	st := newStage(t)
	status := func() map[string]string {
		out := map[string]string{}
		for _, s := range st.edge.TrunkStates() {
			for _, tr := range st.dir.Snapshot().Trunks() {
				if tr.ID == s.TrunkID {
					out[tr.Name] = string(s.Status) + s.LastErrorCode
				}
			}
		}
		return out
	}
	if got := status(); got["line"] != "downtrunk.asterisk_unknown" {
		t.Errorf("an endpoint that Asterisk does not know: %v", got)
	}
	st.s.SetEndpoint("PJSIP", st.trunk.Endpoint(), "online")
	st.s.SetEndpoint("PJSIP", st.far.Endpoint(), "offline")
	st.edge.nodes[0].look(t.Context())
	if got := status(); got["line"] != "up" || got["far"] != "unknown" {
		t.Errorf("states: %v", got)
	}
	l, id := st.up()
	for _, s := range st.edge.TrunkStates() {
		if s.TrunkID == st.trunk.ID && s.Calls != 1 {
			t.Errorf("%+v", s)
		}
	}
	st.s.Hangup(id, 16, 0)
	st.ended(l)
	st.gone()
}
