package asterisk

import (
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/trunks/siptest"
)

// What a caller is refused with is what the cause says, whatever table Asterisk has.
func TestRefusalsOnTheWire(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	b := newRobot(t, r)
	for _, x := range []struct {
		why  call.Cause
		want string
	}{
		{call.CauseBusy, "486"}, {call.CauseNoAnswer, "480"}, {call.CauseRejected, "403"}, {call.CauseUnassigned, "404"}, {call.CauseCongestion, "503"},
		{call.CauseFailure, "500"}, {call.CauseShutdown, "503"}, {call.CauseNormal, "480"}, {call.Cause{Q850: 34}, "503"}, {call.Cause{Q850: 17}, "486"},
		{call.Cause{Q850: 28, SIP: 484}, "484"}, {call.Cause{SIP: 410}, "410"}, {call.Cause{SIP: 488}, "488"}, {call.Cause{SIP: 502}, "502"},
	} {
		c := b.Invite("4000")
		l := r.leg()
		if err := l.Hangup(t.Context(), x.why); err != nil {
			t.Error(err)
		}
		if got := refused(t, c); got != x.want {
			t.Errorf("%+v refuses with %s, want %s", x.why, got, x.want)
		}
		next(t, l.box, call.Ended)
	}
	r.gone()
}

// refused waits until a caller is refused and says with what.
func refused(t *testing.T, c *siptest.Call) string {
	t.Helper()
	select {
	case <-c.Over():
	case <-time.After(10 * time.Second):
		t.Fatal("the caller is not refused")
	}
	return c.Status()
}

// What is not admitted is refused with what the reason is.
func TestNotAdmittedOnTheWire(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	b := newRobot(t, r)
	if got := refused(t, b.Invite("4711")); got != "404" {
		t.Errorf("a number that is not assigned: %s", got)
	}
	for kind, want := range map[hotline.Kind]string{
		hotline.Unavailable: "503", hotline.NotFound: "404", hotline.Denied: "403", hotline.Invalid: "484", hotline.Conflict: "486", hotline.Internal: "500",
	} {
		r.mu.Lock()
		r.refuse = hotline.Errorf(kind, "test.refused", "not now")
		r.mu.Unlock()
		if got := refused(t, b.Invite("4000")); got != want {
			t.Errorf("an error of kind %s refuses with %s, want %s", kind, got, want)
		}
	}
	r.mu.Lock()
	r.refuse = nil
	r.mu.Unlock()
	if err := r.edge.Drain(t.Context(), "one", Drained{}); err != nil {
		t.Fatal(err)
	}
	if got := refused(t, b.Invite("4000")); got != "503" {
		t.Errorf("a drained node refuses with %s", got)
	}
	if s := r.edge.Nodes()[0]; s.Drained == nil || s.Refused != 2 || s.Rejected != 6 {
		t.Errorf("%+v", s)
	}
	if err := r.edge.Drain(t.Context(), "two", Drained{}); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("draining nobody: %v", err)
	}
	r.gone()
}
