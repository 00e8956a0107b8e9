package softphone

import (
	"cmp"
	"strings"

	"hotline"
	"hotline/call"
	"hotline/tickets"
)

// Commands on a call are always on one's own: none of them takes a call's id, so there is nobody else's to guess.

type onData struct {
	On bool `json:"on"`
}

type digitsData struct {
	Digits string `json:"digits"`
}

type toData struct {
	To destination `json:"to"`
}

type destination struct {
	Kind  string `json:"kind"` // queue, agent, number
	Value string `json:"value"`
}

type noteData struct {
	Body string `json:"body"`
}

// talk runs f on the agent's own call, in the call's goroutine.
func (r request) talk(f func(t *call.Talk, agent string) error) (any, error) {
	r.st.mu.Lock()
	c, err := r.st.onCall()
	r.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return nil, r.g.do(r.ctx, c.ID, func(t *call.Talk) error { return f(t, r.st.account) })
}

func callHold(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Hold(agent) })
}

func callResume(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Resume(agent) })
}

func callSwap(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Swap(agent) })
}

func callComplete(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Complete(agent) })
}

func callConference(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Conference(agent) })
}

func callHangup(r request, _ none) (any, error) {
	return r.talk(func(t *call.Talk, agent string) error { return t.Hangup(agent) })
}

func callRecord(r request, d onData) (any, error) {
	return r.talk(func(t *call.Talk, _ string) error { return t.Record(d.On) })
}

// callMute takes the agent's voice out of the room too: a browser that forgets its own switch in a reload is still mute.
func callMute(r request, d onData) (any, error) {
	_, err := r.talk(func(t *call.Talk, agent string) error { return t.Mute(agent, d.On) })
	if err != nil {
		return nil, err
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	r.st.muted = d.On
	if c := r.st.call; c != nil && c.Muted != d.On {
		changed := *c
		changed.Muted = d.On
		r.st.call = &changed
		r.st.emit(eventCall, r.st.call)
	}
	return nil, nil
}

func callDigits(r request, d digitsData) (any, error) {
	if d.Digits == "" || len(d.Digits) > 32 || strings.Trim(d.Digits, "0123456789*#ABCD") != "" {
		return nil, field("digits", "call.digits", "digits are up to 32 of 0-9, *, # and A-D")
	}
	return r.talk(func(t *call.Talk, agent string) error { return t.Digits(agent, d.Digits) })
}

// callTransfer sends the caller somewhere else.
func callTransfer(r request, d toData) (any, error) {
	to, err := r.destination(d.To)
	if err != nil {
		return nil, err
	}
	return r.talk(func(t *call.Talk, agent string) error { return t.Transfer(agent, to) })
}

// callPark sends the caller back to the head of the queue that the call came from.
func callPark(r request, _ none) (any, error) {
	r.st.mu.Lock()
	c, err := r.st.onCall()
	r.st.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if c.Queue == "" {
		return nil, hotline.Errorf(hotline.Conflict, "call.no_queue", "this call came through no queue: transfer it to one instead")
	}
	to := call.Destination{Kind: call.ToQueue, Value: c.Queue, Front: true, From: r.st.account}
	return r.talk(func(t *call.Talk, agent string) error { return t.Transfer(agent, to) })
}

// destination checks where a call is to be sent. A number is reached only by who may dial out, and where the routes allow it.
func (r request) destination(d destination) (call.Destination, error) {
	to := call.Destination{Kind: call.DestinationKind(d.Kind), Value: d.Value, From: r.st.account}
	switch to.Kind {
	case call.ToQueue:
		if _, ok := r.g.cfg.Queues.Lookup(d.Value); !ok {
			return to, field("to.value", "queue.unknown", "there is no queue %q", cut(d.Value))
		}
	case call.ToAgent:
		if d.Value == r.st.account {
			return to, field("to.value", "call.yourself", "you cannot send a call to yourself")
		}
		if err := r.g.mustBeAgent(d.Value); err != nil {
			return to, err
		}
		to.Name = r.g.nameOf(d.Value)
	case call.ToNumber:
		number, err := r.outside("to.value", d.Value)
		to.Value = number
		return to, err
	default:
		return to, field("to.kind", "call.kind", "a call is sent to a queue, an agent or a number")
	}
	return to, nil
}

// outside says whether a number may be called by whoever asks, and returns it without what people put between digits.
func (r request) outside(path, number string) (string, error) {
	plain := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" -()./", c) {
			return -1
		}
		return c
	}, strings.TrimSpace(number))
	digits := strings.TrimPrefix(plain, "+")
	if digits == "" || len(digits) > 32 || strings.Trim(digits, "0123456789") != "" {
		return "", field(path, "call.number", "a number is digits, with + in front if it has a country code")
	}
	if !r.who().may(MayDialOut) || r.g.cfg.Numbers == nil || !r.g.cfg.Numbers.MayDial(r.who().Role) {
		return "", hotline.Errorf(hotline.Denied, "call.dial_out", "your role may not call numbers outside")
	}
	return plain, r.g.cfg.Numbers.Check(plain)
}

// callNote adds a note to the ticket of the call, while talking and while wrapping up.
func callNote(r request, d noteData) (any, error) {
	body, err := text("body", d.Body, 16<<10)
	if err != nil {
		return nil, err
	}
	r.st.mu.Lock()
	var ticket *int64
	switch {
	case r.st.call != nil:
		ticket = r.st.call.Ticket
	case r.st.wrap != nil:
		ticket = r.st.wrap.Ticket
	}
	r.st.mu.Unlock()
	if ticket == nil {
		return nil, hotline.Errorf(hotline.Conflict, "call.no_ticket", "the call has no ticket yet: try again in a moment")
	}
	e, err := r.g.cfg.Desk.AddNote(r.ctx, r.who().actor(), *ticket, tickets.NewNote{Body: body})
	if err != nil {
		return nil, err
	}
	return struct {
		Ticket int64 `json:"ticket"`
		Seq    int64 `json:"seq"`
	}{*ticket, e.Seq}, nil
}

func cut(s string) string { return s[:min(len(s), 64)] }

// queueTitle is what a queue is called.
func (g *Gateway) queueTitle(name string) map[string]string {
	q, _ := g.cfg.Queues.Lookup(name)
	if q.Title == nil {
		return map[string]string{}
	}
	return q.Title
}

// popURL is the template of a foreign system's address for the calls of a queue.
func (g *Gateway) popURL(queue string) string {
	q, _ := g.cfg.Queues.Lookup(queue)
	return cmp.Or(q.Settings.PopURL, g.cfg.PopURL)
}
