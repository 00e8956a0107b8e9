package asterisk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/asterisk/ari/aritest"
	"hotline/call"
	"hotline/trunks"
)

// stage is an edge before a stand-in of Asterisk that does what Asterisk does at the worst moment.
type stage struct {
	*rig
	s *aritest.Server
}

func newStage(t *testing.T, change ...func(*Config)) *stage {
	t.Helper()
	s := aritest.New(t)
	p := newDirectory(t, loopAt(9), func(s *trunks.TrunkSettings) { s.MaxCalls = 50 })
	at := func(c *Config) {
		c.Nodes[0].URL, c.Nodes[0].User, c.Nodes[0].Password, c.Nodes[0].Retry = s.URL, s.User, s.Password, 20*time.Millisecond
	}
	return &stage{rig: p.newRig(t, append([]func(*Config){at}, change...)...), s: s}
}

// calls brings a caller.
func (st *stage) calls(args ...string) string {
	if len(args) == 0 {
		args = []string{"in", st.trunk.ID, "4000", "allowed", "sip-call-id", "192.0.2.1:5060", "", "ulaw|alaw"}
	}
	return st.s.Call(aritest.Caller{Number: "+8613800138000", Args: args, Up: args[0] == "again"})
}

func (st *stage) ended(l *caught) call.Cause {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		e, err := l.box.Next(ctx)
		if err != nil {
			st.t.Fatalf("the leg does not end: %v", err)
		}
		if e.Kind == call.Ended {
			if _, more := l.box.Take(); more {
				st.t.Error("something came after the end")
			}
			return e.Cause
		}
	}
}

// up brings a caller who is answered.
func (st *stage) up() (*caught, string) {
	st.t.Helper()
	id := st.calls()
	l := st.leg()
	if err := l.Answer(st.t.Context()); err != nil {
		st.t.Fatal(err)
	}
	next(st.t, l.box, call.Answered)
	return l, id
}

func answers(l call.Leg) <-chan error {
	ch := make(chan error, 1)
	go func() { ch <- l.Answer(context.Background()) }()
	return ch
}

// The caller hangs up while our answer is on its way, and Asterisk tells so before it has answered our request.
func TestEndBeforeTheAnswer(t *testing.T) {
	st := newStage(t)
	gate := make(chan struct{})
	st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: "/channels/*/answer", After: gate})
	id := st.calls()
	l := st.leg()
	done := answers(l)
	st.s.Await(t, http.MethodPost, "/channels/*/answer", 1)
	st.s.Hangup(id, 16, 0)
	if c := st.ended(l); c.By != "peer" {
		t.Errorf("cause %+v", c)
	}
	if err := <-done; err != nil && !errors.Is(err, call.ErrGone) {
		t.Errorf("Answer: %v", err)
	}
	close(gate)
	st.gone()
}

// Either side hangs up while each of the requests that make the audio is under way: nothing half-made stays.
func TestHangupWhileTheAudioIsMade(t *testing.T) {
	for _, path := range []string{"/channels/externalMedia", "/bridges/*", "/bridges/*/addChannel"} {
		for _, ours := range []bool{true, false} {
			st := newStage(t)
			gate := make(chan struct{})
			st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: path, Before: gate, Times: 1})
			id := st.calls()
			l := st.leg()
			st.s.Await(t, http.MethodPost, path, 1)
			if ours {
				if err := l.Hangup(t.Context(), call.CauseBusy); err != nil {
					t.Errorf("%s: Hangup: %v", path, err)
				}
			} else {
				st.s.Hangup(id, 16, 0)
			}
			if c := st.ended(l); ours != (c.By == "hotline") {
				t.Errorf("%s: cause %+v", path, c)
			}
			close(gate)
			st.gone()
			st.stop()
		}
	}
}

// A bridge that is busy is asked again; one that stays busy ends the call, and nothing is left.
func TestBusyBridge(t *testing.T) {
	st := newStage(t)
	st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: "/bridges/*/addChannel", Times: 2, Status: http.StatusConflict})
	l, _ := st.up()
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	st.ended(l)
	st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: "/bridges/*/addChannel", Status: http.StatusConflict})
	st.calls()
	l = st.leg()
	if err := <-answers(l); hotline.KindOf(err) != hotline.Unavailable && !errors.Is(err, call.ErrGone) {
		t.Errorf("Answer without audio: %v", err)
	}
	if c := st.ended(l); c.Q850 != 41 || c.By != "hotline" {
		t.Errorf("cause %+v", c)
	}
	st.gone()
}

// External media that cannot be had ends the call before it is answered.
func TestNoExternalMedia(t *testing.T) {
	st := newStage(t)
	st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: "/channels/externalMedia", Status: http.StatusInternalServerError, Message: "Allocation failed"})
	st.calls()
	l := st.leg()
	if c := st.ended(l); c.SIP != 500 {
		t.Errorf("cause %+v", c)
	}
	st.gone()
}

