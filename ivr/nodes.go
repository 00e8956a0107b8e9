package ivr

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotline/call"
	"hotline/ivr/flow"
	"hotline/ivr/lookup"
	"hotline/media"
)

func (r *run) play(ctx context.Context, s *flow.Play) (passed, error) {
	if s.BargeIn {
		return passed{next: s.Next.Node}, r.call.Say(ctx, r.say(s.Say)...)
	}
	return passed{next: s.Next.Node}, r.call.Play(ctx, r.say(s.Say)...)
}

func (r *run) menu(ctx context.Context, s *flow.Menu) (passed, error) {
	var sorry []*media.Prompt
	for range s.Tries {
		got, err := r.call.Collect(ctx, call.Collect{Prompts: slices.Concat(sorry, r.say(s.Say)), Min: 1, Max: 1, First: s.Timeout})
		if err != nil {
			return passed{}, err
		}
		if got.Digits == "" {
			sorry = r.or(s.Silence, "no-input")
			continue
		}
		for _, k := range s.Keys {
			if k.Digit == got.Digits[0] {
				return passed{next: k.To.Node, digits: got.Digits}, nil
			}
		}
		r.call.Forget() // what was typed ahead was meant for another menu
		sorry = r.or(s.Invalid, "invalid-choice")
	}
	return passed{next: r.otherwise(s.Otherwise)}, r.call.Play(ctx, r.phrases("one-moment")...)
}

func (r *run) hours(s *flow.Hours) passed {
	t, ok := r.snap.hours[s.Name.Value]
	if ok && t.schedule.OpenAt(time.Now(), t.zone) {
		return passed{next: s.Open.Node}
	}
	return passed{next: s.Closed.Node}
}

func (r *run) language(ctx context.Context, s *flow.Language) (passed, error) {
	if s.Set != "" {
		r.call.SetLanguage(s.Set)
		return passed{next: s.Next.Node}, nil
	}
	for range s.Tries {
		got, err := r.call.Collect(ctx, call.Collect{Prompts: r.say(s.Say), Min: 1, Max: 1, First: s.Timeout})
		if err != nil {
			return passed{}, err
		}
		for _, k := range s.Keys {
			if got.Digits == string(k.Digit) {
				r.call.SetLanguage(k.Language)
				return passed{next: s.Next.Node, digits: got.Digits}, nil
			}
		}
		if got.Digits != "" {
			r.call.Forget()
		}
	}
	return passed{next: s.Next.Node}, nil // the first language is a humane one
}

func (r *run) collect(ctx context.Context, n *flow.Node, s *flow.Collect) (passed, error) {
	out := passed{next: r.otherwise(s.Otherwise), secret: s.Secret}
	var sorry []*media.Prompt
	for range s.Tries {
		if s.Secret && !r.x.attempts.allow(r.flow.Name+"/"+n.ID, r.call.Info.Caller.Number) {
			r.call.Log.Warn("too many attempts at a secret input", "node", n.ID)
			r.call.Forget()
			return out, r.call.Play(ctx, r.phrases("locked")...)
		}
		got, err := r.call.Collect(ctx, call.Collect{
			Prompts: slices.Concat(sorry, r.say(s.Say)), Min: s.Min, Max: s.Max, Terminator: s.Terminator,
			First: s.Timeout, InterDigit: s.InterDigit, Secret: s.Secret,
		})
		switch {
		case err != nil:
			return out, err
		case got.Digits == "":
			sorry = r.phrases("no-input")
		case got.Short:
			sorry = r.phrases("too-short")
		default:
			r.keep(s.Into, got.Digits, s.Secret)
			out.next, out.digits = s.Next.Node, got.Digits
			return out, nil
		}
	}
	return out, nil
}

// keep sets a variable. Secrets stay here: the call's variables are shown and filed.
func (r *run) keep(name, value string, secret bool) {
	if secret {
		r.secrets[name] = value
		return
	}
	r.call.Vars[name] = value
}

func (r *run) branch(s *flow.Branch) string {
	value := r.variable(strings.TrimPrefix(s.On, "$"))
	for _, c := range s.Cases {
		if fits(c, value) {
			return c.Next.Node
		}
	}
	return s.Otherwise.Node
}

