package ivr

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/acd"
	"hotline/call"
	"hotline/ivr/lookup"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/recordings"
	"hotline/tickets"
)

// Config of an [Exchange].
type Config struct {
	Pool       *pgxpool.Pool
	Voice      *speech.Voice // speaks texts; see [speech.NewEspeak]
	Line       *acd.Line
	Queues     *acd.Queues
	Recordings *recordings.Store
	Tickets    TicketStates
	Agents     Agents              // nil: nobody is told who talks
	Calls      Originator          // makes outbound calls: the switchboard; nil: there are none
	Dialer     call.Dialer         // transfers call out through it; nil: the peer is asked to (REFER)
	Engine     *media.Engine       // of the rooms where callers talk
	Observe    func(call.TalkView) // each change of each conversation, in the call's goroutine: it must not block
	Away       time.Duration       // for so long an agent's browser may be away from a conversation; 0 means 20 s
	Rules      Rules
	RecordOut  bool   // outbound calls are recorded from the answer on
	Country    string // of numbers that callers type for a call-back; "" is CN
	Log        *slog.Logger
}

// Originator makes outbound calls: a call.Switchboard.
type Originator interface {
	Originate(ctx context.Context, o call.Originate, s call.Script) (callID string, err error)
}

// TicketStates tells how a ticket stands: a tickets.Desk.
type TicketStates interface {
	// NewestOpen returns the newest open ticket of a number, not counting one that the asking call has made itself; an error of kind
	// NotFound when there is none.
	NewestOpen(ctx context.Context, phone, callID string) (tickets.Status, error)
}

// Exchange runs flows for callers.
type Exchange struct {
	*Store
	cfg      Config
	log      *slog.Logger
	asker    *lookup.Client
	attempts *attempts
	outbound *dayCap
	reload   sync.Mutex // one at a time: the last to be read is the last to be live
	live     atomic.Pointer[snapshot]
}

// Open reads what is published and speaks all of it, so that no call ever waits for the voice or the database. The first start on a
// machine takes some seconds; what was spoken is kept.
func Open(ctx context.Context, cfg Config) (*Exchange, error) {
	if cfg.Voice == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "speech.missing", "there is no voice to speak prompts: run apt-get install espeak-ng")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Country == "" {
		cfg.Country = "CN"
	}
	x := &Exchange{
		Store: NewStore(cfg.Pool, cfg.Rules, cfg.Voice), cfg: cfg, log: cfg.Log, asker: lookup.New(cfg.Rules.LookupAllow),
		attempts: newAttempts(time.Now), outbound: newDayCap(cfg.Rules.OutboundPerDay, time.Now),
	}
	if err := x.Reload(ctx); err != nil {
		return nil, err
	}
	return x, nil
}

// Route finds the flow that answers a call. The flow's version is that of this moment, whatever is published later.
func (x *Exchange) Route(_ context.Context, i call.Info) (call.Script, error) {
	now := x.live.Load()
	if i.Resume != nil {
		return x.resume(now, i.Resume), nil
	}
	p := now.flows[i.Flow]
	if p == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "flow.not_live", "the number %s points to the flow %q, which has no published version", i.Dialled, i.Flow)
	}
	return func(ctx context.Context, c *call.Call) error {
		r := &run{x: x, snap: now, flow: p, call: c, secrets: map[string]string{}}
		return r.script(ctx)
	}, nil
}
