package ari

import (
	"hash/maphash"
	"time"
)

// sieve takes out what Asterisk tells twice or too late. It belongs to the dispatcher.
//
// Held back are: a message that came word for word before; what is told of a channel after its end; a second end of the same stay in
// the application, or one of an earlier stay; a start that is older than the end that has been told. Two hang-up requests in a row are
// two events: they differ, and owners have ended by the first.
type sieve struct {
	seed   maphash.Seed
	ring   [256]uint64
	next   int
	known  map[uint64]int
	stays  map[string]*stay
	sweeps int
}

// stay is a channel's time in the application, or a bridge's end.
type stay struct {
	start, end time.Time // Asterisk's clock
	over       bool      // StasisEnd was told and no StasisStart since
	gone       bool      // destroyed
	touched    time.Time // ours
}

// stayTime is how long the end of a channel is remembered.
const stayTime = time.Minute

// stayMax is for channels whose end was not told because the connection was lost.
const stayMax = 24 * time.Hour

func newSieve() *sieve {
	return &sieve{seed: maphash.MakeSeed(), known: map[uint64]int{}, stays: map[string]*stay{}}
}

// repeated says whether the same message was among the last.
func (s *sieve) repeated(data []byte) bool {
	sum := maphash.Bytes(s.seed, data)
	if s.known[sum] > 0 {
		return true
	}
	if old := s.ring[s.next]; old != 0 {
		delete(s.known, old)
	}
	s.ring[s.next] = sum
	s.next = (s.next + 1) % len(s.ring)
	s.known[sum] = 1
	return false
}

// pass says whether an event is news.
func (s *sieve) pass(e *Event, now time.Time) bool {
	if e.Type == "BridgeDestroyed" && e.Bridge != nil {
		b := s.at(e.Bridge.ID, now)
		news := !b.gone
		b.gone = true
		return news
	}
	if e.Channel == nil {
		return true
	}
	st := s.stays[e.Channel.ID]
	if st != nil && st.gone {
		return false
	}
	switch e.Type {
	case "StasisStart":
		return s.started(s.at(e.Channel.ID, now), e.At)
	case "StasisEnd":
		return s.ended(s.at(e.Channel.ID, now), e.At)
	case "ChannelDestroyed":
		s.at(e.Channel.ID, now).gone = true
	}
	return true
}

func (s *sieve) started(st *stay, at time.Time) bool {
	if at.Before(st.end) || !st.over && !st.start.IsZero() && !at.After(st.start) {
		return false
	}
	st.start, st.over = at, false
	return true
}

func (s *sieve) ended(st *stay, at time.Time) bool {
	if st.over || at.Before(st.start) {
		return false
	}
	st.end, st.over = at, true
	return true
}

func (s *sieve) at(id string, now time.Time) *stay {
	st := s.stays[id]
	if st == nil {
		s.sweep(now)
		st = &stay{}
		s.stays[id] = st
	}
	st.touched = now
	return st
}

// sweep forgets the ends of a minute ago, once in a thousand channels.
func (s *sieve) sweep(now time.Time) {
	if s.sweeps++; s.sweeps < 1000 {
		return
	}
	s.sweeps = 0
	for id, st := range s.stays {
		age := now.Sub(st.touched)
		if age > stayTime && (st.gone || st.over) || age > stayMax {
			delete(s.stays, id)
		}
	}
}
