package ivr

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/ivr/flow"
	"hotline/media"
	"hotline/tickets"
)

const (
	defaultMaxWait = 15 * time.Minute
	keyAfterPrompt = 300 * time.Millisecond // a key may come right behind an announcement
	offersWithin   = time.Second            // in which a free agent is found
)

// wait is a caller in a queue.
type wait struct {
	*run
	spec     *flow.Queue
	settings acd.Settings
	place    *acd.Place
	callKey  byte // asks for a call-back; 0: none is offered
	deadline time.Time
	entered  time.Time
	say      []*media.Prompt // first; nil is the queue's own words
	deaf     func()          // an agent's answer does not count any more
}

// queue lets the caller wait for an agent.
func (r *run) queue(ctx context.Context, s *flow.Queue) (passed, error) {
	return r.enqueue(ctx, s, entry{})
}

// enqueue lets the caller wait: music, announcements if they have improved, keys, the maximum, or an agent who answers.
func (r *run) enqueue(ctx context.Context, s *flow.Queue, e entry) (passed, error) {
	w := &wait{run: r, spec: s, settings: r.settings(s.Queue.Value), entered: time.Now(), say: e.say}
	var held *call.Standing
	if e.left != nil {
		w.entered, held = e.left.Since, e.left.Stage.Place
	}
	w.callKey = w.callbackKey()
	r.unserved()
	place, err := r.x.cfg.Line.Join(ctx, acd.Waiter{
		CallID: r.call.ID, Caller: r.call.Info.Caller.Number, Queue: s.Queue.Value, Language: r.call.Language(), Front: e.front, Held: held,
	})
	if err != nil {
		if ctx.Err() != nil {
			return passed{}, context.Cause(ctx)
		}
		r.call.Log.Warn("a caller could not join a queue", "queue", s.Queue.Value, "error", err)
		return w.instead(ctx, w.settings.OnFull)
	}
	w.place = place
	if err := r.call.EnterLine(ctx, s.Queue.Value, place.Standing()); err != nil {
		w.leave(err)
		return passed{}, err
	}
	if r.flow.Record == flow.RecordQueue {
		r.startTape(ctx)
	}
	out, why, taken, err := w.staffed(ctx)
	if err != nil {
		w.leave(err)
		return out, err
	}
	w.left(why)
	if taken != nil {
		return r.converse(ctx, s, taken.Seat)
	}
	return out, r.back(ctx, out.next)
}

// back enters the menu phase after a queue, unless the node that follows has a phase of its own.
func (r *run) back(ctx context.Context, next string) error {
	n := r.flow.Node(next)
	if n == nil || n.Kind == flow.KindQueue || n.Kind == flow.KindVoicemail {
		return nil
	}
	return r.call.Enter(ctx, call.PhaseMenu, "")
}

func (r *run) settings(queue string) acd.Settings {
	if r.x.cfg.Queues != nil {
		if q, ok := r.x.cfg.Queues.Lookup(queue); ok {
			return q.Settings
		}
	}
	return acd.DefaultSettings()
}

// callbackKey is the flow's, or the queue's; none when the queue offers no call-backs.
func (w *wait) callbackKey() byte {
	if !w.settings.CallbackOffer {
		return 0
	}
	if w.spec.Callback != 0 {
		return w.spec.Callback
	}
	for key, action := range w.settings.ExitKeys {
		if action == acd.ToCallback && len(key) == 1 && !slices.ContainsFunc(w.spec.Keys, func(k flow.Key) bool { return k.Digit == key[0] }) {
			return key[0]
		}
	}
	return 0
}

// instead is what a queue that cannot keep the caller does: what its settings say, where "voicemail" and "next" are the way that
// the flow calls timeout.
func (w *wait) instead(ctx context.Context, action acd.Action) (passed, error) {
	if err := w.call.Play(ctx, w.phrases("max-wait")...); err != nil {
		return passed{}, err
	}
	switch action {
	case acd.ToHangup:
		return passed{}, w.call.Play(ctx, w.phrases("try-later", "goodbye")...)
	case acd.ToCallback:
		out, why, err := w.callback(ctx)
		if err != nil || why != "" {
			return out, err
		}
	}
	if w.spec.Timeout.Node == "" {
		return passed{}, w.call.Play(ctx, w.phrases("try-later", "goodbye")...)
	}
	return passed{next: w.spec.Timeout.Node}, nil
}

