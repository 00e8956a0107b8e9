package aritest

import (
	"strconv"
	"testing"
	"time"
)

// Caller is who calls, for [Server.Call].
type Caller struct {
	ID     string   // channel id; "" means one like Asterisk's
	Name   string   // channel name; "" means "PJSIP/carrier-…"
	Number string   // shown
	Title  string   // display name
	Args   []string // of Stasis()
	Up     bool     // answered before it came
}

// Call brings a caller into the application and returns the channel's id.
func (s *Server) Call(c Caller) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ID == "" {
		c.ID = strconv.FormatInt(time.Now().UnixNano(), 10) + ".1"
	}
	if c.Name == "" {
		c.Name = "PJSIP/carrier-" + c.ID
	}
	ch := s.state.channels[c.ID]
	if ch == nil {
		ch = &channel{id: c.ID, name: c.Name, state: "Ring", number: c.Number, title: c.Title, vars: map[string]string{}, shown: map[string]string{}, created: time.Now()}
		if c.Up {
			ch.state = "Up"
		}
		s.state.channels[c.ID] = ch
	}
	s.state.enter(ch, c.Args)
	return c.ID
}

// with runs f on a channel that exists.
func (s *Server) with(id string, f func(*channel)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state.channels[id]
	if c == nil {
		return false
	}
	f(c)
	return true
}

// Hangup lets the peer of a channel hang up with a Q.850 cause and a SIP code. It returns false when there is no such channel.
func (s *Server) Hangup(id string, q850, sip int) bool {
	return s.with(id, func(c *channel) {
		if c.dialled && c.state != "Up" {
			s.state.dialled(c, map[int]string{17: "BUSY", 19: "NOANSWER", 21: "CONGESTION", 34: "CONGESTION"}[q850])
		}
		s.state.end(c, q850, sip, true)
	})
}

// Digit lets the peer press and release a key.
func (s *Server) Digit(id, digit string, held time.Duration) bool {
	return s.with(id, func(c *channel) {
		s.state.tell("ChannelDtmfReceived", c, object{"digit": digit, "duration_ms": held.Milliseconds()})
	})
}

// Rings lets the phone of a dialled channel ring.
func (s *Server) Rings(id string) bool {
	return s.with(id, func(c *channel) {
		s.state.turn(c, "Ringing")
		s.state.dialled(c, "RINGING")
	})
}

// PicksUp lets the peer of a dialled channel answer.
func (s *Server) PicksUp(id string) bool {
	return s.with(id, func(c *channel) {
		s.state.turn(c, "Up")
		s.state.dialled(c, "ANSWER")
		if !c.app {
			s.state.enter(c, c.args)
		}
	})
}

// Holds lets the peer put us on hold, or take us off.
func (s *Server) Holds(id string, yes bool) bool {
	return s.with(id, func(c *channel) {
		if yes {
			s.state.tell("ChannelHold", c, nil)
		} else {
			s.state.tell("ChannelUnhold", c, nil)
		}
	})
}

// Variable says what a channel's variable was set to.
func (s *Server) Variable(id, name string) string {
	var value string
	s.with(id, func(c *channel) { value = c.vars[name] })
	return value
}

// SetVariable sets a channel's variable, as the dialplan does.
func (s *Server) SetVariable(id, name, value string) {
	s.with(id, func(c *channel) { c.vars[name] = value })
}

// SetEndpoint makes an endpoint or changes its state.
func (s *Server) SetEndpoint(tech, resource, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.endpoints[tech+"/"+resource] = state
	s.tell(object{"type": "EndpointStateChange", "endpoint": object{"technology": tech, "resource": resource, "state": state, "channel_ids": []string{}}})
}

// SetVersion sets what the stand-in says that it is.
func (s *Server) SetVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// Exists says whether there is a channel or a bridge with an id.
func (s *Server) Exists(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.channels[id] != nil || s.state.bridges[id] != nil
}

// Left says how many channels and bridges there are.
func (s *Server) Left() (channels, bridges int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.state.channels), len(s.state.bridges)
}

// InBridge lists the channels of a bridge.
func (s *Server) InBridge(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.state.bridges[id]; b != nil {
		return append([]string(nil), b.channels...)
	}
	return nil
}

// AwaitGone waits until no channel or bridge has the id.
func (s *Server) AwaitGone(t testing.TB, id string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for s.Exists(id) {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if !s.Exists(id) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("aritest: %s is still there", id)
		}
	}
}

// Connected waits until n websockets are open.
func (s *Server) Connected(t testing.TB, n int) {
	t.Helper()
	s.wait(t, "websockets", func() bool { return len(s.links) == n })
}

// Cut ends all websockets without a word.
func (s *Server) Cut() {
	s.mu.Lock()
	links := append([]*link(nil), s.links...)
	s.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// Freeze makes the websockets half-open: they stay, and nothing comes any more.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.links {
		l.freeze()
	}
}

// Replace lets another program take the application: the websocket is told and stays without events.
func (s *Server) Replace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell(object{"type": "ApplicationReplaced"})
}

// Restart is what a new start of Asterisk leaves: nothing.
func (s *Server) Restart() {
	s.mu.Lock()
	s.state = newState(s)
	s.started = time.Now()
	s.mu.Unlock()
	s.Cut()
}
