package tickets

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/call"
	"hotline/postgres"
	"hotline/tickets/sight"
)

// Config of a [Desk].
type Config struct {
	Attach         Rule          // which ticket a call belongs to; the zero value is [DefaultRule]
	Country        string        // "CN": whose numbers are typed without a country code; "" means CN
	CallbackWithin time.Duration // when a call-back is due; 0 means one hour
	Quick          *pgxpool.Pool // for the screen-pop, for which a ringing call waits; nil: the desk's own
	Log            *slog.Logger
	Now            func() time.Time // nil: the clock
}

// Desk is where tickets are kept.
type Desk struct {
	pool *pgxpool.Pool
	cfg  Config
	see  hotline.Scope // whose eyes it is seen with; see [Desk.For]
}

// New returns a desk on a migrated database, with everything in sight.
func New(pool *pgxpool.Pool, cfg Config) *Desk {
	if cfg.Attach == (Rule{}) {
		cfg.Attach = DefaultRule
	}
	if cfg.Country == "" {
		cfg.Country = "CN"
	}
	if cfg.CallbackWithin == 0 {
		cfg.CallbackWithin = time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Quick == nil {
		cfg.Quick = pool
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Desk{pool: pool, cfg: cfg, see: hotline.Scope{All: true}}
}

// Register has j apply the facts of calls to tickets. Register after the recordings' store: a recording's row is given its ticket
// here.
func (d *Desk) Register(j *call.Journal) {
	j.OnBatch(d.file, slices.Collect(maps.Keys(filing))...)
}

// Actor is who does something. It goes into the history with what was done.
type Actor struct {
	ID     string `json:"id"` // an account's id, "token:NAME" or "system"
	Name   string `json:"name"`
	Role   string `json:"-"`
	Remote string `json:"-"` // address, for the audit
}

// System is the actor of what Hotline does by itself.
var System = Actor{ID: "system"}

// Audience is who reads. Only staff may see what is internal; the zero value is everybody else, so that forgetting to say leaks
// nothing.
type Audience int

// The audiences.
const (
	Customer Audience = iota
	Staff
)

// tx runs one transaction with one "now", in milliseconds as the API shows times.
func (d *Desk) tx(ctx context.Context, f func(tx pgx.Tx, now time.Time) error) error {
	now := d.now()
	return postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error { return f(tx, now) })
}

// Do runs f on a ticket in scope that is held until the commit, and appends what f says has happened to its history; with kind ""
// nothing has.
func (d *Desk) Do(ctx context.Context, by Actor, number int64, f func(tx pgx.Tx, now time.Time) (kind string, data any, err error)) error {
	return d.tx(ctx, func(tx pgx.Tx, now time.Time) error {
		if _, err := d.lockTicket(ctx, tx, number); err != nil {
			return err
		}
		kind, data, err := f(tx, now)
		if err != nil || kind == "" {
			return err
		}
		_, err = appendEvent(ctx, tx, event{ticket: number, kind: kind, actor: by, at: now, data: data})
		return err
	})
}

func (d *Desk) now() time.Time { return stamp(d.cfg.Now()) }

// stamp is a time as it is kept.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Clean is clean, for names that strangers choose.
func Clean(s string, max int) string { return clean(s, max) }

// clean takes out of a line of text what is no text (control characters, broken UTF-8, marks that turn the writing direction) and
// cuts it to at most max characters. What a stranger sends as a name must not break a page or a database column.
func clean(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfeff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.TrimSpace(s)
	if r := []rune(s); len(r) > max {
		s = strings.TrimSpace(string(r[:max]))
	}
	return s
}

// cleanBody is clean for a text of several lines.
func cleanBody(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s))
}

func notFound(what string, which any) error {
	return hotline.Errorf(hotline.NotFound, "tickets."+what+"_unknown", "there is no %s %v", what, which)
}

// isID says whether s can be the id of a row.
func isID(s string) bool { return sight.ID(s) }