func fits(c flow.Case, value string) bool {
	switch {
	case c.Present != nil:
		return *c.Present == (value != "")
	case len(c.Starts) > 0:
		return slices.ContainsFunc(c.Starts, func(p string) bool { return strings.HasPrefix(value, p) })
	}
	return slices.Contains(c.Is, value)
}

// count keeps its tally among the call's variables, under a name that no flow can use.
func (r *run) count(n *flow.Node, s *flow.Count) string {
	name := "count:" + n.ID
	tally, _ := strconv.Atoi(r.call.Vars[name])
	r.call.Vars[name] = strconv.Itoa(tally + 1)
	if tally < s.Limit {
		return s.Next.Node
	}
	return s.Exceeded.Node
}

// lookup asks a web service; the caller hears that something happens.
func (r *run) lookup(ctx context.Context, s *flow.Lookup) (passed, error) {
	values := map[string]string{}
	for _, p := range s.Send {
		values[p.Name] = r.value(p.Value)
	}
	stop := r.call.Music(holdMusic())
	answer, err := r.x.asker.Do(ctx, lookup.Request{Method: s.Method, URL: s.URL, Values: values, Timeout: s.Timeout, Retries: s.Retries})
	stop()
	if ctx.Err() != nil {
		return passed{}, context.Cause(ctx)
	}
	if err != nil {
		r.call.Log.Warn("a look-up failed", "error", err)
		return passed{next: s.Failed.Node}, nil
	}
	for _, p := range s.Into {
		if v, ok := lookup.Value(answer, p.Value); ok {
			r.call.Vars[p.Name] = v
		} else {
			delete(r.call.Vars, p.Name)
		}
	}
	return passed{next: s.Next.Node}, nil
}

// transfer connects the caller with a number of the allow-list, which is asked again: it may have become shorter since the flow was
// published.
func (r *run) transfer(ctx context.Context, s *flow.Transfer) (passed, error) {
	failed := passed{next: s.Failed.Node}
	if !mayDial(r.x.rules.OutboundAllow, s.To.Value) {
		r.call.Log.Error("a transfer was refused: the number is not on the outbound allow-list", "to", s.To.Value)
		return failed, r.call.Play(ctx, r.phrases("transfer-failed")...)
	}
	if !r.x.outbound.allow(s.To.Value) {
		r.call.Log.Error("a transfer was refused: the number was called too often today", "to", s.To.Value, "alarm", true)
		return failed, r.call.Play(ctx, r.phrases("transfer-failed")...)
	}
	if err := r.call.Play(ctx, r.or(s.Say, "transferring")...); err != nil {
		return passed{}, err
	}
	end, err := r.connect(ctx, s)
	if ctx.Err() != nil {
		return passed{}, context.Cause(ctx)
	}
	if err == nil {
		return r.connected(ctx, &flow.Queue{Queue: flow.Name{Value: r.call.Queue()}}, end)
	}
	r.call.Log.Warn("a transfer failed", "error", err)
	return failed, r.call.Play(ctx, r.phrases("transfer-failed")...)
}

func (r *run) connect(ctx context.Context, s *flow.Transfer) (call.TalkEnd, error) {
	i := r.call.Info
	if r.x.cfg.Dialer != nil {
		return r.call.Connect(ctx, call.Connect{
			Dialer: r.x.cfg.Dialer, Engine: r.x.cfg.Engine, Ringback: ringback(), Observe: r.observe,
			To: call.Dial{TrunkID: i.TrunkID, To: s.To.Value, From: call.Party{Number: i.Dialled}, Timeout: s.Timeout},
		})
	}
	stop := r.call.Music(ringback())
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	return call.TalkEnd{}, r.call.Transfer(ctx, referTarget(s.To.Value, i.Remote))
}

// referTarget is the number at the peer that brought the call: it makes the new call itself.
func referTarget(number, remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	if strings.Contains(host, ":") {
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	return fmt.Sprintf("sip:%s@%s", number, host)
}