// Events that come late, twice and in another order: keys count once, and what tells of a dead leg means nothing.
func TestLateAndDoubledEvents(t *testing.T) {
	st := newStage(t)
	st.s.Double(true)
	l, id := st.up()
	st.s.Digit(id, "4", 100*time.Millisecond)
	st.s.Digit(id, "2", 100*time.Millisecond)
	for _, want := range "42" {
		if e := next(t, l.box, call.DigitPressed); e.Digit != byte(want) {
			t.Errorf("digit %c, want %c", e.Digit, want)
		}
	}
	st.s.Double(false)
	st.s.Hold()
	id2 := st.calls()
	st.s.Digit(id, "7", 100*time.Millisecond)
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	st.ended(l)
	st.s.AwaitGone(t, id)
	st.s.Release()
	l2 := st.leg()
	if l2.Info().ForeignID != id2 {
		t.Errorf("the leg is of %s", l2.Info().ForeignID)
	}
	st.s.Hangup(id2, 16, 0)
	st.ended(l2)
	st.gone()
}

// The external-media channel enters our application only after the leg is over: it is taken away.
func TestMediaComesAfterTheEnd(t *testing.T) {
	st := newStage(t)
	st.calls()
	l := st.leg()
	st.s.Hold()
	st.s.Await(t, http.MethodPost, "/channels/externalMedia", 1)
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	st.ended(l)
	st.s.Release()
	st.gone()
}

// The bridge goes away under a leg that talks: the audio is connected again.
func TestBridgeDestroyedUnderALeg(t *testing.T) {
	st := newStage(t)
	l, id := st.up()
	other, err := ari.NewRequester(ari.Config{Name: "x", URL: st.s.URL, User: st.s.User, Password: st.s.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	bridge := bridgePrefix + l.Info().LegID
	if err := other.DestroyBridge(t.Context(), bridge); err != nil {
		t.Fatal(err)
	}
	st.until("it is in a new bridge", func() bool {
		return slices.Contains(st.s.InBridge(bridge+"'"), id) && len(st.s.InBridge(bridge+"'")) == 2
	})
	st.s.Digit(id, "1", 100*time.Millisecond)
	next(t, l.box, call.DigitPressed)
	st.s.Hangup(id, 16, 0)
	st.ended(l)
	st.gone()
}

// Callers who come again are held back until it is known whose they are; then they begin anew.
func TestAgainWithoutACall(t *testing.T) {
	st := newStage(t)
	id := st.calls("again", st.trunk.ID, "4000", "prohib_not_screened", "sip-call-id", "192.0.2.1:5060", "+861012340001&+861012340002", "alaw")
	ordinary := st.calls() // comes after it, so it has been seen when this has
	if l := st.leg(); l.Info().ForeignID != ordinary {
		t.Fatal("a caller who came again was given on too early")
	}
	if err := st.edge.Adopt(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l := st.leg()
	if i := l.Info(); i.ForeignID != id || i.Resume != nil || !i.Caller.Withheld || i.Caller.Number != "" || i.Diverted != "+861012340001,+861012340002" {
		t.Errorf("%+v", i)
	}
	if err := l.Answer(t.Context()); err != nil { // it is up already
		t.Error(err)
	}
	next(t, l.box, call.Answered)
	if n := st.s.Count(http.MethodPost, "/channels/"+id+"/answer"); n != 0 {
		t.Errorf("it was answered %d times more", n)
	}
	for _, c := range []string{id, ordinary} {
		st.s.Hangup(c, 16, 0)
	}
	st.gone()
}

// What may not come in is refused at once, and costs Asterisk no audio.
func TestAdmission(t *testing.T) {
	st := newStage(t, func(c *Config) { c.MaxCalls = 1 })
	l, id := st.up()
	before := st.s.Count(http.MethodPost, "/channels/externalMedia")
	for _, args := range [][]string{
		{"in", st.trunk.ID, "4000"}, // no room
		{"in", "nobody", "4000"},    // no such trunk
		{"in", st.trunk.ID, "4711"}, // no room comes before no number
		{"whatever", "the", "dialplan", "says"},
	} {
		st.s.AwaitGone(t, st.calls(args...))
	}
	if n := st.s.Count(http.MethodPost, "/channels/externalMedia"); n != before {
		t.Errorf("external media was made %d times for calls that were refused", n-before)
	}
	if s := st.edge.Nodes()[0]; s.Refused != 2 || s.Rejected != 2 || s.Accepted != 1 {
		t.Errorf("%+v", s)
	}
	if _, err := st.edge.Dial(t.Context(), call.Dial{To: "7000", TrunkID: st.trunk.ID, Mailbox: call.NewMailbox()}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("dialling with no room: %v", err)
	}
	st.s.Hangup(id, 16, 0)
	st.ended(l)
	st.gone()
}

// We hang up while Asterisk is told to dial; the called picks up in the same instant.
func TestHangupDuringDial(t *testing.T) {
	st := newStage(t)
	for _, path := range []string{"/channels/create", "/channels/*/dial"} {
		gate := make(chan struct{})
		st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: path, After: gate, Times: 1})
		before := st.s.Count(http.MethodPost, path)
		l, box := st.dial(call.Dial{To: "7000", TrunkID: st.trunk.ID})
		st.s.Await(t, http.MethodPost, path, before+1)
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
		st.s.PicksUp(l.Info().ForeignID)
		close(gate)
		st.ended(&caught{l, box})
		st.gone()
	}
}

// Create and Dial fail: the call ends, and says that it was Asterisk.
func TestAsteriskCannotDial(t *testing.T) {
	st := newStage(t)
	for _, path := range []string{"/channels/create", "/channels/*/dial"} {
		stop := st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: path, Status: http.StatusInternalServerError, Message: "Allocation failed"})
		l, box := st.dial(call.Dial{To: "7000", TrunkID: st.trunk.ID})
		if c := st.ended(&caught{l, box}); c.By != "backend" || c.SIP != 500 {
			t.Errorf("%s: cause %+v", path, c)
		}
		stop()
		st.gone()
	}
}

