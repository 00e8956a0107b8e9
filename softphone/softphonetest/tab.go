// Package softphonetest is a browser tab without a browser: the socket of [softphone.Gateway] and a PeerConnection whose microphone
// hears a tone. It is for tests and measurements of whoever holds the other end.
//
// Start at [Open].
package softphonetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"hotline/softphone"
)

// Tab is one tab: a socket, and the audio if it was asked for.
type Tab struct {
	Session string
	Hello   Hello
	Audio   *Audio // nil before [Tab.Phone]

	conn   *websocket.Conn
	closed chan struct{} // when nothing is read any more
	code   int           // why it was closed
	write  sync.Mutex

	mu      sync.Mutex
	next    int
	replies map[string]chan reply
	events  []Event
	more    chan struct{} // closed and replaced with each event
}

// Hello is what the tab was told when it said hello.
type Hello struct {
	Stream   string              `json:"stream"`
	Seq      uint64              `json:"seq"`
	Snapshot *softphone.Snapshot `json:"snapshot"`
}

// Event is one event, with when it came.
type Event struct {
	Seq  uint64
	Name string
	Data json.RawMessage
	At   time.Time
}

// Into reads the event's data.
func (e Event) Into(v any) Event {
	if err := json.Unmarshal(e.Data, v); err != nil {
		panic(fmt.Sprintf("event %s: %v", e.Name, err))
	}
	return e
}

type reply struct {
	ok      bool
	data    json.RawMessage
	problem *softphone.Problem
}

// Refused is a command that was refused.
type Refused struct{ softphone.Problem }

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// Options say how a tab comes.
type Options struct {
	URL     string // ws://host/api/v1/socket
	Header  http.Header
	Session string
	Stream  string // to be resumed; "": none
	Seq     uint64
}

// Open opens a tab's socket and says hello.
func Open(ctx context.Context, o Options) (*Tab, error) {
	d := websocket.Dialer{Subprotocols: []string{softphone.Protocol}, HandshakeTimeout: 10 * time.Second}
	conn, response, err := d.DialContext(ctx, o.URL, o.Header)
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("%s: %w", response.Status, err)
		}
		return nil, err
	}
	t := &Tab{Session: o.Session, conn: conn, closed: make(chan struct{}), replies: map[string]chan reply{}, more: make(chan struct{})}
	go t.read()
	data := map[string]any{"session": o.Session}
	if o.Stream != "" {
		data["resume"] = map[string]any{"stream": o.Stream, "seq": o.Seq}
	}
	if err := t.Do(ctx, "hello", data, &t.Hello); err != nil {
		t.Cut()
		return nil, err
	}
	return t, nil
}

func (t *Tab) read() {
	defer close(t.closed)
	for {
		_, frame, err := t.conn.ReadMessage()
		if err != nil {
			var c *websocket.CloseError
			if errors.As(err, &c) {
				t.code = c.Code
			}
			return
		}
		var in incoming
		if json.Unmarshal(frame, &in) != nil {
			return
		}
		t.take(in)
	}
}

// incoming is an event or a reply.
type incoming struct {
	Reply   string             `json:"reply"`
	OK      bool               `json:"ok"`
	Problem *softphone.Problem `json:"problem"`
	Seq     uint64             `json:"seq"`
	Event   string             `json:"event"`
	Data    json.RawMessage    `json:"data"`
}

func (t *Tab) take(in incoming) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if in.Event != "" {
		t.events = append(t.events, Event{Seq: in.Seq, Name: in.Event, Data: in.Data, At: time.Now()})
		close(t.more)
		t.more = make(chan struct{})
		return
	}
	if c := t.replies[in.Reply]; c != nil {
		delete(t.replies, in.Reply)
		c <- reply{ok: in.OK, data: in.Data, problem: in.Problem}
	}
}

// Do gives a command and waits for the reply. A refusal is a [Refused].
func (t *Tab) Do(ctx context.Context, cmd string, data, into any) error {
	c := make(chan reply, 1)
	t.mu.Lock()
	t.next++
	id := fmt.Sprintf("c%d", t.next)
	t.replies[id] = c
	t.mu.Unlock()
	if err := t.Send(map[string]any{"id": id, "cmd": cmd, "data": data}); err != nil {
		return err
	}
	select {
	case r := <-c:
		if !r.ok {
			return &Refused{*r.problem}
		}
		if into != nil {
			return json.Unmarshal(r.data, into)
		}
		return nil
	case <-t.closed:
		return fmt.Errorf("%s: the socket is closed (%d)", cmd, t.code)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", cmd, ctx.Err())
	}
}

// Send sends a frame as it is.
func (t *Tab) Send(v any) error {
	t.write.Lock()
	defer t.write.Unlock()
	return t.conn.WriteJSON(v)
}

// SendRaw sends bytes as a text frame.
func (t *Tab) SendRaw(b []byte) error {
	t.write.Lock()
	defer t.write.Unlock()
	return t.conn.WriteMessage(websocket.TextMessage, b)
}

// Await returns the first event of a name from the given position on that fits, and the position behind it.
func (t *Tab) Await(ctx context.Context, from int, name string, fits func(Event) bool) (Event, int, error) {
	for at := from; ; {
		t.mu.Lock()
		events, more := t.events, t.more
		t.mu.Unlock()
		for ; at < len(events); at++ {
			if e := events[at]; e.Name == name && (fits == nil || fits(e)) {
				return e, at + 1, nil
			}
		}
		select {
		case <-more:
		case <-t.closed:
			return Event{}, at, fmt.Errorf("%s: the socket is closed (%d)", name, t.code)
		case <-ctx.Done():
			return Event{}, at, fmt.Errorf("no event %s: %w", name, ctx.Err())
		}
	}
}

// Events returns all events so far.
func (t *Tab) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events)
}

// Position is behind the last event so far.
func (t *Tab) Position() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}

// Closed is closed when the socket is; [Tab.Code] says why then.
func (t *Tab) Closed() <-chan struct{} { return t.closed }

// Code is the close code; 0 when there was none.
func (t *Tab) Code() int { <-t.closed; return t.code }

// Cut closes the socket without a word. The audio goes on.
func (t *Tab) Cut() {
	_ = t.conn.Close()
	<-t.closed
}

// Close ends the tab as a browser does: socket and audio.
func (t *Tab) Close() {
	t.Cut()
	if t.Audio != nil {
		t.Audio.Close()
	}
}

// Phone makes the tab the phone: it offers audio and waits until that is up. What was there before is closed.
func (t *Tab) Phone(ctx context.Context, tone float64) error {
	if t.Audio != nil {
		t.Audio.Close()
	}
	a, err := NewAudio(tone)
	if err != nil {
		return err
	}
	t.Audio = a
	offer, err := a.Offer()
	if err != nil {
		return err
	}
	from := t.Position()
	var answer struct {
		SDP string `json:"sdp"`
	}
	if err := t.Do(ctx, "phone.offer", map[string]string{"sdp": offer}, &answer); err != nil {
		return err
	}
	if err := a.Answer(answer.SDP); err != nil {
		return err
	}
	_, _, err = t.Await(ctx, from, "phone", func(e Event) bool {
		var p softphone.PhoneView
		e.Into(&p)
		return p.Active == "this" && p.Media == "up"
	})
	return err
}
