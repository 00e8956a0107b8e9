package calltest

import (
	"testing"

	"hotline"
	"hotline/call"
	"hotline/media"
)

// Browser is an agent's softphone, as far as a conversation knows it: a stream, and real RTP at its other end.
type Browser struct {
	Phone *Phone
	Seat  call.AgentSeat
}

// NewBrowser opens the softphone of an agent.
func NewBrowser(t testing.TB, e *media.Engine, agent string) *Browser {
	t.Helper()
	phone, stream, negotiate := connect(t, e, hotline.NewID(), nil)
	if err := negotiate(); err != nil {
		t.Fatal(err)
	}
	return &Browser{Phone: phone, Seat: call.AgentSeat{Agent: agent, Name: "Agent " + agent, Stream: stream}}
}

// Close ends it: the tab was closed, or the machine went to sleep.
func (b *Browser) Close() {
	b.Seat.Stream.Close()
	b.Phone.close()
}

// connect opens a stream with a phone at its other end; they hear each other once negotiate is called.
func connect(t testing.TB, e *media.Engine, id string, heard func(media.StreamEvent)) (p *Phone, s *media.Stream, negotiate func() error) {
	t.Helper()
	phone, err := newPhone()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(phone.close)
	stream, err := e.Open(media.OpenOptions{ID: id, OnEvent: heard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	phone.dial(stream.Local())
	return phone, stream, func() error {
		return stream.Configure(media.Setup{Codec: media.PCMU, DTMFPayloadType: telephoneEvent, Remote: phone.local()})
	}
}
