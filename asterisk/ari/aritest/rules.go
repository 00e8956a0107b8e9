package aritest

import (
	"path"
	"slices"
	"sync"
	"testing"
)

// Rule makes requests that match it go wrong.
type Rule struct {
	Method  string          // "" matches all
	Path    string          // pattern of path.Match, below /ari: "/channels/*/answer"
	Times   int             // how often it applies; 0 means always
	Status  int             // refuse with it instead of doing what is asked
	Message string          // with it
	Before  <-chan struct{} // do it only when this is closed
	After   <-chan struct{} // answer only when this is closed: what came of it is told before
	Cut     bool            // do it, and cut the connection that the request came by instead of answering
	Then    func()          // called when it is done, before the answer
}

// rule is one in force.
type rule struct {
	Rule
	used int
	once sync.Once
	end  chan struct{}
}

// Rule adds a rule until stop is called. Of several that match, the one that was added last applies.
func (s *Server) Rule(r Rule) (stop func()) {
	added := &rule{Rule: r, end: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.rules = slices.DeleteFunc(s.rules, func(other *rule) bool { return other == added })
	}
}

// release lets go what the rule holds, when the test ends.
func (r *rule) release() { r.once.Do(func() { close(r.end) }) }

var free = &rule{}

// match finds the rule of a request. The caller holds mu.
func (s *Server) match(q Request) *rule {
	for _, r := range slices.Backward(s.rules) {
		if r.Times > 0 && r.used >= r.Times || r.Method != "" && r.Method != q.Method {
			continue
		}
		if ok, _ := path.Match(r.Path, q.Path); ok {
			r.used++
			return r
		}
	}
	return free
}

// pass waits for a gate. It returns false when the test is over. Like Asterisk it does not notice that nobody waits any more.
func (r *rule) pass(gate <-chan struct{}) bool {
	if gate == nil {
		return true
	}
	select {
	case <-gate:
		return true
	case <-r.end:
		return false
	}
}

// refuses says whether a rule refuses a request that is not answered by the state.
func (s *Server) refuses(q Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, q)
	s.poke()
	return s.match(q).Status
}

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count says how often something was asked.
func (s *Server) Count(method, pattern string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count(method, pattern)
}

func (s *Server) count(method, pattern string) int {
	n := 0
	for _, q := range s.requests {
		if ok, _ := path.Match(pattern, q.Path); ok && (method == "" || method == q.Method) {
			n++
		}
	}
	return n
}

// Await waits until something was asked n times.
func (s *Server) Await(t testing.TB, method, pattern string, n int) {
	t.Helper()
	s.wait(t, method+" "+pattern, func() bool { return s.count(method, pattern) >= n })
}
