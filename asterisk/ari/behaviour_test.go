package ari_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/ari/aritest"
)

// stage is a client on a stand-in.
type stage struct {
	*testing.T
	s   *aritest.Server
	c   *ari.Client
	ear *ear
	cfg ari.Config

	hurry time.Duration // pause after another program has taken the application
}

// set is what a behaviour wants changed before the client starts.
type set func(*stage)

// begin starts a stand-in and a client on it.
func begin(t *testing.T, transport ari.Transport, before ...set) *stage {
	st := &stage{T: t, s: aritest.New(t), ear: newEar()}
	st.cfg = ari.Config{Name: "stand-in", URL: st.s.URL, User: st.s.User, Password: st.s.Password, Transport: transport, Retry: time.Millisecond}
	for _, f := range before {
		f(st)
	}
	st.c = client(t, st.cfg, st.ear)
	if st.hurry > 0 {
		st.c.Hurry(st.hurry)
	}
	start(t, st.c)
	return st
}

func (st *stage) up(n int) *stage {
	st.Helper()
	st.ear.connected(st, n)
	return st
}

func (st *stage) fatal(err error) {
	st.Helper()
	if err != nil {
		st.Fatal(err)
	}
}

// seen returns the types of the events that the handler got of a channel.
func (st *stage) seen(id string) []string {
	st.ear.mu.Lock()
	defer st.ear.mu.Unlock()
	var out []string
	for _, e := range st.ear.events {
		if e.Channel != nil && e.Channel.ID == id {
			out = append(out, e.Type)
		}
	}
	return out
}

// mark makes an event that is told last: when it is seen, all before it were.
func (st *stage) mark() {
	st.Helper()
	id := "mark-" + time.Now().Format("150405.000000000")
	st.s.Call(aritest.Caller{ID: id})
	st.ear.event(st, "StasisStart", is(id))
}

func is(id string) func(ari.Event) bool {
	return func(e ari.Event) bool { return e.Channel != nil && e.Channel.ID == id }
}

func (st *stage) equal(what string, got, want any) {
	st.Helper()
	if g, ok := got.([]string); ok {
		if !slices.Equal(g, want.([]string)) {
			st.Fatalf("%s: %v, want %v", what, got, want)
		}
		return
	}
	if got != want {
		st.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// behaviours are what Asterisk or the way to it does at the worst moment, and what comes of it. The leg's side of them is tested in
// package asterisk.
var behaviours = []struct {
	name string
	test func(*testing.T)
}{
	{"an event goes to the owner of its channel, after him to the handler", ownedEvent},
	{"an event that names several ids of one owner is given once", sharedEvent},
	{"an event that is told twice is given once", doubledEvent},
	{"a second StasisEnd of one stay is held back", secondEnd},
	{"an event after the channel's end is held back", afterTheEnd},
	{"a StasisStart that comes after its StasisEnd is held back", reordered},
	{"a channel that comes again is told again", comesAgain},
	{"events during Up are kept in order until it returns", duringUp},
	{"events that come before the answer to the request reach the owner", beforeTheAnswer},
	{"StasisEnd before the answer to Answer, which is then Gone", endBeforeAnswer},
	{"a slow answer ends with the context, and comes to nobody later", slowAnswer},
	{"a channel whose creation is cancelled is taken back", cancelledCreate},
	{"external media whose creation is cancelled are taken back", cancelledMedia},
	{"a bridge whose creation times out is taken back", timedOutBridge},
	{"a request whose connection is cut is Unavailable, what it made is taken back", cutRequest},
	{"what could not be taken back is taken back after the next connect", takenBackLater},
	{"an id that is in use is refused and what has it is left alone", idInUse},
	{"a cut websocket ends all requests that wait on it", cutWhileWaiting},
	{"a cut websocket is opened again: one Down for each Up", cutSocket},
	{"a half-open websocket is noticed", halfOpen},
	{"an Asterisk that answers no request is noticed though its websocket lives", silentRequests},
	{"an Asterisk that restarted is told by its start", restarted},
	{"another program that takes the application is named", replaced},
	{"an application that a lost connection of our own takes is taken back at once", replacedByGhost},
	{"a wrong password is named and tried again", wrongPassword},
	{"an Asterisk without ARI is named", withoutARI},
	{"an Asterisk that is absent is waited for", absent},
	{"an Asterisk that is too old is refused", tooOld},
	{"answers are outcomes: 404, 409, 412, 422, 400, 403, 500, 503", outcomes},
	{"a bridge or channel that is just going is Gone, whatever Asterisk calls it", goneByOtherNames},
	{"unreadable messages cost nothing", unreadable},
	{"a field of another type does not cost the event", otherType},
	{"an Up that fails drops the connection and is tried again", failingUp},
	{"without a connection a request is Unavailable at once", notConnected},
	{"a dialled connection has to show user and password", dialledAuth},
	{"an Asterisk that does not dial is connected by its URL, until it does", dialledNot},
	{"a dialled connection that is opened anew takes the place of the older", dialledAnew},
}

func TestBehaviours(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, b.test)
	}
}

