package softphone

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"hotline/acd"
	"hotline/call"
	"hotline/tickets"
)

// Config configures a [Gateway].
type Config struct {
	Line   *acd.Line
	Queues *acd.Queues
	Calls  *call.Switchboard

	Desk    Desk                                                                 // audit and notes: tickets.Desk
	Dial    func(ctx context.Context, o OutboundCall) (callID string, err error) // click-to-dial; nil: there is none
	Route   func(ctx context.Context, agent, queue, number string) error         // whether a number may be reached; nil: none may
	Hook    func(ctx context.Context, url string, body []byte) error             // posts the pop of a foreign system; nil: none is told
	PopURL  string                                                               // "https://crm.example.com/?phone={e164}&ticket={number}", "" for none
	PopHook string                                                               // address that each pop is posted to, "" for none

	Origins    []string      // further origins that a page may have, besides the address it asks ("https://desk.example.com")
	Away       time.Duration // an agent who is gone for longer is not at work any more; 0 means 30 s
	MaxSockets int           // in all; 0 means 4096
	MaxAccount int           // of one account; 0 means 8
	Log        *slog.Logger
}

// Desk is what the gateway needs of the tickets.
type Desk interface {
	Audit(ctx context.Context, by tickets.Actor, a tickets.NewAudit) error
	AddNote(ctx context.Context, by tickets.Actor, number int64, n tickets.NewNote) (tickets.Entry, error)
}

// OutboundCall is a call that an agent makes.
type OutboundCall struct {
	Agent, Name string
	Phone       string
	Ticket      int64 // 0: the caller's open ticket, or a new one
	Queue       string
}

// Gateway is where browsers are connected.
type Gateway struct {
	cfg Config
	log *slog.Logger
}

// New returns a gateway without browsers.
func New(cfg Config) (*Gateway, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Gateway{cfg: cfg, log: cfg.Log}, nil
}

// Run keeps sessions, boards and figures going until ctx is done, then closes all sockets and waits for them.
func (g *Gateway) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Serve takes over the connection of a request of somebody who is known, until it is closed.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, who Identity) {
	http.Error(w, "not yet", http.StatusServiceUnavailable)
}

// Mention tells an account, if it is there, that it was named in a note.
func (g *Gateway) Mention(account string, m Mention) {}

// Notify shows a notice to an account, if it is there.
func (g *Gateway) Notify(account string, n Notice) {}
