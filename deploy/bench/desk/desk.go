// Package desk is an agent at work, for measurements: logged in, with the console's socket and a light browser's telephone. It reloads,
// answers and talks; every packet it says bears a mark, by which the other side knows when it began to be heard.
package desk

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"

	"hotline"
	"hotline/media/peer/browser"
	"hotline/softphone"
	"hotline/softphone/softphonetest"
)

const (
	mark    = 0x2a4f6e1b3c5d7f90 // how a packet of a talker begins
	samples = 160
)

// Ear notes when what is said with a voice came first and last.
type Ear struct {
	mu    sync.Mutex
	first map[uint64]time.Time // by voice
	last  map[uint64]time.Time
	more  chan struct{} // closed and replaced with each new voice
}

// NewEar has heard nothing.
func NewEar() *Ear {
	return &Ear{first: map[uint64]time.Time{}, last: map[uint64]time.Time{}, more: make(chan struct{})}
}

// Take is given the samples of each packet.
func (e *Ear) Take(payload []byte, at time.Time) {
	if len(payload) < 16 || binary.BigEndian.Uint64(payload) != mark {
		return
	}
	voice := binary.BigEndian.Uint64(payload[8:])
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last[voice] = at; e.first[voice].IsZero() {
		e.first[voice] = at
		close(e.more)
		e.more = make(chan struct{})
	}
}

// First waits until a voice is heard.
func (e *Ear) First(ctx context.Context, voice uint64) (time.Time, error) {
	for {
		e.mu.Lock()
		at, more := e.first[voice], e.more
		e.mu.Unlock()
		if !at.IsZero() {
			return at, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return at, fmt.Errorf("a voice is not heard: %w", ctx.Err())
		}
	}
}

// Last is when a voice was heard last.
func (e *Ear) Last(voice uint64) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last[voice]
}

// Speak says a voice, 50 packets a second, until the returned function is called.
func Speak(voice uint64, send func(payload []byte)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var speaking sync.WaitGroup
	speaking.Go(func() {
		payload := make([]byte, samples)
		binary.BigEndian.PutUint64(payload, mark)
		binary.BigEndian.PutUint64(payload[8:], voice)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				send(payload)
			}
		}
	})
	return func() { cancel(); speaking.Wait() }
}

// Seat is an agent's place: one tab that is the agent's telephone.
type Seat struct {
	Tab   *softphonetest.Tab
	Ear   *Ear   // of the present page
	Voice uint64 // likewise

	base, cookie, session string
	phone                 *browser.Browser
	hush                  func()
}

// Login opens a session of the console.
func Login(ctx context.Context, base, name, password string) (*Seat, error) {
	raw, err := json.Marshal(map[string]string{"login": name, "password": password})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/session", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || len(res.Cookies()) == 0 {
		return nil, fmt.Errorf("log in as %s: %s: %s", name, res.Status, said)
	}
	c := res.Cookies()[0]
	return &Seat{base: base, cookie: c.Name + "=" + c.Value, session: hotline.NewID()}, nil
}

// Sit opens the page: the socket, then the telephone, which speaks from then on.
func (s *Seat) Sit(ctx context.Context) error {
	var err error
	s.Tab, err = softphonetest.Open(ctx, softphonetest.Options{
		URL: "ws" + strings.TrimPrefix(s.base, "http") + "/api/v1/socket", Session: s.session,
		Header: http.Header{"Cookie": {s.cookie}, "Origin": {s.base}},
	})
	if err != nil {
		return err
	}
	ear := NewEar()
	from := s.Tab.Position()
	s.phone, err = browser.Connect(ctx, browser.Options{OnPacket: func(p *rtp.Packet, at time.Time) { ear.Take(p.Payload, at) }},
		func(offer string) (string, error) {
			var answer struct {
				SDP string `json:"sdp"`
			}
			err := s.Tab.Do(ctx, "phone.offer", map[string]string{"sdp": offer}, &answer)
			return answer.SDP, err
		})
	if err != nil {
		return err
	}
	s.Ear, s.Voice = ear, s.Voice+1
	phone := s.phone
	s.hush = Speak(s.Voice, func(payload []byte) { phone.Send(payload) })
	_, _, err = s.Tab.Await(ctx, from, "phone", func(e softphonetest.Event) bool {
		var p softphone.PhoneView
		e.Into(&p)
		return p.Active == "this" && p.Media == "up"
	})
	return err
}

// Ready takes calls from now on.
func (s *Seat) Ready(ctx context.Context) error {
	return s.Tab.Do(ctx, "agent.ready", struct{}{}, nil)
}

// Start is the first Ready of an agent who has just been made one, which every part of the product knows a moment later.
func (s *Seat) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := s.Ready(ctx)
		var refused *softphonetest.Refused
		if !errors.As(err, &refused) || refused.Code != "agent.unknown" && refused.Code != "agent.no_media" {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Offline takes none.
func (s *Seat) Offline(ctx context.Context) error {
	return s.Tab.Do(ctx, "agent.offline", struct{}{}, nil)
}

// Offer waits for a call that is offered, from a position of the tab's events on.
func (s *Seat) Offer(ctx context.Context, from int) (softphone.OfferView, time.Time, error) {
	var offer softphone.OfferView
	e, _, err := s.Tab.Await(ctx, from, "offer", nil)
	if err == nil {
		e.Into(&offer)
	}
	return offer, e.At, err
}

// Answer takes the call.
func (s *Seat) Answer(ctx context.Context, offer string) error {
	return s.Tab.Do(ctx, "offer.answer", map[string]string{"offer": offer}, nil)
}

// State waits until the agent is in a state.
func (s *Seat) State(ctx context.Context, from int, state string) error {
	_, _, err := s.Tab.Await(ctx, from, "agent", func(e softphonetest.Event) bool {
		var a softphone.AgentView
		e.Into(&a)
		return a.State == state
	})
	return err
}

// Leave closes the page as a browser does that reloads or goes.
func (s *Seat) Leave() {
	if s.hush != nil {
		s.hush()
	}
	if s.phone != nil {
		s.phone.Close()
	}
	if s.Tab != nil {
		s.Tab.Close()
	}
}
