package softphone

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/tickets/contacts"
)

// PopSource says what is known of a caller: tickets.Desk.
type PopSource interface {
	Pop(ctx context.Context, q contacts.Query) (contacts.Pop, error)
}

// popWithin is how long ringing waits for the database, from the moment on at which it was asked. What comes later is shown later: a slow database must not keep a caller
// waiting.
const popWithin = 12 * time.Millisecond

// A ticket is made by the journal, beside the call: a call that goes straight to an agent may be offered before it is. So what is
// missing is asked for again, after so long each time; so are the caller's last digits, which whom nobody kept waiting longer than filed
// pressed a moment ago.
var learnAfter = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond, 5 * time.Second}

const filed = time.Second

// callersPop is what the signalling says of a caller, which needs no database.
func (g *Gateway) callersPop(callID string) Pop {
	p := Pop{CallID: callID, Direction: string(call.Inbound), Path: []PopStep{}, Matches: []PopMatch{}, OpenTickets: []PopTicket{}, Contacts: []PopContact{}}
	c, ok := g.cfg.Calls.Call(callID)
	if !ok {
		return p
	}
	i := &c.Info // of a call out it names whom we call; its leg names us
	p.Direction, p.Language, p.Queue = string(i.Direction), i.Language, i.Queue
	p.Caller = PopCaller{Number: i.Caller.Number, Name: i.Caller.Display, Verified: i.Caller.Verified, Withheld: i.Caller.Withheld}
	return p
}

// fill puts what is known of the caller into p.
func (g *Gateway) fill(ctx context.Context, p Pop, who Identity) (Pop, error) {
	if g.cfg.Pops == nil {
		return g.addressed(p), nil
	}
	known, err := g.cfg.Pops.Pop(ctx, contacts.Query{Phone: p.Caller.Number, CallID: p.CallID, Agent: who.Account, See: who.See})
	if err != nil {
		return g.addressed(p), err
	}
	if c := known.Call; c != nil {
		if p.Caller.Number == "" && !p.Caller.Withheld { // a call that is over here, as that of a call-back
			p.Direction, p.Caller = c.Direction, PopCaller{Number: c.Number, Name: c.Name, Verified: c.Verified, Withheld: c.Withheld}
		}
		if c.Language != "" {
			p.Language = c.Language
		}
		if c.Queue != "" {
			p.Queue = c.Queue
		}
		p.Party = c.Party
		p.Path = make([]PopStep, 0, len(c.Path))
		for _, s := range c.Path {
			p.Path = append(p.Path, PopStep(s))
		}
	}
	if known.Ticket != nil {
		t := PopTicket(*known.Ticket)
		p.Ticket = &t
	}
	p.Matches = make([]PopMatch, 0, len(known.Matches))
	for _, m := range known.Matches {
		p.Matches = append(p.Matches, PopMatch{Level: m.Level,
			Party: PopParty{ID: m.ID, Name: m.Name, Company: m.Company, VIP: m.VIP, Notes: m.Notes, Language: m.Language}})
	}
	p.OpenTickets = make([]PopTicket, 0, len(known.Open))
	for _, t := range known.Open {
		p.OpenTickets = append(p.OpenTickets, PopTicket(t))
	}
	p.Contacts = make([]PopContact, 0, len(known.Contacts))
	for _, c := range known.Contacts {
		summary := c.Summary
		if summary == "" {
			summary = c.Subject
		}
		p.Contacts = append(p.Contacts, PopContact{Kind: c.Kind, At: c.At, Ticket: c.Ticket, Summary: summary, Result: c.Result})
	}
	return g.addressed(p), nil
}

// question is what the database is asked of a caller who is offered to an agent.
type question struct {
	g     *Gateway
	call  string
	at    time.Time // of the offer
	asked time.Time
	pop   Pop      // without the database
	known chan Pop // nil: it cannot be asked
}

// ask begins to look up who calls.
func (g *Gateway) ask(o acd.Offer, who Identity) *question {
	p := g.callersPop(o.CallID)
	if p.Caller.Number == "" && o.Phone != "" {
		p.Caller.Number = o.Phone // of a call-back
	}
	if o.Queue != "" {
		p.Queue = o.Queue
	}
	p.WaitedMS = o.Waited.Milliseconds()
	q := &question{g: g, call: o.CallID, at: o.At, asked: time.Now(), pop: p, known: make(chan Pop, 1)}
	started := g.tasks.start(func() {
		defer close(q.known)
		ctx, cancel := context.WithTimeout(g.ctx, 5*time.Second)
		defer cancel()
		full, err := g.fill(ctx, p, who)
		if err != nil {
			g.log.Warn("what is known of the caller cannot be shown yet", "call", p.CallID, "error", err)
		}
		q.known <- full
	})
	if !started {
		q.known = nil
	}
	return q
}

