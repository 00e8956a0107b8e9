package media

import (
	"math"
	"sync"
	"time"

	"hotline"
)

// Role of a stream in a [Room]: who hears whom.
type Role uint8

// The roles.
const (
	Talker   Role = iota // hears talkers, is heard by all
	Coached              // a talker who hears the coaches as well
	Coach                // hears talkers, is heard by the coached only
	Listener             // hears talkers, is heard by nobody
	Held                 // hears nobody (but its own music), is heard by nobody
	Muted                // hears talkers and the coaches, is heard by nobody
	roles
)

// matrix says who hears whom: matrix[listener][speaker].
var matrix = [roles][roles]bool{
	Talker:   {Talker: true, Coached: true},
	Coached:  {Talker: true, Coached: true, Coach: true},
	Coach:    {Talker: true, Coached: true},
	Listener: {Talker: true, Coached: true},
	Muted:    {Talker: true, Coached: true, Coach: true},
}

func (r Role) heard() bool { return r != Held && r != Listener && r != Muted }

func (r Role) talks() bool { return r == Talker || r == Coached }

// Room lets streams hear each other. Hold, listen, whisper, barge, conference and transfer are changes of roles. Digits do not
// travel through a room: whoever wants them passed on uses [Stream.SendDigits].
type Room struct {
	engine *Engine
	shard  *shard

	mu      sync.Mutex
	members []*member
	ticking bool

	ticked []*Stream // of the clock's goroutine: whose taps and listeners are to be served
}

type member struct {
	stream  *Stream
	role    Role
	ptime   time.Duration // packet time when it speaks and hears, else 0
	tapped  bool
	relayed *Stream // to whom its packets go straight
	frame   [frameSamples]int16
	heard   bool
	hears   [frameSamples]int16
	mix     mix
}

// Place is a stream and the role it has in a room.
type Place struct {
	Stream *Stream
	Role   Role
}

var (
	errNotInRoom = hotline.Errorf(hotline.NotFound, "media.not_in_room", "the stream is not in the room")
	errRole      = hotline.Errorf(hotline.Invalid, "media.bad_role", "there is no such role")
)

// NewRoom makes an empty room.
func NewRoom(e *Engine) *Room { return &Room{engine: e, shard: e.idlest()} }

// Join puts a stream into the room; a stream is in one room at most and leaves the one it was in.
func (r *Room) Join(s *Stream, role Role) error {
	if role >= roles {
		return errRole
	}
	for {
		s.mu.Lock()
		old := s.room
		s.mu.Unlock()
		if old == nil || old == r {
			break
		}
		old.Leave(s)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.find(s); m != nil {
		m.role = role
		r.rewire()
		return nil
	}
	s.mu.Lock()
	if s.closed || s.room != nil {
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return errStreamClosed
		}
		return hotline.Errorf(hotline.Conflict, "media.in_another_room", "the stream was put into another room meanwhile")
	}
	s.room = r
	s.wake()
	s.mu.Unlock()
	r.members = append(r.members, &member{stream: s, role: role})
	r.rewire()
	if !r.ticking {
		r.ticking = true
		r.shard.join(r)
	}
	return nil
}

// SetRole changes the role of a stream that is in the room.
func (r *Room) SetRole(s *Stream, role Role) error { return r.SetRoles(Place{s, role}) }

// SetRoles changes several roles at once: nobody hears a state in between. A stream that has closed meanwhile is passed over: a
// browser may vanish while a call is moved.
func (r *Room) SetRoles(places ...Place) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range places {
		if p.Role >= roles {
			return errRole
		}
		if r.find(p.Stream) == nil && !p.Stream.ended() {
			return errNotInRoom
		}
	}
	for _, p := range places {
		if m := r.find(p.Stream); m != nil {
			m.role = p.Role
		}
	}
	r.rewire()
	return nil
}

// Leave takes a stream out of the room. It is no error if it is not in it.
func (r *Room) Leave(s *Stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range r.members {
		if m.stream == s {
			r.members = append(r.members[:i:i], r.members[i+1:]...)
			r.release(m)
			r.rewire()
			return
		}
	}
}

// Close takes out all streams.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	members := r.members
	r.members = nil
	for _, m := range members {
		r.release(m)
	}
}

func (r *Room) release(m *member) {
	m.stream.mu.Lock()
	m.stream.room, m.stream.in.relay = nil, nil
	m.stream.mu.Unlock()
}

