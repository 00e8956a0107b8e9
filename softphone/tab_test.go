package softphone_test

import (
	"errors"
	"strings"
	"time"

	"hotline"
	"hotline/acd"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
)

// tab opens a tab of an account.
func (o *office) tab(account string, also ...func(*softphonetest.Options)) *tab {
	o.t.Helper()
	opt := softphonetest.Options{URL: o.url(), Header: o.header(account), Session: hotline.NewID()}
	for _, f := range also {
		f(&opt)
	}
	t, err := softphonetest.Open(o.ctx(), opt)
	o.check(err)
	o.tabs = append(o.tabs, t)
	return &tab{Tab: t, o: o, account: account, at: map[string]int{}, rung: map[string]bool{}}
}

// tab is a tab whose failures are the test's.
type tab struct {
	*softphonetest.Tab
	o       *office
	account string
	rung    map[string]bool // offers that were awaited
	at      map[string]int  // events of a name before were looked at: between names there is no order
}

func (b *tab) do(cmd string, data any) {
	b.o.t.Helper()
	if err := b.Do(b.o.ctx(), cmd, data, nil); err != nil {
		b.o.t.Fatalf("%s: %v", cmd, err)
	}
}

// refused gives a command that must be refused with a code.
func (b *tab) refused(code, cmd string, data any) softphone.Problem {
	b.o.t.Helper()
	err := b.Do(b.o.ctx(), cmd, data, nil)
	var r *softphonetest.Refused
	if !errors.As(err, &r) || r.Code != code {
		b.o.t.Fatalf("%s: %v, want it refused with %s", cmd, err, code)
	}
	return r.Problem
}

// await waits for the next event of a name that fits, behind those of that name that were awaited before.
func await[T any](b *tab, name string, fits func(T) bool) T {
	b.o.t.Helper()
	var v T
	_, at, err := b.Await(b.o.ctx(), b.at[name], name, func(e softphonetest.Event) bool {
		v = *new(T)
		e.Into(&v)
		return fits == nil || fits(v)
	})
	if err != nil {
		var names []string
		for _, e := range b.Events() {
			names = append(names, e.Name+string(e.Data[:min(len(e.Data), 200)]))
		}
		b.o.t.Fatalf("%v\nof %s", err, strings.Join(names, "\n   "))
	}
	b.at[name] = at
	return v
}

// rings waits for a call that has not rung before: an offer comes again when more is known of the caller.
func (b *tab) rings() softphone.OfferView {
	b.o.t.Helper()
	v := await(b, "offer", func(v softphone.OfferView) bool { return !b.rung[v.ID] })
	b.rung[v.ID] = true
	return v
}

// phone gives the tab audio.
func (b *tab) phone(tone float64) {
	b.o.t.Helper()
	b.o.check(b.Phone(b.o.ctx(), tone))
}

func (b *tab) hears(on ...float64) {
	b.o.t.Helper()
	if !b.Audio.Hears(10*time.Second, on, others(on)) {
		b.o.t.Fatalf("the browser does not hear %v and nothing else", on)
	}
}

// quiet waits until nothing comes any more: the browser is in no call.
func (b *tab) quiet() {
	b.o.t.Helper()
	b.o.eventually("the browser hears nothing", func() bool { return time.Since(b.Audio.HeardAt()) > 300*time.Millisecond })
}

// others are the tones that are not among these.
func others(on []float64) []float64 {
	var off []float64
	for _, f := range []float64{callerTone, annaTone, benTone, chefTone, holdTone} {
		if !contains(on, f) {
			off = append(off, f)
		}
	}
	return off
}

func contains(list []float64, f float64) bool {
	for _, x := range list {
		if x == f {
			return true
		}
	}
	return false
}

// agent opens a tab of an agent who is ready.
func (o *office) agent(account string, tone float64) *tab {
	o.t.Helper()
	b := o.tab(account)
	b.phone(tone)
	b.ready()
	return b
}

// ready waits until the audio is up, and goes ready.
func (b *tab) ready() {
	b.o.t.Helper()
	await(b, "phone", func(p softphone.PhoneView) bool { return p.Active == "this" && p.Media == "up" })
	b.do("agent.ready", nil)
}

// free waits until agents are ready for the next call.
func (o *office) free(tabs ...*tab) {
	o.t.Helper()
	for _, b := range tabs {
		o.becomes(b.account, acd.Ready)
	}
}

// becomes waits until an agent is in a state.
func (o *office) becomes(account string, want acd.State) {
	o.t.Helper()
	var a acd.Agent
	defer func() {
		if a.State != want {
			o.t.Logf("the agent: %+v", a)
		}
	}()
	o.eventually("the agent is "+string(want), func() bool { a, _ = o.agents.Get(account); return a.State == want })
}
