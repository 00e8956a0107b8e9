// Package attachments keeps files at tickets.
//
// The bytes lie in the database in parts, under ids that are made here: the name that somebody gave a file is shown to people and used
// for nothing. What may be read or added is what of the tickets is in scope; each adding and removing is in the ticket's history.
// Start at [Store.Add].
package attachments

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres"
	"hotline/tickets"
)

// Limits.
const (
	MaxBytes  = 20 << 20
	maxOnOne  = 200 // of one ticket
	partBytes = 256 << 10
)

// Attachment is a file at a ticket.
type Attachment struct {
	ID     string
	Ticket int64
	Name   string // for people
	Media  string // what the bytes look like; application/octet-stream unless they are surely harmless
	Bytes  int64
	SHA256 string // hex
	By     tickets.Owner
	At     time.Time
}

// Store keeps attachments.
type Store struct{ pool *pgxpool.Pool }

// New returns the store of a database.
func New(pool *pgxpool.Pool) *Store { return &Store{pool} }

// File is a file to be added.
type File struct {
	Name string
	Key  string // chosen by the client: a file with a key that was used is not added again
	Data []byte
}

// happened is what the timeline says.
type happened struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Media string `json:"media"`
}

// Add adds a file to a ticket that desk shows.
func (s *Store) Add(ctx context.Context, desk *tickets.Desk, by tickets.Actor, ticket int64, f File) (Attachment, error) {
	if len(f.Data) == 0 {
		return Attachment{}, invalid("body", "attachment.empty", "the file is empty")
	}
	if len(f.Data) > MaxBytes {
		return Attachment{}, invalid("body", "attachment.too_large", "the file has more than %d MB", MaxBytes>>20)
	}
	if len(f.Key) > 100 {
		return Attachment{}, invalid("query.key", "tickets.too_long", "the key has more than 100 characters")
	}
	sum := sha256.Sum256(f.Data)
	a := Attachment{ID: hotline.NewID(), Ticket: ticket, Name: displayName(f.Name), Media: mediaOf(f.Data), Bytes: int64(len(f.Data)),
		SHA256: hex.EncodeToString(sum[:]), By: tickets.Owner{ID: by.ID, Name: by.Name}}
	err := desk.Do(ctx, by, ticket, func(tx pgx.Tx, now time.Time) (string, any, error) {
		a.At = now
		if f.Key != "" {
			f.Key = fmt.Sprintf("%d %s %s", ticket, by.ID, tickets.Clean(f.Key, 100))
		}
		old, there, err := before(ctx, tx, ticket, f.Key)
		if err != nil || there {
			a = old
			return "", nil, err
		}
		if err := insert(ctx, tx, a, f.Key, sum[:], f.Data); err != nil {
			return "", nil, err
		}
		return "attachment", happened{a.ID, a.Name, a.Bytes, a.Media}, nil
	})
	if err != nil {
		return Attachment{}, err
	}
	return a, nil
}

// before finds what was added with a key, and refuses one file too many.
func before(ctx context.Context, tx pgx.Tx, ticket int64, key string) (Attachment, bool, error) {
	var n int
	if err := tx.QueryRow(ctx, `select count(*) from attachment where ticket = $1 and removed_at is null`, ticket).Scan(&n); err != nil {
		return Attachment{}, false, fmt.Errorf("count attachments: %w", err)
	}
	if key != "" {
		a, err := one(ctx, tx, `a.key = $1`, key)
		if hotline.KindOf(err) != hotline.NotFound {
			return a, err == nil, err
		}
	}
	if n >= maxOnOne {
		return Attachment{}, false, hotline.Errorf(hotline.Conflict, "attachment.many", "ticket %d has %d files already: remove some first", ticket, n)
	}
	return Attachment{}, false, nil
}

func insert(ctx context.Context, tx pgx.Tx, a Attachment, key string, sum, data []byte) error {
	b := &pgx.Batch{}
	b.Queue(`insert into attachment (id, ticket, name, media, bytes, sha256, actor, actor_name, key, at) values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), $10)`,
		a.ID, a.Ticket, a.Name, a.Media, a.Bytes, sum, a.By.ID, a.By.Name, key, a.At)
	n := 0
	for part := range slices.Chunk(data, partBytes) {
		b.Queue(`insert into attachment_part (attachment_id, n, data) values ($1, $2, $3)`, a.ID, n, part)
		n++
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep attachment: %w", err)
	}
	return nil
}

const columns = `a.id::text, a.ticket, a.name, a.media, a.bytes, encode(a.sha256, 'hex'), a.actor, a.actor_name, a.at`

