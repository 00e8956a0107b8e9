package asterisk

import (
	"testing"
	"time"

	"hotline/postgres/pgtest"
)

// A node that was drained takes no calls after a restart either, and it is known at whose wish; until it is taken back.
func TestDrainIsRemembered(t *testing.T) {
	pool := pgtest.New(t)
	keeps := func(c *Config) { c.Pool = pool }
	st := newStage(t, keeps)
	at := func(c *Config) { c.Nodes = st.edge.cfg.Nodes }
	for _, name := range []string{"Li Lei", "Han Meimei"} { // the last one who wanted it
		if err := st.edge.Drain(t.Context(), "one", Drained{Account: "id of " + name, Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	was := st.edge.Nodes()[0].Drained
	st.stop()
	again := &stage{rig: st.newRig(t, keeps, at), s: st.s}
	d := again.edge.Nodes()[0].Drained
	if d == nil || d.Name != "Han Meimei" || d.Account != "id of Han Meimei" || !d.At.Equal(was.At) || time.Since(d.At) > time.Hour {
		t.Fatalf("%+v after a restart, before %+v", d, was)
	}
	again.until("it is connected", func() bool { return again.edge.Nodes()[0].Connected })
	st.s.AwaitGone(t, again.calls())
	if n := again.edge.Nodes()[0]; n.Refused != 1 {
		t.Errorf("%+v", n)
	}
	if err := again.edge.Undrain(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	again.up()
	again.stop()
	third := &stage{rig: st.newRig(t, keeps, at), s: st.s}
	if d := third.edge.Nodes()[0].Drained; d != nil {
		t.Errorf("%+v after it was taken back", d)
	}
}
