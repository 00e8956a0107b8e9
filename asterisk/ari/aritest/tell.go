package aritest

import (
	"encoding/json"
	"time"
)

// telling is how events are told.
type telling struct {
	double bool
	held   [][]byte
	hold   bool
	last   time.Time
}

// stamp writes a time as Asterisk does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// stamp completes an event. The caller holds mu. Times rise by a millisecond at least, so that order can be told from them.
func (s *Server) stamp(event map[string]any) []byte {
	now := time.Now()
	if !now.After(s.told.last.Add(time.Millisecond)) {
		now = s.told.last.Add(time.Millisecond)
	}
	s.told.last = now
	if _, given := event["timestamp"]; !given {
		event["timestamp"] = stamp(now)
	}
	event["application"], event["asterisk_id"] = s.App, "02:00:00:00:00:01"
	data, _ := json.Marshal(event)
	return data
}

// tell sends an event to the application. The caller holds mu.
func (s *Server) tell(event map[string]any) {
	data := s.stamp(event)
	if s.told.hold {
		s.told.held = append(s.told.held, data)
		return
	}
	s.send(data)
}

func (s *Server) send(data []byte) {
	if len(s.links) == 0 {
		return // Asterisk does not keep them either
	}
	l := s.links[len(s.links)-1]
	l.say(data)
	if s.told.double {
		l.say(data)
	}
}

// Emit tells an event of the test's own: {"type": …}.
func (s *Server) Emit(event map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(event)
}

// Double tells each event twice from now on, or not.
func (s *Server) Double(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.double = yes
}

// Hold keeps events back from now on: they come late.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told.hold = true
}

// Release tells the events that were held, in the order of the indexes given or as they came when none are given; indexes may be
// left out or repeated.
func (s *Server) Release(order ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.told.held
	s.told.hold, s.told.held = false, nil
	if len(order) == 0 {
		for _, data := range held {
			s.send(data)
		}
	}
	for _, i := range order {
		if i < len(held) {
			s.send(held[i])
		}
	}
}

// Held says which events are kept back, by their types.
func (s *Server) Held() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, data := range s.told.held {
		var e struct {
			Type string `json:"type"`
		}
		_ = json.Unmarshal(data, &e)
		out = append(out, e.Type)
	}
	return out
}

// Raw sends a message as it is, well-formed or not.
func (s *Server) Raw(data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send([]byte(data))
}
