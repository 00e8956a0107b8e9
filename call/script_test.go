package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"hotline"
	"hotline/call/audio"
	"hotline/media"
)

func prompt(d time.Duration) *media.Prompt { return media.Silence(d) }

func TestAScriptFromRingToGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got Collected
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			if err := c.Progress(ctx, false); err != nil {
				return err
			}
			time.Sleep(3 * time.Second)
			if err := errors.Join(c.Answer(ctx), c.Answer(ctx)); err != nil {
				return err
			}
			var err error
			if got, err = c.Collect(ctx, Collect{Prompts: []*media.Prompt{prompt(10 * time.Second)}, Max: 1}); err != nil {
				return err
			}
			c.Step(CallStep{Node: "menu", Kind: "menu", Digits: got.Digits}, false, "pin")
			c.Step(CallStep{Node: "pin", Kind: "collect", Digits: "1234"}, true, "")
			c.SetLanguage("en")
			if err := c.Enter(ctx, PhaseQueued, "sales"); err != nil {
				return err
			}
			time.Sleep(7 * time.Second)
			c.Note(map[string]int{"position": 2})
			c.Leaving("timeout")
			c.Leaving("abandoned") // the first counts
			return c.Enter(ctx, PhaseMenu, "")
		})
		time.Sleep(5 * time.Second)
		st.press("2")
		ended, segments := st.end(t)
		if got.Digits != "2" || got.Reason != CollectComplete {
			t.Errorf("%+v", got)
		}
		if ended.Result != ResultCompleted || !ended.Answered || ended.Queue != "sales" || ended.Phase != PhaseMenu || ended.Cause != CauseNormal {
			t.Errorf("%+v", ended)
		}
		if st.answers != 1 {
			t.Errorf("answered %d times", st.answers)
		}
		var story []string
		for _, s := range segments {
			story = append(story, fmt.Sprintf("%s %s %d %s", s.Kind, s.Queue, s.DurationMS/1000, s.Reason))
		}
		want := []string{"ring support 3 answered", "menu support 2 moved", "queue sales 7 timeout", "menu sales 0 completed"}
		if !slices.Equal(story, want) {
			t.Errorf("segments\n%v, want\n%v", strings.Join(story, "\n"), strings.Join(want, "\n"))
		}
		if string(segments[2].Detail) != `{"position":2}` {
			t.Errorf("detail %s", segments[2].Detail)
		}
		for _, f := range st.notes.all() {
			if strings.Contains(string(f.Data), "1234") {
				t.Errorf("a secret was filed: %s", f.Data)
			}
		}
		if n := payloads[CallNoted](t, st.notes.all(), FactCallNoted); len(n) != 1 || n[0].Language != "en" || st.call.Language() != "en" {
			t.Errorf("%+v", n)
		}
	})
}

// press is a key some time after the collection began.
type press struct {
	after time.Duration
	keys  string
}

