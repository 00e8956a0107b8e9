package call

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hotline"
	"hotline/call/audio"
	"hotline/media"
)

// Filer takes facts: the [Journal].
type Filer interface {
	File(callID string, kind FactKind, payload any) error
}

// Script is the journey of one caller, as straight-line code with the verbs of [Call]. ctx ends with the call; its cause says why.
// When the script returns, the call is hung up if it still goes on.
type Script func(ctx context.Context, c *Call) error

// Config configures a [Switchboard].
type Config struct {
	Journal     Filer
	Node        string                                            // this process, in the rows of its calls
	Route       func(ctx context.Context, i Info) (Script, error) // what answers a call; must not wait for anything
	MaxCalls    int                                               // 0 means 1000
	MaxDuration time.Duration                                     // of a call; 0 means 4 h
	MediaLost   time.Duration                                     // a call without audio from its peer ends after so long; 0 means 30 s
	Filler      *media.Music                                      // heard when nothing else is, so that nobody takes the line for dead; nil is a soft tick
	Log         *slog.Logger

	find func(id string) *Call // a call that goes on, or nil
}

// Switchboard admits calls and runs each of them in a goroutine of its own.
type Switchboard struct {
	cfg Config

	mu      sync.Mutex
	state   boardState
	calls   map[string]*Call
	empty   chan struct{} // closed when the last call of a drain has ended; nil when nobody drains
	refused Refused
	running sync.WaitGroup
}

type boardState int

const (
	boardIdle boardState = iota // before Run
	boardOpen
	boardDraining
	boardClosed
)

// Refused counts the calls that were not admitted.
type Refused struct {
	Full     uint64 `json:"full"`
	Draining uint64 `json:"draining"`
	Route    uint64 `json:"route"` // nothing answers that number
}

// NewSwitchboard returns a switchboard that takes calls once it runs.
func NewSwitchboard(cfg Config) *Switchboard {
	cfg.MaxCalls = cmp.Or(cfg.MaxCalls, 1000)
	cfg.MaxDuration = cmp.Or(cfg.MaxDuration, 4*time.Hour)
	cfg.MediaLost = cmp.Or(cfg.MediaLost, 30*time.Second)
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if cfg.Filler == nil {
		cfg.Filler = audio.SoftTick()
	}
	s := &Switchboard{cfg: cfg, calls: map[string]*Call{}}
	s.cfg.find = func(id string) *Call {
		c, _ := s.Call(id)
		return c
	}
	return s
}

// Run takes calls until ctx is done, then ends those that are left and waits for them.
func (s *Switchboard) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.state == boardIdle {
		s.state = boardOpen
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.state = boardClosed
	left := make([]*Call, 0, len(s.calls))
	for _, c := range s.calls {
		left = append(left, c)
	}
	s.mu.Unlock()
	for _, c := range left {
		c.cancel(ErrShutdown)
	}
	s.running.Wait()
	return nil
}

// Incoming admits a leg and starts its call. See [Acceptor].
func (s *Switchboard) Incoming(ctx context.Context, leg Leg) (*Mailbox, error) {
	script, err := s.cfg.Route(ctx, leg.Info())
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := leg.Info().Resume; l != nil && err == nil {
		return s.resume(leg, l, script)
	}
	if err := s.admit(leg.Info().CallID); err != nil {
		return nil, err
	}
	if err != nil {
		s.refused.Route++
		return nil, err
	}
	c := newCall(s.cfg, leg, streamSound{leg.Audio()})
	s.enter(c)
	go s.run(c, script)
	return c.mailbox, nil
}

// admit says whether one more call may begin. s.mu is held.
func (s *Switchboard) admit(id string) error {
	switch {
	case s.state != boardOpen:
		s.refused.Draining++
		return hotline.Errorf(hotline.Unavailable, "call.draining", "no calls are taken now: the hotline is starting or stopping")
	case len(s.calls) >= s.cfg.MaxCalls:
		s.refused.Full++
		return hotline.Errorf(hotline.Unavailable, "call.full", "all %d lines are busy", s.cfg.MaxCalls)
	case s.calls[id] != nil:
		return hotline.Errorf(hotline.Conflict, "call.twice", "call %s is there already", id)
	}
	return nil
}

// enter counts a call among those that go on. s.mu is held.
func (s *Switchboard) enter(c *Call) {
	s.calls[c.ID] = c
	s.running.Add(1)
}

func (s *Switchboard) run(c *Call, script Script) {
	defer s.leave(c)
	c.run(script)
}

func (s *Switchboard) leave(c *Call) {
	defer s.running.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.ID)
	if len(s.calls) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Drain takes no new calls and waits until the last has ended.
func (s *Switchboard) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.state = max(s.state, boardDraining)
	if len(s.calls) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Live is a call as it goes on.
type Live struct {
	ID         string     `json:"id"`
	Info       Info       `json:"info"`
	Phase      Phase      `json:"phase"`
	Queue      string     `json:"queue"`
	Language   string     `json:"language"`
	StartedAt  time.Time  `json:"started_at"`
	AnsweredAt *time.Time `json:"answered_at"`
	PhaseAt    time.Time  `json:"phase_at"` // since when it is in its phase
	Agent      string     `json:"agent"`    // who talks with the caller
}

// Draining says that no more calls are taken, because the hotline stops.
func (s *Switchboard) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state >= boardDraining
}

// Calls returns the calls that go on, the oldest first.
func (s *Switchboard) Calls() []Live {
	s.mu.Lock()
	list := make([]Live, 0, len(s.calls))
	for _, c := range s.calls {
		list = append(list, c.live())
	}
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b Live) int { return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Count returns how many calls go on, and how many there may be.
func (s *Switchboard) Count() (live, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls), s.cfg.MaxCalls
}

// Refused returns how many calls were not admitted.
func (s *Switchboard) Refused() Refused {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Why a call's context ended: the causes of its cancellation.
var (
	ErrHangup      = errors.New("the peer hung up")
	ErrEnded       = errors.New("the call was ended")
	ErrShutdown    = errors.New("the hotline shuts down")
	ErrCut         = errors.New("what carries the call is gone")
	ErrMediaLost   = errors.New("no audio from the peer")
	ErrMaxDuration = errors.New("the call has lasted too long")
	ErrMaxWait     = errors.New("the caller has waited too long")
	ErrGiven       = errors.New("the caller, a telephone, has sent its own caller to where it waited")
)
