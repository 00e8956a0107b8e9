package call

import "context"

// Originate says how an outbound call begins.
type Originate struct {
	Dialer   Dialer
	Dial     Dial   // CallID, LegID and Mailbox are filled in
	Queue    string // for which it is made; "" if for none
	Ticket   int64  // to which it belongs; 0: its own
	Agent    string // for whom it is made
	Name     string // of who is called, if it is known
	Language string
}

// Originate makes an outbound call: its own leg is the one that is dialled. The script runs at once; [Call.Connected] waits for the
// answer, [Call.Talk] lets the agent hear it ring.
func (s *Switchboard) Originate(ctx context.Context, o Originate, script Script) (callID string, err error) {
	return "", errNotTalking
}

// Connected waits until the outbound call is taken. The error is of kind Unavailable when it was not.
func (c *Call) Connected(ctx context.Context) error { return errNotTalking }

// Call returns a call that goes on.
func (s *Switchboard) Call(id string) (*Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.calls[id]
	return c, ok
}