func TestCollect(t *testing.T) {
	long := []*media.Prompt{prompt(4 * time.Second)}
	for name, c := range map[string]struct {
		ahead   string
		ask     Collect
		presses []press
		want    Collected
		took    time.Duration
	}{
		"one digit into the prompt":              {"", Collect{Prompts: long, Max: 1}, []press{{time.Second, "5"}}, Collected{"5", CollectComplete, false}, time.Second},
		"nothing":                                {"", Collect{Prompts: long, Max: 1, First: 3 * time.Second}, nil, Collected{"", CollectTimeout, false}, 7 * time.Second},
		"first is counted from the prompt's end": {"", Collect{Prompts: long, Max: 1, First: 3 * time.Second}, []press{{6900 * time.Millisecond, "1"}}, Collected{"1", CollectComplete, false}, 6900 * time.Millisecond},
		"terminator":                             {"", Collect{Terminator: "#", Min: 2}, []press{{time.Second, "12#"}}, Collected{"12", CollectTerminator, false}, time.Second},
		"too few":                                {"", Collect{Terminator: "#", Min: 3}, []press{{time.Second, "12#"}}, Collected{"12", CollectTerminator, true}, time.Second},
		"an empty answer":                        {"", Collect{Terminator: "#", Min: 1}, []press{{time.Second, "#"}}, Collected{"", CollectTerminator, true}, time.Second},
		"a pause":                                {"", Collect{Max: 4, Min: 2, InterDigit: 2 * time.Second}, []press{{time.Second, "1"}, {2500 * time.Millisecond, "2"}}, Collected{"12", CollectInterDigit, false}, 4500 * time.Millisecond},
		"typed ahead":                            {"77", Collect{Prompts: long, Max: 2}, nil, Collected{"77", CollectComplete, false}, 0},
		"some typed ahead":                       {"7", Collect{Prompts: long, Max: 2}, []press{{time.Second, "8"}}, Collected{"78", CollectComplete, false}, time.Second},
		"typed ahead, heard all the same":        {"7", Collect{Prompts: long, Max: 1, NoBargeIn: true}, nil, Collected{"7", CollectComplete, false}, 4 * time.Second},
		"a flood":                                {"", Collect{Terminator: "#"}, []press{{time.Second, strings.Repeat("123456789", 100)}}, Collected{strings.Repeat("123456789", 8)[:maxTypedAhead], CollectComplete, false}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got Collected
				var took time.Duration
				start := make(chan struct{})
				st := begin(t, Config{}, func(ctx context.Context, call *Call) error {
					if err := call.Answer(ctx); err != nil {
						return err
					}
					<-start
					began := time.Now()
					var err error
					got, err = call.Collect(ctx, c.ask)
					took = time.Since(began)
					return err
				})
				synctest.Wait()
				st.press(c.ahead)
				close(start)
				began := time.Now()
				for _, p := range c.presses {
					time.Sleep(time.Until(began.Add(p.after)))
					st.press(p.keys)
				}
				st.end(t)
				if got != c.want || took != c.took {
					t.Errorf("%+v after %v, want %+v after %v", got, took, c.want, c.took)
				}
			})
		})
	}
}

func TestTypeAheadGoesToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			if err := errors.Join(c.Answer(ctx), c.Play(ctx, prompt(2*time.Second))); err != nil {
				return err
			}
			for range 3 {
				d, err := c.Collect(ctx, Collect{Prompts: []*media.Prompt{prompt(time.Minute)}, Max: 1})
				if err != nil {
					return err
				}
				got = append(got, d.Digits)
			}
			c.Forget()
			d, err := c.Collect(ctx, Collect{Max: 1, First: time.Second})
			got = append(got, d.Digits)
			return err
		})
		time.Sleep(time.Second)
		st.press("1234") // the prompt is one to be heard to its end
		began := time.Now()
		st.end(t)
		if !slices.Equal(got, []string{"1", "2", "3", ""}) || time.Since(began) != 2*time.Second {
			t.Errorf("%q after %v", got, time.Since(began))
		}
	})
}

// A secret is not heard by the recordings that the call knows of.
func TestASecretIsNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := &tape{}
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			defer c.Taping(tape)()
			if err := c.Answer(ctx); err != nil {
				return err
			}
			c.Collect(ctx, Collect{Max: 1, First: time.Second})
			c.Collect(ctx, Collect{Max: 4, First: time.Second, Secret: true})
			return nil
		})
		st.end(t)
		if !slices.Equal(tape.log, []string{"pause", "resume"}) {
			t.Errorf("%v", tape.log)
		}
	})
}

type tape struct{ log []string }

func (t *tape) Pause()  { t.log = append(t.log, "pause") }
func (t *tape) Resume() { t.log = append(t.log, "resume") }

