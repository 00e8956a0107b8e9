package softphone

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"hotline"
	"hotline/media"
	"hotline/softphone/line"
)

// station is what is kept of one account as long as a tab of it is open, or may come back: the tabs, which of them is the phone, and
// what they show. Everything that a tab is told is kept here first, under the mutex under which it is sent: so a snapshot and the
// events after it fit together.
type station struct {
	g       *Gateway
	account string

	mu       sync.Mutex
	who      Identity // of the newest socket
	sessions map[string]*session
	phone    *session // the tab that is the phone; nil: none
	agent    *AgentView
	offers   []*OfferView
	call     *CallView
	wrap     *WrapView
	pop      Pop           // of the call, or of the one that was answered last
	answered *media.Stream // with which it was
	expected *question     // of the offer that is about to come
	muted    bool
	line     line.Watch
	asking   *asking      // a colleague who is being rung
	watching *supervision // somebody else's call
	seat     seatSettler
	presence presenceSettler
}

// emit tells all tabs. The mutex is held.
func (st *station) emit(name string, data any) {
	b, err := json.Marshal(data)
	if err != nil {
		st.g.log.Error("an event cannot be encoded", "event", name, "error", err)
		return
	}
	for _, s := range st.sessions {
		s.tell(name, b)
	}
}

// emitPhone tells each tab whether it is the phone. The mutex is held.
func (st *station) emitPhone() {
	for _, s := range st.sessions {
		st.tellPhone(s)
	}
}

func (st *station) tellPhone(s *session) {
	b, _ := json.Marshal(st.phoneView(s))
	s.tell(eventPhone, b)
}

func (st *station) phoneView(s *session) PhoneView {
	v := PhoneView{Active: "none", Media: string(mediaNone)}
	if st.phone != nil {
		v.Active, v.Media = "other", string(st.phone.media)
	}
	if st.phone == s {
		v.Active = "this"
	}
	if v.Media == string(mediaUp) && st.presenceDue() {
		v.Media = string(mediaConnecting) // it is up when acd knows: from then on the agent may go ready and be called
	}
	return v
}

// live says whether the account can talk: its phone is there and has audio. The mutex is held.
func (st *station) live() bool {
	return st.phone != nil && !st.phone.away() && st.phone.media == mediaUp && st.phone.peer != nil
}

// stream is the phone's audio while the account can talk, else nil. The mutex is held.
func (st *station) stream() *media.Stream {
	if !st.live() {
		return nil
	}
	return st.phone.peer.Stream()
}

// voice is the phone's audio while the agent can be heard, or why not: nobody is answered into silence. The mutex is held.
func (st *station) voice() (*media.Stream, error) {
	s := st.stream()
	switch {
	case s == nil:
		return nil, errNoAudio
	case st.phone.mute:
		return nil, errNoMicrophone
	}
	return s, nil
}

// see is whose calls and tickets the person sees now. The mutex is held.
func (st *station) see() hotline.Scope {
	if st.phone != nil && st.phone.socket != nil {
		return *st.phone.socket.see.Load()
	}
	return st.who.See
}

// snapshot is everything as it stands. The mutex is held.
func (st *station) snapshot(s *session, c ConfigView) *Snapshot {
	v := &Snapshot{Agent: st.agent, Phone: st.phoneView(s), Offers: []*OfferView{}, Call: st.call, Wrap: st.wrap, Config: c}
	if st.phone != nil && st.phone != s && st.phone.away() {
		v.Phone = PhoneView{Active: "none", Media: string(mediaNone)} // whoever comes may take it
	}
	v.Offers = append(v.Offers, st.offers...)
	if st.watching != nil {
		v.Supervise = &SuperviseView{CallID: st.watching.callID, Mode: string(st.watching.mode)}
	}
	return v
}

func (st *station) offer(id string) *OfferView {
	i := slices.IndexFunc(st.offers, func(o *OfferView) bool { return o.ID == id })
	if i < 0 {
		return nil
	}
	return st.offers[i]
}

// mine returns the session's station's call, or says that there is none. The mutex is held.
func (st *station) onCall() (*CallView, error) {
	if st.call == nil {
		return nil, hotline.Errorf(hotline.Conflict, "call.none", "you are in no call now")
	}
	return st.call, nil
}

// expire forgets tabs that have not come back, and returns what hung on them. The mutex is held.
func (st *station) expire(now time.Time, after time.Duration) (gone []*session) {
	for id, s := range st.sessions {
		if !s.away() || now.Sub(s.gone) < after {
			continue
		}
		delete(st.sessions, id)
		gone = append(gone, s)
		if st.phone == s {
			st.phone = nil
			st.emitPhone()
		}
	}
	return gone
}