// offered says whether this is what was asked for an offer.
func (q *question) offered(o acd.Offer) bool { return q.call == o.CallID && q.at.Equal(o.At) }

// quickly returns what is known if that can be had at once. Else the rest comes through late. It is called once.
func (q *question) quickly() (full Pop, late <-chan Pop) {
	if q.known == nil {
		return q.g.addressed(q.pop), nil
	}
	timer := time.NewTimer(time.Until(q.asked.Add(popWithin)))
	defer timer.Stop()
	select {
	case full := <-q.known:
		return full, nil
	case <-timer.C:
		select {
		case full := <-q.known:
			return full, nil
		default:
		}
		return q.g.addressed(q.pop), q.known
	}
}

// learnLate shows what comes late. The mutex is held; it does not wait.
func (st *station) learnLate(callID string, late <-chan Pop) {
	st.g.tasks.start(func() {
		pop := <-late
		st.mu.Lock()
		defer st.mu.Unlock()
		st.refresh(callID, pop)
		if pop.Ticket == nil || pop.WaitedMS < filed.Milliseconds() {
			st.learn(callID)
		}
	})
}

// addressed fills in the address of a foreign system.
func (g *Gateway) addressed(p Pop) Pop {
	if template := g.popURL(p.Queue); template != "" {
		filled := popAddress(template, p)
		p.URL = &filled
	}
	return p
}

// popAddress fills a template; {number} and {ticket} are both the ticket's, empty as long as there is none. What a caller may choose cannot leave the place it is put in.
func popAddress(template string, p Pop) string {
	ticket := ""
	if p.Ticket != nil {
		ticket = strconv.FormatInt(p.Ticket.Number, 10)
	}
	return strings.NewReplacer("{e164}", url.QueryEscape(p.Caller.Number), "{number}", ticket, "{ticket}", ticket,
		"{call}", url.QueryEscape(p.CallID), "{queue}", url.QueryEscape(p.Queue)).Replace(template)
}

// learn asks what is known of the caller until the ticket is there, and shows it. The mutex is held; it does not wait.
func (st *station) learn(callID string) {
	if st.g.cfg.Pops == nil || (st.pop.CallID == callID && st.pop.Ticket != nil) {
		return
	}
	who := st.who
	who.See = st.see()
	st.g.tasks.start(func() {
		var passed time.Duration
		for _, d := range learnAfter {
			passed += d
			select {
			case <-st.g.ctx.Done():
				return
			case <-time.After(d):
			}
			if st.learnt(callID, who, passed >= filed) {
				return
			}
		}
	})
}

// learnt shows what is known by now, and says whether that is all there is to know, or nobody is shown it any more. Before it is settled
// the caller's last step may be missing.
func (st *station) learnt(callID string, who Identity, settled bool) bool {
	st.mu.Lock()
	pop, shown := st.shown(callID)
	st.mu.Unlock()
	if !shown {
		return true
	}
	ctx, cancel := context.WithTimeout(st.g.ctx, 5*time.Second)
	defer cancel()
	full, err := st.g.fill(ctx, pop, who)
	if err != nil || full.Ticket == nil {
		return false
	}
	longer := len(full.Path) > len(pop.Path)
	st.mu.Lock()
	defer st.mu.Unlock()
	if longer || pop.Ticket == nil {
		st.refresh(callID, full)
	}
	return longer || settled
}

// whose shows whom the call's ticket belongs to by now: who was chosen of several is not asked for again after a reload. The mutex is
// held; it does not wait.
func (st *station) whose(callID string) {
	pop, shown := st.shown(callID)
	if st.g.cfg.Pops == nil || !shown {
		return
	}
	who := st.who
	who.See = st.see()
	st.g.tasks.start(func() {
		ctx, cancel := context.WithTimeout(st.g.ctx, 5*time.Second)
		defer cancel()
		full, err := st.g.fill(ctx, pop, who)
		if err != nil || full.Party == pop.Party {
			return
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		st.refresh(callID, full)
	})
}

// shown returns the pop of a call that the agent is shown in some way. The mutex is held.
func (st *station) shown(callID string) (Pop, bool) {
	for _, o := range st.offers {
		if o.CallID == callID {
			return o.Pop, true
		}
	}
	if st.pop.CallID == callID && ((st.call != nil && st.call.ID == callID) || (st.wrap != nil && st.wrap.CallID == callID)) {
		return st.pop, true
	}
	return Pop{}, false
}