// What every end of a call leaves behind.
func TestEnds(t *testing.T) {
	answer := func(ctx context.Context, c *Call) error { return c.Answer(ctx) }
	in := func(p Phase) Script {
		return func(ctx context.Context, c *Call) error {
			if err := errors.Join(c.Answer(ctx), c.Enter(ctx, p, "q")); err != nil {
				return err
			}
			_, err := c.Await(ctx, AwaitOptions{})
			return err
		}
	}
	wait := func(ctx context.Context, c *Call) error { _, err := c.Await(ctx, AwaitOptions{}); return err }
	hangup := func(st *stage) { st.end2(CausePeerHangup) }
	for name, c := range map[string]struct {
		script Script
		then   func(*stage)
		result Result
		reason string // of the last segment
		cause  Cause
	}{
		"served":                   {answer, nil, ResultCompleted, "completed", CauseNormal},
		"cancelled while ringing":  {wait, func(st *stage) { st.end2(CauseCancelled) }, ResultAbandoned, "abandoned", CauseCancelled},
		"hung up in the menu":      {in(PhaseMenu), hangup, ResultAbandoned, "abandoned", CausePeerHangup},
		"hung up in the queue":     {in(PhaseQueued), hangup, ResultAbandoned, "abandoned", CausePeerHangup},
		"hung up while talking":    {in(PhaseTalking), hangup, ResultAnswered, "answered", CausePeerHangup},
		"hung up in the voicemail": {in(PhaseVoicemail), hangup, ResultAbandoned, "abandoned", CausePeerHangup},
		"shut down":                {in(PhaseQueued), func(st *stage) { st.call.cancel(ErrShutdown) }, ResultCutBySystem, "cut", CauseShutdown},
		"too long":                 {in(PhaseMenu), func(st *stage) { time.Sleep(5 * time.Hour) }, ResultAbandoned, "abandoned", CauseExpired},
		"no audio":                 {in(PhaseQueued), func(st *stage) { st.post(MediaLost); time.Sleep(time.Minute) }, ResultAbandoned, "cut", CauseMediaLost},
		"never answered":           {func(context.Context, *Call) error { return nil }, nil, ResultRejected, "rejected", CauseNoAnswer},
		"refused by the script":    {func(ctx context.Context, c *Call) error { return c.Hangup(ctx, CauseBusy) }, nil, ResultRejected, "rejected", CauseBusy},
		"failed before answer":     {func(context.Context, *Call) error { return errors.New("oops") }, nil, ResultFailed, "cut", CauseFailure},
		"failed":                   {func(ctx context.Context, c *Call) error { c.Answer(ctx); return errors.New("oops") }, nil, ResultFailed, "cut", Cause{Q850: 41, Text: "temporary failure", By: "hotline"}},
		"panicked":                 {func(ctx context.Context, c *Call) error { c.Answer(ctx); panic("oops") }, nil, ResultFailed, "cut", Cause{Q850: 41, Text: "temporary failure", By: "hotline"}},
		"voicemail, said by the script": {func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			c.Enter(ctx, PhaseVoicemail, "")
			c.SetResult(ResultVoicemail)
			return wait(ctx, c)
		}, hangup, ResultVoicemail, "voicemail", CausePeerHangup},
		"sent elsewhere": {func(ctx context.Context, c *Call) error {
			return errors.Join(c.Answer(ctx), c.Transfer(ctx, "sip:1@example.com"))
		}, nil, ResultTransferred, "transferred", CauseNormal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := begin(t, Config{}, c.script)
				if c.then != nil {
					time.Sleep(2 * time.Second)
					c.then(st)
				}
				ended, segments := st.end(t)
				if last := segments[len(segments)-1]; ended.Result != c.result || last.Reason != c.reason || ended.Cause != c.cause {
					t.Errorf("%s, %s, %+v", ended.Result, last.Reason, ended.Cause)
				}
			})
		})
	}
}

func (st *stage) end2(c Cause) { st.fakeLeg.end(c) }