func (r *Room) find(s *Stream) *member {
	for _, m := range r.members {
		if m.stream == s {
			return m
		}
	}
	return nil
}

// rewire decides who relays to whom, and tells whether somebody taps a member; r.mu is held. It is decided again each tick, as codecs
// may change under way.
func (r *Room) rewire() (relaying, tapped bool) {
	for _, m := range r.members {
		m.look()
		tapped = tapped || m.tapped
	}
	a, b := r.pair()
	for _, m := range r.members {
		switch m {
		case a:
			m.relay(b.stream)
		case b:
			m.relay(a.stream)
		default:
			m.relay(nil)
		}
	}
	return a != nil, tapped
}

// pair returns the two members whose packets can be relayed: two talk, nobody else listens, and their packets are of one length.
func (r *Room) pair() (a, b *member) {
	for _, m := range r.members {
		switch {
		case m.role == Held:
		case !m.role.talks() || b != nil:
			return nil, nil
		case a == nil:
			a = m
		default:
			b = m
		}
	}
	if b == nil || a.ptime == 0 || a.ptime != b.ptime {
		return nil, nil
	}
	return a, b
}

// look learns what the others need to know of a stream.
func (m *member) look() {
	s := m.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ptime, m.tapped = 0, len(s.taps) > 0
	if s.configured && !s.closed && s.setup.Direction == SendRecv {
		m.ptime = s.setup.Ptime
	}
}

// relay lets the packets of a member go straight to another one, or to nobody.
func (m *member) relay(to *Stream) {
	if m.relayed == to {
		return
	}
	m.relayed = to
	m.stream.mu.Lock()
	m.stream.in.relay = to
	m.stream.mu.Unlock()
}

func (s *Stream) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// tick is 20 ms of everybody in the room: all are heard first, then all hear.
func (r *Room) tick(now time.Time) bool {
	r.mu.Lock()
	if len(r.members) == 0 {
		r.ticking = false
		r.mu.Unlock()
		return false
	}
	relaying, tapped := r.rewire()
	if relaying && !tapped && len(r.members) == 2 {
		a, b := r.members[0].stream, r.members[1].stream
		r.mu.Unlock()
		a.tickRelayed(r, now)
		b.tickRelayed(r, now)
		return true
	}
	wanted := !relaying || tapped
	r.ticked = r.ticked[:0]
	for _, m := range r.members {
		m.pull(now, wanted)
	}
	for _, m := range r.members {
		m.push(now, r.mixFor(m, relaying))
		r.ticked = append(r.ticked, m.stream)
	}
	r.mu.Unlock()
	for i, s := range r.ticked { // with the room unlocked: a listener may change it
		s.mu.Lock()
		s.finishTick()
		r.ticked[i] = nil
	}
	return true
}

// tickRelayed is 20 ms of one of two who only talk with each other: their packets go straight to the other, and nobody needs samples.
func (s *Stream) tickRelayed(r *Room, now time.Time) {
	s.mu.Lock()
	if s.closed || s.room != r {
		s.mu.Unlock()
		return
	}
	s.pull(now, false)
	s.push(now, &relayed)
	s.finishTick()
}

// relayed is what is heard by somebody whose packets come by relaying; silence, should none come.
var relayed = mix{pcm: new([frameSamples]int16), relayed: true}

func (m *member) pull(now time.Time, wanted bool) {
	s := m.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	m.heard = false
	if !s.closed {
		s.pull(now, wanted && m.role.heard())
		if m.heard = s.in.heard; m.heard {
			m.frame = s.in.frame
		}
	}
}

func (m *member) push(now time.Time, mixed *mix) {
	s := m.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.push(now, mixed)
	}
}

// mixFor returns what m hears: nil when there is nobody to be heard, so that music may play.
func (r *Room) mixFor(m *member, relaying bool) *mix {
	var sum [frameSamples]int32
	others, heard := false, false
	for _, other := range r.members {
		if other == m || !matrix[m.role][other.role] {
			continue
		}
		others = true
		if other.heard {
			heard = true
			for i, v := range other.frame {
				sum[i] += int32(v)
			}
		}
	}
	switch {
	case !others:
		return nil
	case !heard: // as when packets are relayed and nobody taps them
		clear(m.hears[:])
	default:
		for i, v := range sum {
			m.hears[i] = int16(min(math.MaxInt16, max(math.MinInt16, v)))
		}
	}
	m.mix = mix{pcm: &m.hears, relayed: relaying && m.role.talks()}
	return &m.mix
}
