package call

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"hotline"
	"hotline/call/refer"
	"hotline/media"
)

// alive is the first thing every verb looks at: the reason why the call, or the verb's own context, has ended.
func (c *Call) alive(ctx context.Context) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// gone turns the answer of an ended leg into the reason of the call's end.
func (c *Call) gone(err error) error {
	if err != nil && c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if errors.Is(err, ErrGone) {
		return ErrHangup
	}
	return err
}

// wait waits until ready is signalled, done is closed, the timer fires, or the call or ctx ends.
func (c *Call) wait(ctx context.Context, done <-chan struct{}, timeout <-chan time.Time) (timedOut bool, err error) {
	select {
	case <-c.mailbox.Ready():
	case <-done:
	case <-timeout:
		return true, nil
	case <-c.ctx.Done():
	case <-ctx.Done():
	}
	return false, c.alive(ctx)
}

// listen moves the digits that have arrived into the buffer.
func (c *Call) listen() {
	for {
		e, ok := c.mailbox.Take()
		if !ok {
			return
		}
		switch {
		case e.LegID != c.Info.LegID:
		case e.Kind == DigitPressed && len(c.digits) < maxTypedAhead:
			c.digits = append(c.digits, e.Digit)
		case e.Kind == Answered && c.Info.Direction == Outbound && !c.answered():
			c.taken()
		case e.Kind == TransferAsked: // nobody who calls us sends our agents elsewhere
			refer.Tell(c.leg, errNotAlone)
		}
	}
}

func (c *Call) nextDigit() (byte, bool) {
	c.listen()
	if len(c.digits) == 0 {
		return 0, false
	}
	d := c.digits[0]
	c.digits = c.digits[1:]
	return d, true
}

// Language is the language that the caller is spoken to in.
func (c *Call) Language() string { return c.live().Language }

// SetLanguage changes it.
func (c *Call) SetLanguage(l string) {
	c.mu.Lock()
	c.view.Language = l
	c.mu.Unlock()
	c.file(FactCallNoted, CallNoted{Language: l})
}

// Phase is where the call is.
func (c *Call) Phase() Phase { return c.live().Phase }

// Queue is the queue that was entered last, or the number's.
func (c *Call) Queue() string { return c.live().Queue }

// Leg is the caller's leg.
func (c *Call) Leg() Leg { return c.leg }

// Progress tells the caller's side that something happens: ringing, or early audio.
func (c *Call) Progress(ctx context.Context, early bool) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	return c.gone(c.leg.Progress(ctx, early))
}

// Answer takes the call. From then on the caller is never left in silence. Answering twice is no error.
func (c *Call) Answer(ctx context.Context) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	if c.answered() {
		return nil
	}
	if err := c.leg.Answer(ctx); err != nil {
		return c.gone(err)
	}
	c.taken()
	if c.Phase() == PhaseRinging {
		c.enter(PhaseMenu, "", reasonAnswered)
	}
	c.quiet.Start()
	return nil
}

// taken notes that the call is answered.
func (c *Call) taken() {
	now := time.Now()
	c.mu.Lock()
	c.view.AnsweredAt = &now
	c.mu.Unlock()
	answered := CallAnswered{LegID: c.Info.LegID}
	i := c.leg.Info()
	other := c.Info.Direction == Outbound && (i.ForeignID != c.Info.ForeignID || i.TrunkID != c.Info.TrunkID) // the first trunk failed
	if other {
		c.carriedBy(i)
		answered.Info = &c.Info
	}
	c.file(FactCallAnswered, answered)
	if other {
		c.file(FactCallNoted, CallNoted{TrunkID: i.TrunkID, TrunkName: i.TrunkName})
	}
}

// Play plays prompts to their end. Digits that are pressed meanwhile stay for the next [Call.Collect].
func (c *Call) Play(ctx context.Context, prompts ...*media.Prompt) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	if len(prompts) == 0 {
		return nil
	}
	c.quiet.Stop()
	defer c.quiet.Start()
	p := c.sound.play(prompts, media.PlayOptions{})
	for {
		if _, err := c.wait(ctx, p.Done(), nil); err != nil {
			p.Stop()
			return err
		}
		c.listen()
		select {
		case <-p.Done():
			return c.alive(ctx)
		default:
		}
	}
}