// Every verb says why the call ended, at once and for ever.
func TestVerbsOfAnEndedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			if err := c.Answer(ctx); err != nil {
				return err
			}
			began := time.Now()
			if err := c.Play(ctx, prompt(time.Hour)); !errors.Is(err, ErrHangup) || time.Since(began) != 3*time.Second {
				t.Errorf("Play: %v after %v", err, time.Since(began))
			}
			_, collect := c.Collect(ctx, Collect{Max: 1})
			_, await := c.Await(ctx, AwaitOptions{})
			_, record := c.Record(ctx, Record{Sink: &sink{}})
			for i, err := range []error{c.Answer(ctx), c.Progress(ctx, true), c.Play(ctx, prompt(time.Second)), c.Say(ctx), collect, await, record, c.Enter(ctx, PhaseMenu, ""), c.Transfer(ctx, "x"), last(c.Connect(ctx, Connect{}))} {
				if !errors.Is(err, ErrHangup) {
					t.Errorf("verb %d: %v", i, err)
				}
			}
			if ctx.Err() == nil || !errors.Is(context.Cause(ctx), ErrHangup) {
				t.Errorf("the context: %v", context.Cause(ctx))
			}
			c.File("test.after", 1) // what is left to be said can be said
			c.Music(nil)()
			return c.Hangup(ctx, CauseNormal)
		})
		time.Sleep(3 * time.Second)
		st.end2(CausePeerHangup)
		st.end(t)
	})
	synctest.Test(t, func(t *testing.T) { // a context of the script's own
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			short, cancel := context.WithTimeoutCause(ctx, time.Second, ErrMaxWait)
			defer cancel()
			if err := c.Play(short, prompt(time.Hour)); !errors.Is(err, ErrMaxWait) {
				t.Errorf("%v", err)
			}
			return c.Play(ctx, prompt(time.Second))
		})
		if ended, _ := st.end(t); ended.Result != ResultCompleted {
			t.Errorf("%+v", ended)
		}
	})
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signal := make(chan struct{}, 1)
		var got []Awaited
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			for range 3 {
				a, err := c.Await(ctx, AwaitOptions{Keys: "1*", Signal: signal, Timeout: 10 * time.Second})
				if err != nil {
					return err
				}
				got = append(got, a)
			}
			return nil
		})
		time.Sleep(time.Second)
		st.press("5")
		time.Sleep(time.Second)
		st.press("9*")
		time.Sleep(time.Second)
		signal <- struct{}{}
		st.end(t)
		if !slices.Equal(got, []Awaited{{AwaitDigit, '*'}, {Reason: AwaitSignal}, {Reason: AwaitTimeout}}) {
			t.Errorf("%+v", got)
		}
	})
}

// From the answer on, something is heard at least every two seconds, whatever the script does or waits for.
func TestNeverSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		music := media.NewMusic(prompt(time.Second))
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			time.Sleep(9 * time.Second) // a look-up that takes its time
			c.Play(ctx, prompt(3*time.Second))
			c.Collect(ctx, Collect{Prompts: []*media.Prompt{prompt(2 * time.Second)}, Max: 5, First: 8 * time.Second})
			stop := c.Music(music)
			c.Await(ctx, AwaitOptions{Timeout: 20 * time.Second})
			c.Play(ctx, prompt(time.Second))
			c.Await(ctx, AwaitOptions{Timeout: 20 * time.Second})
			stop()
			time.Sleep(9 * time.Second)
			return nil
		})
		began := time.Now()
		st.end(t)
		if longest := st.sound.longestSilence(began, time.Now()); longest+audio.TickPeriod > 2*time.Second { // the filler is silent that long itself
			t.Errorf("nothing was heard for %v", longest+audio.TickPeriod)
		}
		if len(st.sound.log) < 8 {
			t.Errorf("%v", st.sound.log)
		}
	})
}

// A caller on hold need not send, and one who comes back is not cut.
func TestTheWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, Config{MediaLost: 10 * time.Second}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			_, err := c.Await(ctx, AwaitOptions{Timeout: 5 * time.Minute})
			return err
		})
		for _, e := range []struct {
			kind EventKind
			then time.Duration
		}{{MediaLost, 9 * time.Second}, {MediaBack, time.Minute}, {Held, time.Second}, {MediaLost, time.Minute}, {Resumed, 30 * time.Second}, {MediaLost, time.Second}, {MediaLost, 8 * time.Second}} {
			st.post(e.kind)
			time.Sleep(e.then)
			if st.call.ctx.Err() != nil {
				t.Fatalf("cut at %s", e.kind)
			}
		}
		time.Sleep(2 * time.Second)
		if !errors.Is(context.Cause(st.call.ctx), ErrMediaLost) {
			t.Error("a call without audio goes on")
		}
		st.end(t)
	})
}