// leave gives the place up because the call ended.
func (w *wait) leave(err error) {
	why := acd.LeftAbandoned
	switch {
	case errors.Is(err, call.ErrGiven):
		why = acd.LeftTransfer
	case !errors.Is(err, call.ErrHangup):
		why = acd.LeftCut // by a fault: the place is kept for a while
	}
	w.left(why)
}

func (w *wait) left(why acd.Reason) { w.call.Leaving(string(w.place.Leave(why))) }

// stay returns where the caller goes from the queue, and why the place is left.
func (w *wait) stay(ctx context.Context) (passed, acd.Reason, error) {
	stop := w.call.Music(w.music(w.spec.Music, w.settings.Music))
	defer stop()
	limit := cmp.Or(w.spec.MaxWait, time.Duration(w.settings.MaxWaitS)*time.Second, defaultMaxWait)
	w.deadline = w.entered.Add(limit)
	sounds := w.say
	if sounds == nil {
		if out, why, err := w.offered(ctx); err != nil || why != "" {
			return out, why, err
		}
		sounds = w.or(w.spec.Say, "queue-enter")
	}
	if w.place.Resumed() {
		sounds = slices.Concat(sounds, w.phrases("place-kept"))
	}
	sounds = slices.Concat(sounds, w.announcement(), w.offer())
	for {
		key, err := w.listen(ctx, sounds)
		switch {
		case err != nil:
			return passed{}, "", err
		case key != 0:
			out, why, err := w.pressed(ctx, key)
			if err != nil || why != "" {
				return out, why, err
			}
		case !time.Now().Before(w.deadline):
			out, err := w.instead(ctx, w.settings.OnMaxWait)
			return out, acd.LeftTimeout, err
		}
		sounds = w.announcement()
		if len(sounds) == 0 {
			sounds = w.phrases("still-waiting") // nothing has improved: say that they are not forgotten, and what they can do
		}
		sounds = slices.Concat(sounds, w.offer())
	}
}

// offered lets the caller hear music as long as an agent is rung, a moment at least: nobody is told that all are busy who is about to be
// answered. It ends when the caller has to wait, or has heard nothing for as long as between two announcements.
func (w *wait) offered(ctx context.Context) (passed, acd.Reason, error) {
	for quiet := time.Now().Add(w.every()); time.Now().Before(quiet) && time.Now().Before(w.deadline); {
		got, err := w.call.Await(ctx, call.AwaitOptions{Keys: "0123456789*#", Timeout: offersWithin})
		if err != nil {
			return passed{}, "", err
		}
		if got.Digit != 0 {
			if out, why, err := w.pressed(ctx, got.Digit); err != nil || why != "" {
				return out, why, err
			}
		}
		if !w.place.Offered() {
			break
		}
	}
	return passed{}, "", nil
}

// every is the time between two announcements.
func (w *wait) every() time.Duration {
	return cmp.Or(w.spec.Announce, time.Duration(w.settings.AnnounceEveryS)*time.Second, 30*time.Second)
}

// listen plays sounds over the music and waits for a key until the next announcement is due.
func (w *wait) listen(ctx context.Context, sounds []*media.Prompt) (byte, error) {
	due := time.Now().Add(w.every())
	if due.After(w.deadline) {
		due = w.deadline
	}
	if len(sounds) > 0 {
		got, err := w.call.Collect(ctx, call.Collect{Prompts: sounds, Max: 1, First: keyAfterPrompt})
		if err != nil || got.Digits != "" {
			return firstByte(got.Digits), err
		}
	}
	got, err := w.call.Await(ctx, call.AwaitOptions{Keys: "0123456789*#", Timeout: max(time.Until(due), time.Millisecond)})
	return got.Digit, err
}