func scan(r pgx.CollectableRow) (a Attachment, err error) {
	err = r.Scan(&a.ID, &a.Ticket, &a.Name, &a.Media, &a.Bytes, &a.SHA256, &a.By.ID, &a.By.Name, &a.At)
	a.At = a.At.UTC()
	return a, err
}

func one(ctx context.Context, db postgres.DB, where string, args ...any) (Attachment, error) {
	rows, err := db.Query(ctx, `select `+columns+` from attachment a where a.removed_at is null and `+where, args...)
	if err != nil {
		return Attachment{}, fmt.Errorf("find attachment: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Attachment{}, unknown()
	}
	if err != nil {
		return Attachment{}, fmt.Errorf("find attachment: %w", err)
	}
	return a, nil
}

func unknown() error {
	return hotline.Errorf(hotline.NotFound, "attachment.unknown", "there is no such file at this ticket")
}

// List returns the files of a ticket that desk shows, the oldest first.
func (s *Store) List(ctx context.Context, desk *tickets.Desk, ticket int64) ([]Attachment, error) {
	if err := desk.Check(ctx, ticket); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `select `+columns+` from attachment a where a.ticket = $1 and a.removed_at is null order by a.at, a.id`, ticket)
	if err != nil {
		return nil, fmt.Errorf("list attachments: %w", err)
	}
	return pgx.CollectRows(rows, scan)
}

// Open returns a file of that very ticket, if desk shows it, and what writes its bytes part by part.
func (s *Store) Open(ctx context.Context, desk *tickets.Desk, ticket int64, id string) (Attachment, io.WriterTo, error) {
	if err := desk.Check(ctx, ticket); err != nil {
		return Attachment{}, nil, err
	}
	a, err := one(ctx, s.pool, `a.id = $1 and a.ticket = $2`, id, ticket)
	return a, &reader{ctx: ctx, pool: s.pool, id: id}, err
}

// reader reads a file part by part. It holds no connection while the other side is slow.
type reader struct {
	ctx  context.Context // of the request that downloads
	pool *pgxpool.Pool
	id   string
}

// WriteTo writes the whole file.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	for n := 0; ; n++ {
		var part []byte
		err := r.pool.QueryRow(r.ctx, `select data from attachment_part where attachment_id = $1 and n = $2`, r.id, n).Scan(&part)
		if errors.Is(err, pgx.ErrNoRows) {
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("read attachment: %w", err)
		}
		wrote, err := w.Write(part)
		total += int64(wrote)
		if err != nil {
			return total, err
		}
	}
}

// Remove takes a file away: whoever added it may, and who may remove those of others. The history keeps that it was there.
func (s *Store) Remove(ctx context.Context, desk *tickets.Desk, by tickets.Actor, ticket int64, id string, others bool) error {
	return desk.Do(ctx, by, ticket, func(tx pgx.Tx, now time.Time) (string, any, error) {
		a, err := one(ctx, tx, `a.id = $1 and a.ticket = $2`, id, ticket)
		if err != nil {
			return "", nil, err
		}
		if a.By.ID != by.ID && !others {
			return "", nil, hotline.Errorf(hotline.Denied, "attachment.others", "only %s or a supervisor may remove this file", a.By.Name)
		}
		b := &pgx.Batch{}
		b.Queue(`update attachment set removed_at = $2 where id = $1`, id, now)
		b.Queue(`delete from attachment_part where attachment_id = $1`, id)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return "", nil, fmt.Errorf("remove attachment: %w", err)
		}
		return "attachment_removed", happened{a.ID, a.Name, a.Bytes, a.Media}, nil
	})
}

// displayName is what people are shown of the name that a file came with: the last part of a path, without what is no text.
func displayName(s string) string {
	s = strings.ToValidUTF8(s, "")
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.Trim(tickets.Clean(s, 150), ". ")
	if s == "" {
		return "file"
	}
	return s
}

// harmless is what a viewer of ours may be told of a file; nothing that can carry a script is among it.
var harmless = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "application/zip", "audio/wave", "audio/mpeg", "video/mp4", "text/plain"}

// mediaOf looks at the bytes: what the sender says counts for nothing.
func mediaOf(data []byte) string {
	media, _, _ := strings.Cut(http.DetectContentType(data), ";")
	if media == "text/plain" && bytes.ContainsRune(data[:min(len(data), 512)], '<') || !slices.Contains(harmless, media) {
		return "application/octet-stream"
	}
	return media
}

func invalid(field, code, format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}
