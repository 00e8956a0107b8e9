package call

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"hotline/media"
)

// AgentSeat is an agent who takes part in a conversation: the account, the name to show, and the stream of the browser.
type AgentSeat struct {
	Agent  string
	Name   string
	Stream *media.Stream
}

// seat is somebody in a conversation: an agent, or a number that was dialled.
type seat struct {
	agent  string // the account; "" for a number
	name   string
	number string
	stream *media.Stream // nil: of a browser that died with the process before and is not back yet
	leg    string
	muted  bool
	away   time.Time // an agent whose browser is away is given up then; zero: it is here
	out    *outLeg   // of a number
}

func (s *seat) here() bool { return s.away.IsZero() }

// seatOf takes an agent in; its leg begins.
func (t *Talk) seatOf(a AgentSeat) *seat {
	s := &seat{agent: a.Agent, name: a.Name}
	t.wire(s, a.Stream)
	return s
}

// wire gives a seat a stream, and opens the row of its leg.
func (t *Talk) wire(s *seat, stream *media.Stream) {
	s.stream, s.leg = stream, newID()
	t.call.file(FactLegStarted, LegStarted{
		LegID: s.leg, Direction: Outbound, Edge: "webrtc", Party: Party{Display: s.name, Agent: s.agent}, Agent: s.agent, StartedAt: time.Now(),
	})
	stream.Begin()
}

// unwire closes the row of an agent's leg, with the quality of its stream.
func (t *Talk) unwire(s *seat, why string) {
	q := s.stream.Quality()
	raw, _ := json.Marshal(q)
	cause := CauseNormal
	if why != "" {
		cause.Text = why
	}
	now := time.Now()
	t.call.file(FactLegEnded, LegEnded{LegID: s.leg, Codec: q.Codec, EndedAt: now, Cause: cause, Quality: raw})
}

// leave lets a seat go: the agent's leg is closed, the number is hung up.
func (t *Talk) leave(s *seat) {
	switch {
	case s.out != nil:
		t.call.clear(s.out)
	case s.stream == nil:
	case !s.here():
		t.unwire(s, "the browser was away")
	default:
		t.unwire(s, "")
	}
}

// agent is who has the call.
func (t *Talk) agent() string {
	for _, s := range t.seats {
		if s.agent != "" {
			return s.agent
		}
	}
	return ""
}

// everybody returns all seats, that of the third included.
func (t *Talk) everybody() []*seat {
	all := slices.Clone(t.seats)
	if t.third != nil && t.third.seat != nil {
		all = append(all, t.third.seat)
	}
	return all
}

// part takes a seat out. The conversation ends so when nobody is left to talk with the caller.
func (t *Talk) part(s *seat, end TalkEnd) {
	if t.third != nil && t.third.seat == s {
		t.failThird(string(end.Kind))
		return
	}
	if len(t.seats) == 1 {
		t.end = &end
		return
	}
	t.seats = slices.DeleteFunc(t.seats, func(o *seat) bool { return o == s })
	t.leave(s)
	if t.holder != "" {
		t.holder = "" // nobody is left waiting for somebody who has gone
	}
	if t.agent() == "" {
		t.call.SetResult(ResultTransferred)
	}
}

// withCaller says whether somebody who is there talks with the caller.
func (t *Talk) withCaller() bool {
	if t.holder != "" || t.asking() {
		return false
	}
	return slices.ContainsFunc(t.seats, (*seat).here) || slices.ContainsFunc(t.coaches, func(s SuperviseSeat) bool { return s.Mode == SuperviseBarge })
}

// asking says whether the agent talks with the third, or waits for it.
func (t *Talk) asking() bool { return t.third != nil && t.third.active == WithThird }

// hearing is what somebody in the room gets: a role, and what is heard while there is nobody to hear.
type hearing struct {
	stream *media.Stream
	role   media.Role
	music  *media.Music
}

// hearings says who hears whom. It is the only place that decides it.
func (t *Talk) hearings() []hearing {
	caller := hearing{stream: t.call.leg.Audio(), role: media.Talker}
	early := t.since == nil && caller.stream.Configured() // the network lets the agent hear how it rings
	switch {
	case t.since == nil && !early:
		caller.role = media.Held
	case t.since != nil && !t.withCaller():
		caller.role, caller.music = media.Held, t.cfg.Hold
	}
	list := []hearing{caller}
	whispered := slices.ContainsFunc(t.coaches, func(s SuperviseSeat) bool { return s.Mode == SuperviseWhisper })
	for _, s := range t.everybody() {
		if s.stream == nil {
			continue
		}
		h := hearing{stream: s.stream, role: media.Talker}
		switch {
		case !s.here() || t.third.unheard(s):
			h.role = media.Held
		case t.waits(s):
			h.role, h.music = media.Held, t.cfg.Hold
		case s.agent == "":
		case s.muted || early || t.third.early():
			h.role = media.Muted
		case whispered:
			h.role = media.Coached
		}
		if s.agent != "" && s.here() && (t.since == nil && !early || t.third.rings(s.agent)) {
			h.music = t.cfg.Ringback
		}
		list = append(list, h)
	}
	for _, s := range t.coaches {
		list = append(list, hearing{stream: s.Stream, role: superviseRoles[s.Mode]})
	}
	return list
}

// waits says whether a seat is on hold.
func (t *Talk) waits(s *seat) bool {
	if x := t.third; x != nil && x.seat == s {
		return x.active == WithCaller || !t.seats[0].here()
	}
	return t.holder != "" && s.agent != t.holder
}

var superviseRoles = map[SuperviseMode]media.Role{SuperviseListen: media.Listener, SuperviseWhisper: media.Coach, SuperviseBarge: media.Talker}

// arrange makes the room what the conversation says: music first, so that there is no silence between; then all roles at once; then
// those go who have no part any more.
func (t *Talk) arrange() {
	list := t.hearings()
	var places []media.Place
	for _, p := range list {
		if !slices.Contains(t.inside, p.stream) {
			if err := t.room.Join(p.stream, media.Held); err != nil {
				t.call.Log.Info("a stream could not join a conversation: it has ended", "error", err)
				continue
			}
		}
		if p.music != nil {
			t.playTo(p.stream, p.music)
		}
		places = append(places, media.Place{Stream: p.stream, Role: p.role})
	}
	if err := t.room.SetRoles(places...); err != nil { // a browser went to another room: then one by one, who must not be heard first
		slices.SortStableFunc(places, func(a, b media.Place) int { return cmp.Compare(b.Role, a.Role) })
		places = slices.DeleteFunc(places, func(p media.Place) bool { return t.room.SetRole(p.Stream, p.Role) != nil })
	}
	for _, p := range list {
		if p.music == nil {
			t.playTo(p.stream, nil)
		}
	}
	before := t.inside
	t.inside = nil
	for _, p := range places {
		t.inside = append(t.inside, p.Stream)
	}
	for _, s := range before {
		if !slices.Contains(t.inside, s) {
			t.room.Leave(s)
			s.PlayMusic(nil)
		}
	}
}

func (t *Talk) playTo(s *media.Stream, m *media.Music) {
	if s == t.call.leg.Audio() {
		t.call.quiet.Play(m)
		return
	}
	s.PlayMusic(m)
}