func firstByte(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// announcement tells position and expected wait if they have improved since they were told.
func (w *wait) announcement() []*media.Prompt {
	a, ok := w.place.Announce()
	if !ok {
		return nil
	}
	v := w.voice()
	var out []*media.Prompt
	if a.Position > 0 {
		out = v.around("position-before", v.number(int64(a.Position)), "position-after")
	}
	switch minutes := int64((a.Wait + time.Minute - 1) / time.Minute); {
	case minutes == 1:
		out = append(out, v.prompt("wait-one")...)
	case minutes > 1:
		out = append(out, v.around("wait-before", v.count(minutes), "wait-after")...)
	}
	if w.settings.Announcement != "" {
		out = append(out, v.prompt(w.settings.Announcement)...)
	}
	return out
}

func (w *wait) offer() []*media.Prompt {
	if w.callKey == 0 || time.Since(w.entered) < time.Duration(w.settings.CallbackAfterS)*time.Second {
		return nil
	}
	return w.voice().around("callback-offer", w.voice().digits(string(w.callKey)), "")
}

// pressed acts on a key. Reason "" means that the caller goes on waiting.
func (w *wait) pressed(ctx context.Context, key byte) (passed, acd.Reason, error) {
	if key == w.callKey {
		return w.callback(ctx)
	}
	for _, k := range w.spec.Keys {
		if k.Digit == key {
			return passed{next: k.To.Node, digits: string(key)}, w.reasonFor(k.To.Node, acd.LeftOverflow), nil
		}
	}
	if action, ok := w.settings.ExitKeys[string(key)]; ok && action != acd.ToCallback {
		out := passed{next: w.spec.Timeout.Node, digits: string(key)}
		if action == acd.ToHangup {
			w.served(call.ResultCompleted)
			return passed{digits: string(key)}, acd.LeftOverflow, w.call.Play(ctx, w.phrases("goodbye")...)
		}
		return out, w.reasonFor(out.next, acd.LeftOverflow), nil
	}
	return passed{}, "", nil
}

// reasonFor names why the queue was left by where the caller goes.
func (w *wait) reasonFor(node string, otherwise acd.Reason) acd.Reason {
	if n := w.flow.Node(node); n != nil {
		switch n.Kind {
		case flow.KindVoicemail:
			return acd.LeftVoicemail
		case flow.KindTransfer:
			return acd.LeftTransfer
		}
	}
	return otherwise
}

// callback notes that the caller wants to be called back, under a number that was confirmed, and keeps the place.
func (w *wait) callback(ctx context.Context) (passed, acd.Reason, error) {
	phone, err := w.confirmPhone(ctx)
	if err != nil || phone == "" {
		return passed{}, "", err
	}
	position, joined := 0, w.entered
	if w.place != nil {
		if w.deaf(); ctx.Err() != nil {
			return passed{}, "", context.Cause(ctx) // an agent was faster
		}
		position, joined = w.place.Position(), w.place.JoinedAt()
		w.place.KeepForCallback()
		w.call.Leaving(string(acd.LeftCallback))
	}
	w.served(call.ResultCallback)
	w.call.File(call.FactCallbackAsked, call.CallbackAsked{
		Phone: phone, Queue: w.spec.Queue.Value, Position: position, WaitedMS: time.Since(joined).Milliseconds(), JoinedAt: joined,
	})
	out := passed{next: w.spec.Next.Node, digits: string(w.callKey)}
	sounds := w.phrases("callback-noted")
	if out.next == "" {
		sounds = w.phrases("callback-noted", "goodbye")
	}
	if err := w.call.Play(ctx, sounds...); err != nil && !errors.Is(err, call.ErrHangup) {
		return out, acd.LeftCallback, err
	}
	return out, acd.LeftCallback, nil
}

// confirmPhone returns the number to call back, "" if the caller would rather wait.
func (w *wait) confirmPhone(ctx context.Context) (string, error) {
	phone, intro := w.call.Info.Caller.Number, "callback-yours"
	for range 4 {
		if phone == "" {
			typed, err := w.typedPhone(ctx)
			if err != nil || typed == "" {
				return "", err
			}
			phone, intro = typed, "callback-typed"
		}
		v := w.voice()
		got, err := w.call.Collect(ctx, call.Collect{
			Prompts: slices.Concat(v.prompt(intro), v.phone(phone), []*media.Prompt{pause}, v.prompt("callback-confirm")), Max: 1, First: 6 * time.Second,
		})
		switch {
		case err != nil:
			return "", err
		case got.Digits == "1":
			return phone, nil
		case got.Digits == "2":
			phone = ""
		case got.Digits == "*":
			return "", nil
		}
	}
	return "", nil
}

// typedPhone asks for a number. It returns "" when none came that can be called.
func (w *wait) typedPhone(ctx context.Context) (string, error) {
	sorry := []*media.Prompt{}
	for range 3 {
		got, err := w.call.Collect(ctx, call.Collect{
			Prompts: slices.Concat(sorry, w.phrases("callback-number")), Min: 3, Max: 18, Terminator: "#", First: 8 * time.Second, InterDigit: 4 * time.Second,
		})
		if err != nil {
			return "", err
		}
		n := tickets.NormalisePhone(got.Digits, w.x.cfg.Country)
		if !got.Short && (n.Kind == tickets.E164 || n.Kind == tickets.Extension || n.Kind == tickets.Local) {
			return n.Value, nil
		}
		sorry = w.phrases("callback-bad")
	}
	return "", nil
}