// Collect says how digits are asked for.
type Collect struct {
	Prompts    []*media.Prompt // played first, and not at all when enough was typed ahead
	Min        int             // with fewer digits the answer is Short
	Max        int             // ends at so many digits; 0: no limit but Terminator and time
	Terminator string          // keys that end the input and are not part of it
	First      time.Duration   // until the first digit, after the prompts; 0 means 5 s
	InterDigit time.Duration   // between digits; 0 means 3 s
	Secret     bool            // recordings do not hear it; the caller of Collect must not keep it
	NoBargeIn  bool            // the prompts are heard to their end
}

// CollectReason says why the collection of digits ended.
type CollectReason string

// The reasons.
const (
	CollectComplete   CollectReason = "complete"   // Max digits
	CollectTerminator CollectReason = "terminator" // a key of Terminator
	CollectTimeout    CollectReason = "timeout"    // nothing was pressed
	CollectInterDigit CollectReason = "interdigit" // no further digit came
)

// Collected is what was pressed.
type Collected struct {
	Digits string
	Reason CollectReason
	Short  bool // fewer digits than Min
}

// Collect plays prompts and collects digits. Digits typed ahead count; a digit stops the prompts (the media plane does that, within
// a frame) unless they must be heard.
func (c *Call) Collect(ctx context.Context, o Collect) (Collected, error) {
	if err := c.alive(ctx); err != nil {
		return Collected{}, err
	}
	if o.First <= 0 {
		o.First = 5 * time.Second
	}
	if o.InterDigit <= 0 {
		o.InterDigit = 3 * time.Second
	}
	if o.Secret {
		defer c.hush()()
	}
	if err := c.prompt(ctx, o); err != nil {
		return Collected{}, err
	}
	var digits []byte
	done := func(r CollectReason) (Collected, error) {
		return Collected{Digits: string(digits), Reason: r, Short: len(digits) < o.Min}, nil
	}
	timer := time.NewTimer(o.First)
	defer timer.Stop()
	for {
		for d, ok := c.nextDigit(); ok; d, ok = c.nextDigit() {
			if strings.IndexByte(o.Terminator, d) >= 0 {
				return done(CollectTerminator)
			}
			if digits = append(digits, d); len(digits) == o.Max || len(digits) == maxTypedAhead {
				return done(CollectComplete)
			}
			timer.Reset(o.InterDigit)
		}
		timedOut, err := c.wait(ctx, nil, timer.C)
		switch {
		case err != nil:
			return Collected{}, err
		case timedOut && len(digits) == 0:
			return done(CollectTimeout)
		case timedOut:
			return done(CollectInterDigit)
		}
	}
}

// prompt plays the prompts of a collection.
func (c *Call) prompt(ctx context.Context, o Collect) error {
	if o.NoBargeIn {
		return c.Play(ctx, o.Prompts...)
	}
	return c.Say(ctx, o.Prompts...)
}

// Say plays prompts until they end or a digit is pressed, which stays for the next [Call.Collect]. When digits were typed ahead,
// nothing is played.
func (c *Call) Say(ctx context.Context, prompts ...*media.Prompt) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	if c.listen(); len(prompts) == 0 || len(c.digits) > 0 {
		return nil
	}
	c.quiet.Stop()
	defer c.quiet.Start()
	p := c.sound.play(prompts, media.PlayOptions{StopOnDigit: true})
	defer p.Stop()
	for {
		if _, err := c.wait(ctx, p.Done(), nil); err != nil {
			return err
		}
		if c.listen(); len(c.digits) > 0 {
			return nil
		}
		select {
		case <-p.Done():
			return nil
		default:
		}
	}
}

// Forget drops what was typed ahead.
func (c *Call) Forget() {
	c.listen()
	c.digits = nil
}

// Taping tells the call of a recording that must not hear secrets. The returned function takes it back.
func (c *Call) Taping(p Pauser) (remove func()) {
	c.tapes = append(c.tapes, p)
	if c.past.same && c.past.left.paused() {
		p.Pause() // until it is known who talks
	}
	return func() { c.tapes = slices.DeleteFunc(c.tapes, func(o Pauser) bool { return o == p }) }
}

// hush pauses the recordings until the returned function is called.
func (c *Call) hush() (resume func()) {
	tapes := slices.Clone(c.tapes)
	for _, t := range tapes {
		t.Pause()
	}
	return func() {
		for _, t := range tapes {
			t.Resume()
		}
	}
}

