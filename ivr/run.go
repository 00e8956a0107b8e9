package ivr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"hotline/call"
	"hotline/ivr/flow"
	"hotline/recordings"
)

// run is one caller's walk through a flow. It belongs to the call's goroutine.
type run struct {
	x       *Exchange
	snap    *snapshot
	flow    *program
	call    *call.Call
	secrets map[string]string // variables that must not be kept
	last    string            // digits typed last, if they were no secret
	steps   int
	escaped bool // the budget was used up once: the fallback is the last chance
	tape    func()
	result  call.Result        // what the caller got so far
	ended   func(call.TalkEnd) // hears how the first conversation ended
}

// passed is what came of a node.
type passed struct {
	next   string // "" ends the call
	digits string
	secret bool
}

func (r *run) script(ctx context.Context) error {
	if err := r.call.Answer(ctx); err != nil {
		return err
	}
	defer r.stopTape()
	r.begin(ctx)
	return r.walk(ctx, r.flow.Start.Node)
}

// begin notes what the caller meets.
func (r *run) begin(ctx context.Context) {
	r.call.Noted(call.CallNoted{Flow: r.flow.Name, FlowVersion: r.flow.version})
	if l := r.firstLanguage(); l != r.call.Language() { // what nobody has chosen is not noted on the ticket
		r.call.SetLanguage(l)
	}
	if r.flow.Record == flow.RecordAlways {
		r.startTape(ctx)
	}
}

// walk leads the caller from a node on.
func (r *run) walk(ctx context.Context, node string) error {
	for node != "" {
		node = r.spend(node)
		if node == "" {
			return r.giveUp(ctx)
		}
		n := r.flow.Node(node)
		p, err := r.pass(ctx, n)
		node = r.stepped(n, p)
		if err != nil {
			return err
		}
	}
	return nil // the call hangs up
}

// stepped notes that a node was passed, and returns the next.
func (r *run) stepped(n *flow.Node, p passed) string {
	r.call.Step(call.CallStep{Node: n.ID, Kind: string(n.Kind), Digits: p.digits}, p.secret, p.next)
	if p.digits != "" && !p.secret {
		r.last = p.digits
	}
	return p.next
}

// spend takes one step off the budget. When it is used up the call goes to the fallback, once, and then it ends: a flow cannot go
// round for ever, whatever was checked before.
func (r *run) spend(node string) string {
	r.steps++
	if r.steps <= r.flow.MaxSteps {
		return node
	}
	if !r.escaped {
		r.escaped = true
		r.steps = r.flow.MaxSteps - 10
		r.call.Log.Warn("a call has used up the steps of its flow and is led to the fallback", "flow", r.flow.Name, "steps", r.flow.MaxSteps)
		return r.flow.Fallback.Node
	}
	return ""
}

func (r *run) giveUp(ctx context.Context) error {
	r.call.SetResult(call.ResultFailed)
	return r.call.Play(ctx, r.phrases("system-error", "try-later")...)
}

func (r *run) firstLanguage() string {
	for _, l := range []string{r.flow.Language, r.call.Info.Language} {
		if slices.Contains(r.flow.Languages, l) {
			return l
		}
	}
	return r.flow.Languages[0]
}

func (r *run) voice() voice { return voice{snap: r.snap, language: r.call.Language()} }

// pass does what the node says.
func (r *run) pass(ctx context.Context, n *flow.Node) (passed, error) {
	switch s := n.Spec.(type) {
	case *flow.Play:
		return r.play(ctx, s)
	case *flow.Menu:
		return r.menu(ctx, s)
	case *flow.Hours:
		return r.hours(s), nil
	case *flow.Language:
		return r.language(ctx, s)
	case *flow.Collect:
		return r.collect(ctx, n, s)
	case *flow.Branch:
		return passed{next: r.branch(s)}, nil
	case *flow.Count:
		return passed{next: r.count(n, s)}, nil
	case *flow.Lookup:
		return r.lookup(ctx, s)
	case *flow.TicketStatus:
		return r.ticketStatus(ctx, n, s)
	case *flow.Queue:
		return r.queue(ctx, s)
	case *flow.Voicemail:
		return r.voicemail(ctx, s)
	case *flow.Transfer:
		return r.transfer(ctx, s)
	case *flow.Hangup:
		r.served(call.ResultCompleted) // who hangs up during the goodbye has not abandoned anything
		return passed{}, r.call.Play(ctx, r.or(s.Say, "goodbye")...)
	}
	return passed{}, errors.New("ivr: a node without a kind is live")
}

// served says what the caller got: a hang-up from here on abandons nothing. The first counts, until the caller waits again.
func (r *run) served(result call.Result) {
	if r.result == "" {
		r.result = result
		r.call.SetResult(result)
	}
}

// unserved says that the caller wants something more.
func (r *run) unserved() {
	r.result = ""
	r.call.SetResult("")
}

// otherwise is the target, or the flow's humane way out.
func (r *run) otherwise(t flow.Target) string {
	if t.Given() {
		return t.Node
	}
	return r.flow.Fallback.Node
}

// value resolves a literal or a $variable.
func (r *run) value(s string) string {
	name, is := strings.CutPrefix(s, "$")
	if !is {
		return s
	}
	return r.variable(name)
}

func (r *run) variable(name string) string {
	i := r.call.Info
	switch name {
	case "caller":
		return i.Caller.Number
	case "number":
		return i.Dialled
	case "language":
		return r.call.Language()
	case "verified":
		if i.Caller.Verified {
			return "true"
		}
		return "false"
	case "digits":
		return r.last
	}
	if v, ok := r.secrets[name]; ok {
		return v
	}
	return r.call.Vars[name]
}

// startTape records the call from here on. Without it the call goes on: the store says why.
func (r *run) startTape(ctx context.Context) {
	if r.tape != nil || r.x.cfg.Recordings == nil {
		return
	}
	rec, err := r.x.cfg.Recordings.Start(ctx, recordings.Start{CallID: r.call.ID, LegID: r.call.Info.LegID, Kind: recordings.OfCall})
	if err != nil {
		r.call.Log.Error("a call is not recorded", "error", err)
		return
	}
	forget := r.call.Taping(rec)
	untap := r.call.Leg().Audio().Tap(rec)
	r.tape = func() {
		forget()
		untap()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if _, err := rec.Stop(end); err != nil {
			r.call.Log.Error("a recording was not closed well", "recording", rec.ID(), "error", err)
		}
	}
}

const stopTimeout = 10 * time.Second

func (r *run) stopTape() {
	if r.tape != nil {
		r.tape()
		r.tape = nil
	}
}