func ownedEvent(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	owned := newEar()
	stop := st.c.Watch("hl-1", owned.Event)
	st.s.Call(aritest.Caller{ID: "hl-1"})
	owned.event(t, "StasisStart", is("hl-1"))
	stop()
	st.s.Digit("hl-1", "5", 80*time.Millisecond)
	d := st.ear.event(t, "ChannelDtmfReceived")
	st.equal("the digit", d.Digit+d.Duration.String(), "580ms")
	st.equal("events of the owned channel at the handler", st.seen("hl-1"), []string{"ChannelDtmfReceived"})
}

func sharedEvent(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	owned := newEar()
	st.c.WatchAll([]string{"hl-1", "hl-b-1"}, owned.Event)
	st.s.Call(aritest.Caller{ID: "hl-1"})
	_, err := st.c.CreateBridge(t.Context(), "hl-b-1", "mixing")
	st.fatal(err)
	st.fatal(st.c.AddToBridge(t.Context(), "hl-b-1", "hl-1"))
	st.mark()
	st.equal("events", types(owned.events), []string{"StasisStart", "ChannelEnteredBridge"})
}

func doubledEvent(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Double(true)
	st.s.Call(aritest.Caller{ID: "c"})
	st.s.Digit("c", "1", time.Millisecond)
	st.s.Digit("c", "1", time.Millisecond)
	st.mark()
	st.equal("events", st.seen("c"), []string{"StasisStart", "ChannelDtmfReceived", "ChannelDtmfReceived"})
	if n := st.c.State().Doubles; n < 3 {
		t.Fatalf("%d doubles counted", n)
	}
}

func secondEnd(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Call(aritest.Caller{ID: "c"})
	for range 2 {
		st.s.Emit(map[string]any{"type": "StasisEnd", "channel": map[string]any{"id": "c"}})
	}
	st.mark()
	st.equal("events", st.seen("c"), []string{"StasisStart", "StasisEnd"})
}

func afterTheEnd(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Call(aritest.Caller{ID: "c"})
	st.s.Hold()
	st.s.Digit("c", "1", time.Millisecond)
	st.s.Hangup("c", 16, 0)
	st.equal("held", st.s.Held(), []string{"ChannelDtmfReceived", "ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"})
	st.s.Release(3, 2, 0)
	st.mark()
	st.equal("events", st.seen("c"), []string{"StasisStart", "ChannelDestroyed"})
}

func reordered(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Hold()
	st.s.Call(aritest.Caller{ID: "c"})
	st.s.Hangup("c", 16, 0)
	st.s.Release(2, 0)
	st.mark()
	st.equal("events", st.seen("c"), []string{"StasisEnd"})
}

func comesAgain(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Call(aritest.Caller{ID: "c", Args: []string{"in"}})
	st.fatal(st.c.Continue(t.Context(), "c", "hotline-away", "again", 1))
	st.s.Call(aritest.Caller{ID: "c", Args: []string{"again"}})
	again := st.ear.event(t, "StasisStart", is("c"), func(e ari.Event) bool { return e.Args[0] == "again" })
	st.equal("argument", again.Args[0], "again")
	st.equal("events", st.seen("c"), []string{"StasisStart", "StasisEnd", "StasisStart"})
}

func duringUp(t *testing.T) {
	inUp, goOn := make(chan struct{}), make(chan struct{})
	owned := newEar()
	st := begin(t, ari.HTTP, func(st *stage) {
		st.ear.onUp = func(ctx context.Context) error {
			if _, err := st.c.Channels(ctx); err != nil {
				return err
			}
			close(inUp)
			<-goOn
			st.c.Watch("b", owned.Event)
			return nil
		}
	})
	<-inUp
	st.s.Call(aritest.Caller{ID: "a"})
	st.s.Call(aritest.Caller{ID: "b"})
	st.s.Digit("a", "1", time.Millisecond)
	_, err := st.c.Channel(t.Context(), "a") // the reader is past those events or not: they must not be given yet
	st.fatal(err)
	st.equal("events during Up", len(st.seen("a")), 0)
	close(goOn)
	st.mark()
	st.equal("events", st.seen("a"), []string{"StasisStart", "ChannelDtmfReceived"})
	st.equal("events of the one watched in Up", types(owned.events), []string{"StasisStart"})
}

func beforeTheAnswer(t *testing.T) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		st := begin(t, transport).up(1)
		owned, gate := newEar(), make(chan struct{})
		st.s.Rule(aritest.Rule{Path: "/channels/create", After: gate})
		st.c.Watch("hl-1", owned.Event)
		made := make(chan error, 1)
		go func() {
			_, err := st.c.Create(context.Background(), ari.CreateChannel{ID: "hl-1", Endpoint: "PJSIP/1@x", Args: []string{"out"}})
			made <- err
		}()
		start := owned.event(t, "StasisStart")
		st.equal("argument", start.Args[0], "out")
		close(gate)
		st.fatal(<-made)
	}
}