// Another program takes our application: no calls come and none are made, and it is said.
func TestApplicationIsTaken(t *testing.T) {
	st := newStage(t)
	st.s.Replace()
	st.until("it is known", func() bool { return st.edge.Nodes()[0].ErrCode == "ari.replaced" && !st.edge.Ready() })
	if _, err := st.edge.Dial(t.Context(), call.Dial{To: "7000", TrunkID: st.trunk.ID, Mailbox: call.NewMailbox()}); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("dialling: %v", err)
	}
}

// A node that stays away loses its calls after a while, and they say so; callers who are still there when it comes back begin anew.
func TestNodeStaysAway(t *testing.T) {
	before := lostAfter
	lostAfter = 200 * time.Millisecond
	st := newStage(t)
	t.Cleanup(func() { st.stop(); lostAfter = before })
	if err := st.edge.Adopt(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l, id := st.up()
	away := st.s.Rule(aritest.Rule{Path: "/*", Status: http.StatusServiceUnavailable})
	events := st.s.Rule(aritest.Rule{Path: "/*/*", Status: http.StatusServiceUnavailable})
	st.s.Cut()
	if c := st.ended(l); c != call.CauseBackendLost {
		t.Errorf("cause %+v", c)
	}
	away()
	events()
	st.until("it is connected again", st.edge.Ready)
	if anew := st.leg(); anew.Info().ForeignID != id || anew.Info().CallID == l.Info().CallID {
		t.Errorf("the caller who is still there begins anew: %+v", anew.Info())
	}
	st.s.Hangup(id, 16, 0)
	st.gone()
}

// Asterisk is slow: a hang-up is over for us at once, and is done when Asterisk gets to it.
func TestSlowAsterisk(t *testing.T) {
	st := newStage(t)
	l, id := st.up()
	gate := make(chan struct{})
	st.s.Rule(aritest.Rule{Method: http.MethodDelete, Path: "/*/*", Before: gate})
	began := time.Now()
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	st.ended(l)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the end took %v", took)
	}
	if !st.s.Exists(id) {
		t.Error("it was done without being asked")
	}
	close(gate)
	st.gone()
}

// The channel leaves our application without a hang-up: the leg ends, and the channel is left to who has it.
func TestTakenAwayByTheDialplan(t *testing.T) {
	st := newStage(t)
	l, id := st.up()
	other, err := ari.NewRequester(ari.Config{Name: "x", URL: st.s.URL, User: st.s.User, Password: st.s.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Continue(t.Context(), id, "elsewhere", "s", 1); err != nil {
		t.Fatal(err)
	}
	if c := st.ended(l); c.By != "backend" {
		t.Errorf("cause %+v", c)
	}
	st.until("the rest is taken away", func() bool { return slices.Equal(st.edge.held(), []string{id}) && st.edge.Stats().Legs == 0 })
}

// The connection is cut instead of an answer, though it was done: the call is made and taken all the same, and nothing is left of it.
func TestLostAnswers(t *testing.T) {
	for _, path := range []string{"/channels/externalMedia", "/bridges/*", "/bridges/*/addChannel", "/channels/*/answer"} {
		st := newStage(t)
		st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: path, Times: 1, Cut: true})
		l, id := st.up()
		st.s.Digit(id, "1", 100*time.Millisecond)
		next(t, l.box, call.DigitPressed)
		st.s.Hangup(id, 16, 0)
		st.ended(l)
		st.gone()
		st.stop()
	}
	for _, path := range []string{"/channels/create", "/channels/*/dial"} {
		st := newStage(t)
		st.s.Rule(aritest.Rule{Method: http.MethodPost, Path: path, Times: 1, Cut: true})
		l, box := st.dial(call.Dial{To: "7000", TrunkID: st.trunk.ID})
		st.until("it is dialled", func() bool { return st.s.Count(http.MethodPost, "/channels/"+l.Info().ForeignID+"/dial") > 0 })
		st.until("it is answered", func() bool { return st.s.PicksUp(l.Info().ForeignID) })
		next(t, box, call.Answered)
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
		st.ended(&caught{l, box})
		st.gone()
		st.stop()
	}
}
