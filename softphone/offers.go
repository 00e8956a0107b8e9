package softphone

import (
	"context"
	"slices"

	"hotline"
	"hotline/acd"
	"hotline/call"
)

// Expect looks up who calls before the offer comes. It implements acd.Popper.
func (g *Gateway) Expect(o acd.Offer) {
	if st := g.station(o.Agent); st != nil {
		st.expect(o)
	}
}

// expect asks what is known of the caller whom an offer brings, once for each offer. Nil: the agent cannot talk.
func (st *station) expect(o acd.Offer) *question {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.live() {
		return nil
	}
	if q := st.expected; q != nil && q.offered(o) {
		return q
	}
	who := st.who
	who.See = st.see()
	st.expected = st.g.ask(o, who)
	return st.expected
}

// Offer pops and rings: the agent sees who calls before the call can be answered. It implements acd.Popper.
func (g *Gateway) Offer(_ context.Context, o acd.Offer) error {
	st := g.station(o.Agent)
	if st == nil {
		return errAway
	}
	asked := st.expect(o)
	st.mu.Lock()
	st.expected = nil
	st.mu.Unlock()
	if asked == nil {
		return errAway
	}
	pop, late := asked.quickly()
	v := g.offerView(o, pop)
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.live() {
		return errAway
	}
	st.offers = append(slices.DeleteFunc(st.offers, func(x *OfferView) bool { return x.ID == o.ID }), v)
	st.emit(eventOffer, v)
	switch {
	case late != nil:
		st.learnLate(o.CallID, late)
	case pop.Ticket == nil || o.Waited < filed:
		st.learn(o.CallID)
	}
	g.hooks.Post(o.CallID, ringing{Event: "offer", Agent: Person{ID: st.account, Name: st.who.Name}, Offer: v})
	return nil
}

var errAway = hotline.Errorf(hotline.Unavailable, "softphone.away", "the agent has no browser with live audio here")

func (g *Gateway) offerView(o acd.Offer, pop Pop) *OfferView {
	v := &OfferView{ID: o.ID, Kind: string(o.Kind), CallID: o.CallID, At: o.At.UTC(), RingUntil: o.At.Add(o.RingFor).UTC(), Pop: pop}
	if o.Queue != "" {
		v.Queue = &Named{Name: o.Queue, Title: g.queueTitle(o.Queue)}
	}
	if o.From != "" {
		v.From = &Person{ID: o.From, Name: g.nameOf(o.From)}
	}
	return v
}

// Withdraw takes an offer from the screen. It implements acd.Popper.
func (g *Gateway) Withdraw(offerID, agent string, why acd.Gone) {
	if st := g.station(agent); st != nil {
		st.mu.Lock()
		defer st.mu.Unlock()
		st.dropOffer(offerID, string(why))
	}
}

// dropOffer takes an offer from the screen, once. The mutex is held.
func (st *station) dropOffer(id, why string) {
	o := st.offer(id)
	if o == nil {
		return
	}
	st.offers = slices.DeleteFunc(st.offers, func(x *OfferView) bool { return x == o })
	st.emit(eventOfferGone, Gone{ID: id, Why: why})
}

type offerData struct {
	Offer  string `json:"offer"`
	Reason string `json:"reason,omitempty"`
}

// answerOffer takes a call: one row in the database decides who has it, and the audio is there already.
func answerOffer(r request, d offerData) (any, error) {
	st := r.st
	st.mu.Lock()
	stream, err := st.voice()
	o, name := st.offer(d.Offer), st.who.Name
	switch {
	case o == nil:
		err = errOfferGone
	case err == nil && st.call != nil:
		err = errBusy
	}
	if err != nil {
		st.mu.Unlock()
		return nil, err
	}
	st.stopSupervising("call")
	st.answered, st.pop = stream, o.Pop
	st.mu.Unlock()
	err = r.g.cfg.Agents.Answer(r.ctx, d.Offer, call.AgentSeat{Agent: st.account, Name: name, Stream: stream})
	st.mu.Lock()
	defer st.mu.Unlock()
	switch hotline.KindOf(err) {
	case "":
		st.dropOffer(d.Offer, string(acd.GoneAnswered))
	case hotline.Conflict, hotline.NotFound:
		st.dropOffer(d.Offer, string(acd.GoneElsewhere))
	}
	if err == nil && o.Pop.Ticket == nil {
		st.learn(o.CallID)
	}
	return nil, err
}

var (
	errOfferGone = hotline.Errorf(hotline.Conflict, "offer.gone", "this call does not ring for you any more")
	errNoAudio   = hotline.Errorf(hotline.Conflict, "phone.no_audio", "your browser has no audio yet: allow the microphone and wait for the connection")

	errBusy = hotline.Errorf(hotline.Conflict, "call.busy", "you are in a call: end it first")

	errNoMicrophone = hotline.Errorf(hotline.Conflict, "phone.no_microphone", "your browser only listens: allow the microphone and connect again")
)

func declineOffer(r request, d offerData) (any, error) {
	if len(d.Reason) > 200 {
		return nil, field("reason", "offer.reason", "the reason is at most 200 characters")
	}
	r.st.mu.Lock()
	known := r.st.offer(d.Offer) != nil
	r.st.mu.Unlock()
	if !known {
		return nil, errOfferGone
	}
	if err := r.g.cfg.Agents.Decline(r.ctx, d.Offer, r.st.account, d.Reason); err != nil {
		return nil, err
	}
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	r.st.dropOffer(d.Offer, string(acd.GoneDeclined))
	return nil, nil
}