// A leg that never reports its end does not hold its call for ever.
func TestADeafLeg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error { return c.Answer(ctx) }, func(l *fakeLeg) { l.deaf = true })
		began := time.Now()
		st.end(t)
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestARefusedTransferGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := begin(t, Config{}, func(ctx context.Context, c *Call) error {
			c.Answer(ctx)
			if err := c.Transfer(ctx, "sip:1@example.com"); hotline.KindOf(err) != hotline.Unavailable {
				t.Errorf("%v", err)
			}
			if c.Phase() != PhaseMenu {
				t.Errorf("in phase %s", c.Phase())
			}
			return c.Play(ctx, prompt(time.Second))
		}, func(l *fakeLeg) { l.refer = errors.New("603 declined") })
		if ended, _ := st.end(t); ended.Result != ResultCompleted {
			t.Errorf("%+v", ended)
		}
	})
}

// Random callers: keys, hang-ups, lost audio and the end of the process at colliding instants. Whatever happens, a call has one
// beginning, one end, segments without holes, and no goroutine or timer is left (synctest sees to that).
func TestRandomCallers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type deed struct {
			after int // quarter seconds
			what  int
			keys  string
		}
		deeds := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) deed {
			return deed{rapid.IntRange(0, 12).Draw(rt, "after"), rapid.IntRange(0, 7).Draw(rt, "what"), rapid.StringMatching(`[0-9*#]{1,4}`).Draw(rt, "keys")}
		}), 0, 12).Draw(rt, "deeds")
		verbs := rapid.SliceOfN(rapid.IntRange(0, 7), 0, 10).Draw(rt, "script")
		synctest.Test(t, func(t *testing.T) {
			st := begin(t, Config{MediaLost: 2 * time.Second}, randomScript(verbs), func(l *fakeLeg) { l.refer = errors.New("no") })
			for _, d := range deeds {
				time.Sleep(time.Duration(d.after) * 250 * time.Millisecond)
				switch d.what {
				case 0, 1, 2:
					st.press(d.keys)
				case 3:
					st.end2(CausePeerHangup)
				case 4:
					st.post(MediaLost)
				case 5:
					st.post(MediaBack)
				case 6:
					st.call.cancel(ErrShutdown)
				case 7:
					st.sound.speak(250*time.Millisecond, 8000)
				}
			}
			ended, segments := st.end(t)
			if segments[0].Kind != SegmentRing || ended.Result == "" {
				t.Errorf("%+v", ended)
			}
			if n := len(st.sound.taps); n > 0 {
				t.Errorf("%d taps are left", n)
			}
			if st.sound.background() == st.call.cfg.Filler {
				t.Error("the filler plays on")
			}
			if len(st.hangups) > 1 {
				t.Errorf("hung up %d times", len(st.hangups))
			}
		})
	})
}

func randomScript(verbs []int) Script {
	return func(ctx context.Context, c *Call) error {
		for _, v := range verbs {
			var err error
			switch v {
			case 0:
				err = c.Answer(ctx)
			case 1:
				err = c.Play(ctx, prompt(time.Second), prompt(750*time.Millisecond))
			case 2:
				_, err = c.Collect(ctx, Collect{Prompts: []*media.Prompt{prompt(time.Second)}, Max: 3, Terminator: "#", First: time.Second, InterDigit: time.Second})
			case 3:
				err = c.Enter(ctx, PhaseQueued, "q")
			case 4:
				stop := c.Music(media.NewMusic(prompt(time.Second)))
				_, err = c.Await(ctx, AwaitOptions{Keys: "1", Timeout: 2 * time.Second})
				stop()
			case 5:
				_, err = c.Record(ctx, Record{Sink: &sink{}, Max: 3 * time.Second, Silence: time.Second})
			case 6:
				err = c.Transfer(ctx, "sip:x@y")
				if hotline.KindOf(err) == hotline.Unavailable {
					err = nil
				}
			case 7:
				err = c.Hangup(ctx, CauseNormal)
			}
			if err != nil && v%2 == 0 { // some scripts look at errors, and some do not
				return err
			}
		}
		return nil
	}
}