// Music lets the caller hear m whenever nothing else is played, until stop.
func (c *Call) Music(m *media.Music) (stop func()) {
	c.quiet.Play(m)
	return func() {
		c.quiet.Play(nil)
		c.quiet.Start()
	}
}

// AwaitOptions say what ends a wait.
type AwaitOptions struct {
	Keys    string          // digits that end it; others are forgotten
	Signal  <-chan struct{} // ends it when it is closed or signalled
	Timeout time.Duration   // 0: none
}

// AwaitReason says what ended a wait.
type AwaitReason string

// The reasons.
const (
	AwaitDigit   AwaitReason = "digit"
	AwaitSignal  AwaitReason = "signal"
	AwaitTimeout AwaitReason = "timeout"
)

// Awaited is what ended a wait.
type Awaited struct {
	Reason AwaitReason
	Digit  byte
}

// Await waits for a key, a signal or a time.
func (c *Call) Await(ctx context.Context, o AwaitOptions) (Awaited, error) {
	if err := c.alive(ctx); err != nil {
		return Awaited{}, err
	}
	var timeout <-chan time.Time
	if o.Timeout > 0 {
		t := time.NewTimer(o.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	for {
		for d, ok := c.nextDigit(); ok; d, ok = c.nextDigit() {
			if strings.IndexByte(o.Keys, d) >= 0 {
				return Awaited{Reason: AwaitDigit, Digit: d}, nil
			}
		}
		select {
		case <-o.Signal:
			return Awaited{Reason: AwaitSignal}, c.alive(ctx)
		case <-timeout:
			return Awaited{Reason: AwaitTimeout}, c.alive(ctx)
		case <-c.mailbox.Ready():
		case <-c.ctx.Done():
			return Awaited{}, c.alive(ctx)
		case <-ctx.Done():
			return Awaited{}, c.alive(ctx)
		}
	}
}

// Step notes that a node of the flow was passed, and which follows. Secret digits are kept as dots.
func (c *Call) Step(s CallStep, secret bool, next string) {
	if secret = secret && s.Digits != ""; secret {
		s.Digits = "••••" // their number is a secret too
	}
	if !c.Info.Outlives {
		c.file(FactCallStep, s)
		return
	}
	p := CallStepped{CallStep: s, Next: next, Secret: secret}
	if !maps.Equal(c.past.vars, c.Vars) {
		c.past.vars = maps.Clone(c.Vars)
		p.Vars = c.past.vars
	}
	c.file(FactCallStep, p)
}

// Noted files what became known of the call.
func (c *Call) Noted(n CallNoted) { c.file(FactCallNoted, n) }

// File files a fact about this call.
func (c *Call) File(kind FactKind, payload any) { c.file(kind, payload) }

// SetResult says how the call went; the last word counts.
func (c *Call) SetResult(r Result) { c.verdict.result = r }

// Hangup ends the call, with the cause that the peer is told. The verbs after it return [ErrEnded].
func (c *Call) Hangup(ctx context.Context, cause Cause) error {
	if c.ctx.Err() != nil {
		return nil
	}
	c.verdict.cause = &cause
	if c.verdict.result == "" {
		c.verdict.result = ResultCompleted
		if !c.answered() {
			c.verdict.result = ResultRejected
		}
	}
	c.quiet.End()
	c.cancel(ErrEnded) // before the leg reports its end: we did it, not the peer
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangupTimeout)
	defer cancel()
	if err := c.leg.Hangup(ctx, cause); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	return nil
}

// Transfer sends the caller to target (a SIP URI) and hangs up: the peer makes that call itself. It returns an error of kind
// Unavailable when the peer cannot or will not, and the call goes on.
func (c *Call) Transfer(ctx context.Context, target string) error {
	if err := c.alive(ctx); err != nil {
		return err
	}
	t, ok := c.leg.(Transferrer)
	if !ok {
		return hotline.Errorf(hotline.Unavailable, "call.no_transfer", "the caller's line cannot be transferred by its own side")
	}
	before := c.Phase()
	c.enter(PhaseTransfer, "", reasonMoved)
	if err := t.Refer(ctx, target); err != nil {
		if err := c.alive(ctx); err != nil {
			return err
		}
		c.enter(before, "", "refused")
		return hotline.Errorf(hotline.Unavailable, "call.transfer_refused", "the transfer was refused: %w", err)
	}
	c.SetResult(ResultTransferred)
	return c.Hangup(ctx, CauseNormal)
}
