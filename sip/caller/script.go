package caller

import (
	"context"
	"strconv"
	"strings"
	"time"

	"hotline"
	"hotline/media"
)

// Step is one thing to do in a call.
type Step struct {
	Digits string        // press these
	Wait   time.Duration // wait
	Say    bool          // speak, and wait until everything was said
	Beep   bool          // wait for a tone and its end
	Quiet  bool          // wait until the other side has been silent for a second
	Turn   bool          // wait as a person does who wants to speak: for a tone, or until nobody has spoken for two seconds
}

// ParseScript reads "1,w2,5#,quiet,say,beep": digits to press, wN to wait N seconds, say to speak, beep to wait for a tone, quiet to
// wait until the other side has finished, turn for either.
func ParseScript(s string) ([]Step, error) {
	var out []Step
	for i, word := range strings.Split(s, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		step, ok := parseStep(word)
		if !ok {
			return nil, hotline.Errorf(hotline.Invalid, "caller.bad_script",
				"step %d, %q, is neither digits (0-9 * # A-D), a wait such as w2 or w0.5, nor one of say, beep, quiet, turn", i+1, word)
		}
		out = append(out, step)
	}
	return out, nil
}

func parseStep(word string) (Step, bool) {
	switch word {
	case "say":
		return Step{Say: true}, true
	case "beep":
		return Step{Beep: true}, true
	case "quiet":
		return Step{Quiet: true}, true
	case "turn":
		return Step{Turn: true}, true
	}
	if rest, ok := strings.CutPrefix(word, "w"); ok {
		n, err := strconv.ParseFloat(rest, 64)
		return Step{Wait: time.Duration(n * float64(time.Second))}, err == nil && n >= 0 && n <= 3600
	}
	return Step{Digits: strings.ToUpper(word)}, strings.Trim(strings.ToUpper(word), "0123456789*#ABCD") == ""
}

// Player does the steps of a script in a call.
type Player struct {
	Call   *Call
	Ear    *Ear
	Speech *media.Prompt     // what Say says; nil: nothing
	Did    func(what string) // tells what was done; nil: nobody wants to know
}

// Run does the steps in order. It ends early when the call ends.
func (p *Player) Run(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if err := p.step(ctx, s); err != nil {
			return err
		}
		select {
		case <-p.Call.Ended():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
	}
	return nil
}

func (p *Player) step(ctx context.Context, s Step) error {
	switch {
	case s.Digits != "":
		err := p.Call.Press(ctx, s.Digits)
		if err == nil {
			p.did("sent " + s.Digits)
		}
		select {
		case <-p.Call.Ended():
			return nil // hung up while a key was down: that is how many menus end
		default:
			return err
		}
	case s.Say:
		return p.say(ctx)
	case s.Beep:
		return p.until(ctx, func() bool { return p.Ear.Now().Sound == Tone }, func() bool { return p.Ear.Now().Sound != Tone })
	case s.Turn:
		return p.turn(ctx)
	case s.Quiet:
		return p.until(ctx, func() bool { return p.Ear.Quiet() >= 5 })
	}
	return p.until(ctx, after(s.Wait))
}

// longestTurn is how long one listens to a greeting before one speaks anyway.
const longestTurn = 45 * time.Second

// turn waits until it is ours to speak. A pause counts only after something was heard, or when nothing comes at all.
func (p *Player) turn(ctx context.Context) error {
	late, nothing := after(longestTurn), after(5*time.Second)
	beeping := false
	return p.until(ctx, func() bool {
		now := p.Ear.Now().Sound
		beeped := beeping && now != Tone
		beeping = now == Tone
		spoken := p.Ear.Heard(Speech) || p.Ear.Heard(Tone) || nothing()
		return beeped || late() || spoken && p.Ear.Quiet() >= 10
	})
}

func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return !time.Now().Before(end) }
}

func (p *Player) say(ctx context.Context) error {
	if p.Speech == nil {
		return nil
	}
	play := p.Call.Stream().Play(p.Speech, media.PlayOptions{})
	select {
	case <-play.Done():
		p.did("said " + p.Speech.Duration().Round(100*time.Millisecond).String() + " of audio")
	case <-p.Call.Ended():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// until waits for each condition in turn, looking fifty times a second as the audio comes.
func (p *Player) until(ctx context.Context, conditions ...func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, met := range conditions {
		for !met() {
			select {
			case <-tick.C:
			case <-p.Call.Ended():
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (p *Player) did(what string) {
	if p.Did != nil {
		p.Did(what)
	}
}
