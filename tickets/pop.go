package tickets

import (
	"context"

	"hotline/tickets/contacts"
)

// Pop returns what is known of a caller, for the screen of whoever the call is offered to.
func (d *Desk) Pop(ctx context.Context, q contacts.Query) (contacts.Pop, error) {
	return contacts.Pop{}, nil
}