func endBeforeAnswer(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Call(aritest.Caller{ID: "c"})
	gate := make(chan struct{})
	st.s.Rule(aritest.Rule{Path: "/channels/c/answer", Before: gate})
	answered := make(chan error, 1)
	go func() { answered <- st.c.Answer(context.Background(), "c") }()
	st.s.Await(t, "POST", "/channels/c/answer", 1)
	st.s.Hangup("c", 16, 487)
	gone := st.ear.event(t, "ChannelDestroyed")
	st.equal("SIP code", gone.TechCause, 487)
	close(gate)
	if err := <-answered; !ari.Gone(err) {
		t.Fatalf("answer: %v", err)
	}
}

func slowAnswer(t *testing.T) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		st := begin(t, transport).up(1)
		st.s.Call(aritest.Caller{ID: "c"})
		gate := make(chan struct{})
		st.s.Rule(aritest.Rule{Path: "/channels/c/answer", Before: gate, Times: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := st.c.Answer(ctx, "c")
		cancel()
		if !ari.Unavailable(err) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("answer: %v", err)
		}
		close(gate)
		ch, err := st.c.Channel(t.Context(), "c") // the connection is as good as before
		st.fatal(err)
		st.ear.event(t, "ChannelStateChange")
		st.equal("channel", ch.ID, "c")
	}
}

func outcomes(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Call(aritest.Caller{ID: "c"})
	for _, o := range []struct {
		status int
		is     func(error) bool
		normal bool
	}{
		{404, ari.Gone, true}, {409, ari.Conflict, true}, {412, ari.Precondition, true}, {422, ari.Unprocessable, true},
		{400, nil, false}, {403, nil, false}, {500, nil, false}, {503, nil, false},
	} {
		stop := st.s.Rule(aritest.Rule{Path: "/channels/c/hold", Status: o.status, Message: "why not"})
		failed := st.c.State().Failed
		err := st.c.Hold(t.Context(), "c")
		stop()
		if err == nil || ari.Unavailable(err) || !strings.Contains(err.Error(), "why not") {
			t.Fatalf("%d: %v", o.status, err)
		}
		for i, f := range []func(error) bool{ari.Gone, ari.Conflict, ari.Precondition, ari.Unprocessable} {
			if want := o.normal && o.status == []int{404, 409, 412, 422}[i]; f(err) != want {
				t.Fatalf("%d: outcome %d is %v", o.status, i, f(err))
			}
		}
		if counted := st.c.State().Failed > failed; counted == o.normal {
			t.Fatalf("%d: counted as a failure: %v", o.status, counted)
		}
	}
}

// goneByOtherNames: Asterisk says 409 of a bridge that is being destroyed, 400 of a channel that is to be added to one and is gone, and
// 500 of one that hangs up while it is answered.
func goneByOtherNames(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	_, err := st.c.CreateBridge(t.Context(), "hl-b-1", "mixing")
	st.fatal(err)
	failed := st.c.State().Failed
	if err := st.c.AddToBridge(t.Context(), "hl-b-1", "nobody"); !ari.Gone(err) {
		t.Fatalf("add: %v", err)
	}
	st.s.Call(aritest.Caller{ID: "c"})
	st.s.Rule(aritest.Rule{Path: "/channels/c/answer", Status: 500, Message: "Failed to answer channel"})
	if err := st.c.Answer(t.Context(), "c"); !ari.Gone(err) {
		t.Fatalf("answer: %v", err)
	}
	st.s.Rule(aritest.Rule{Method: "DELETE", Path: "/bridges/hl-b-1", Status: 409, Message: "Bridge not in Stasis application"})
	if err := st.c.DestroyBridge(t.Context(), "hl-b-1"); !ari.Gone(err) {
		t.Fatalf("destroy: %v", err)
	}
	st.equal("failures", st.c.State().Failed, failed)
}

func unreadable(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	for _, raw := range []string{"", "{", "[]", "null", `"x"`, `{"type":7}`, `{"type":""}`, `{"message":"x"}`, strings.Repeat("[", 20000)} {
		st.s.Raw(raw)
	}
	st.mark()
	st.equal("connects", len(st.ear.ups), 1)
}

func otherType(t *testing.T) {
	st := begin(t, ari.HTTP).up(1)
	st.s.Emit(map[string]any{"type": "ChannelDestroyed", "cause": "sixteen", "cause_txt": "x", "channel": map[string]any{"id": "c", "state": 5, "name": "n"}})
	e := st.ear.event(t, "ChannelDestroyed")
	st.equal("what can be read", e.CauseText+e.Channel.ID+e.Channel.Name, "xcn")
}
