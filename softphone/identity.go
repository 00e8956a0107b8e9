package softphone

import (
	"context"

	"hotline"
	"hotline/tickets"
)

// Right is something that not everybody on a socket may do. Whoever authenticates says who may.
type Right string

// The rights.
const (
	MayTakeCalls Right = "calls"     // be an agent: ready, answer, everything on one's own call
	MayDialOut   Right = "dial_out"  // reach numbers outside: dial, transfer, consult
	MaySupervise Right = "supervise" // listen, whisper, barge into calls of the queues in scope
	MayWatch     Right = "board"     // the live board of the queues in scope
)

// Identity is who is at the other end of a socket, as web has found out.
type Identity struct {
	Account string // id of the account
	Name    string
	Role    string
	Locale  string // "en", "zh-CN"
	Remote  string // address, for the audit

	See hotline.Scope    // whose calls and tickets they see
	May func(Right) bool // nil: nothing
	// Check is asked now and then, and before what matters, whether all this still holds, and returns the scope as it is now. An error
	// of kind Denied ends the socket: logged out, disabled, another role. Any other error changes nothing: the database may be away
	// while people talk. nil: it holds as long as the socket does.
	Check func(ctx context.Context) (hotline.Scope, error)
}

func (i Identity) may(r Right) bool { return i.May != nil && i.May(r) }

func (i Identity) actor() tickets.Actor {
	return tickets.Actor{ID: i.Account, Name: i.Name, Role: i.Role, Remote: i.Remote}
}
