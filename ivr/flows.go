package ivr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/ivr/flow"
	"hotline/postgres"
)

// flowRecord is a row of flow with its published text.
type flowRecord struct {
	Name             string
	Draft            *string
	DraftBy          *string
	DraftAt          *time.Time
	PublishedVersion *int64
	PublishedAt      *time.Time
	PublishedBy      *string
	Source           *string
	Numbers          []string
}

const flowColumns = `select f.name, f.draft, f.draft_by, f.draft_at, f.published_version, v.published_at, v.published_by, v.source,
	array(select n.number from number n where n.flow = f.name order by n.number) as numbers
	from flow f left join flow_version v on v.flow = f.name and v.version = f.published_version`

func (r flowRecord) row() FlowRow {
	f, _ := flow.Parse(r.text())
	return FlowRow{
		Name: r.Name, Title: f.Title, PublishedVersion: r.PublishedVersion, PublishedAt: r.PublishedAt, PublishedBy: orBlank(r.PublishedBy),
		HasDraft: r.Draft != nil, DraftAt: r.DraftAt, DraftBy: orBlank(r.DraftBy), Numbers: orEmpty(r.Numbers),
	}
}

func (r flowRecord) text() string {
	if r.Draft != nil {
		return *r.Draft
	}
	return orBlank(r.Source)
}

func orBlank(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Flows lists all flows by name.
func (s *Store) Flows(ctx context.Context) ([]FlowRow, error) {
	rows, err := s.pool.Query(ctx, flowColumns+" order by f.name")
	if err != nil {
		return nil, err
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByName[flowRecord])
	if err != nil {
		return nil, err
	}
	out := make([]FlowRow, len(records))
	for i, r := range records {
		out[i] = r.row()
	}
	return out, nil
}

func flowByName(ctx context.Context, db postgres.DB, name, lock string) (flowRecord, error) {
	rows, err := db.Query(ctx, flowColumns+" where f.name = $1 "+lock, name)
	if err != nil {
		return flowRecord{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[flowRecord])
	if errors.Is(err, pgx.ErrNoRows) {
		return r, notFound("flow.not_found", "there is no flow %q", name)
	}
	return r, err
}

// Flow returns a flow with its text, problems, outline and versions (the newest 100).
func (s *Store) Flow(ctx context.Context, name string) (FlowDetail, error) {
	r, err := flowByName(ctx, s.pool, name, "")
	if err != nil {
		return FlowDetail{}, err
	}
	d := FlowDetail{FlowRow: r.row(), Source: r.text(), PublishedSource: orBlank(r.Source), Outline: Outline(r.text())}
	if d.Problems, err = s.Validate(ctx, d.Source); err != nil {
		return d, err
	}
	rows, err := s.pool.Query(ctx, `select version, published_at, published_by, comment, '' as source from flow_version
		where flow = $1 order by version desc limit 100`, name)
	if err != nil {
		return d, err
	}
	d.Versions, err = pgx.CollectRows(rows, pgx.RowToStructByName[FlowVersion])
	d.Versions = orEmpty(d.Versions)
	return d, err
}

// Version returns a published version with its text.
func (s *Store) Version(ctx context.Context, name string, version int64) (FlowVersion, error) {
	rows, err := s.pool.Query(ctx, `select version, published_at, published_by, comment, source from flow_version
		where flow = $1 and version = $2`, name, version)
	if err != nil {
		return FlowVersion{}, err
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[FlowVersion])
	if errors.Is(err, pgx.ErrNoRows) {
		return v, notFound("flow.no_version", "flow %q has no version %d", name, version)
	}
	return v, err
}

// SaveDraft keeps the text of a flow without publishing it; it may have problems, but must be text of a bearable size and of that
// name. A flow that does not exist is made. base is the published version from which the draft was written: if another was
// published meanwhile the draft is refused (nil: not checked).
func (s *Store) SaveDraft(ctx context.Context, by, name, source string, base *int64) (FlowDetail, error) {
	if len(source) > flow.MaxSource {
		return FlowDetail{}, invalid("source", "flow.too_big", "the flow has %d bytes; at most %d are allowed", len(source), flow.MaxSource)
	}
	if !validName(name) {
		return FlowDetail{}, invalid("name", "flow.bad_name", "%q is not a name: use a-z, 0-9 and -", name)
	}
	if f, _ := flow.Parse(source); f.Name != "" && f.Name != name {
		return FlowDetail{}, invalid("source", "flow.other_name", "the text says flow: %s, but this is the flow %s", f.Name, name)
	}
	err := s.edit(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into flow (name) values ($1) on conflict do nothing", name); err != nil {
			return err
		}
		r, err := flowByName(ctx, tx, name, "for update of f")
		if err != nil {
			return err
		}
		if base != nil && orZero(r.PublishedVersion) != *base {
			return conflict("flow")
		}
		_, err = tx.Exec(ctx, "update flow set draft = $2, draft_by = $3, draft_at = now() where name = $1", name, source, by)
		return err
	})
	if err != nil {
		return FlowDetail{}, err
	}
	return s.Flow(ctx, name)
}

func orZero(v *int64) int64 {
	if v == nil {
		return 0
	}
	return *v
}

// DiscardDraft forgets the draft. A flow that was never published goes with it, unless a number points to it.
func (s *Store) DiscardDraft(ctx context.Context, name string) error {
	return s.edit(ctx, func(tx pgx.Tx) error {
		r, err := flowByName(ctx, tx, name, "for update of f")
		if err != nil {
			return err
		}
		if r.PublishedVersion == nil {
			_, err = tx.Exec(ctx, "delete from flow where name = $1", name)
			return referred(err, "flow.in_use", "a number points to this flow, which has no published version; change the number first")
		}
		_, err = tx.Exec(ctx, "update flow set draft = null, draft_by = null, draft_at = null where name = $1", name)
		return err
	})
}

// PublishError says why a flow was not published.
type PublishError struct{ Problems []Problem }

func (e *PublishError) Error() string {
	return fmt.Sprintf("the flow has %d problems; the first: %s", len(e.Problems), e.Problems[0])
}

// Unwrap gives each problem as a [hotline.Error] with field and line.
func (e *PublishError) Unwrap() []error {
	out := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		out[i] = &hotline.Error{Kind: hotline.Invalid, Code: p.Code, Message: p.Message, Field: p.Field, Line: p.Line}
	}
	return out
}

// Publish makes the draft the version that callers meet; calls under way keep theirs. A draft with problems is refused with a
// [PublishError] and what is live stays.
func (s *Store) Publish(ctx context.Context, by, name, comment string) (FlowVersion, error) {
	var v FlowVersion
	err := s.edit(ctx, func(tx pgx.Tx) error {
		r, err := flowByName(ctx, tx, name, "for update of f")
		if err != nil {
			return err
		}
		if r.Draft == nil {
			return hotline.Errorf(hotline.Conflict, "flow.no_draft", "flow %q has no draft to publish", name)
		}
		v, err = s.publish(ctx, tx, r, *r.Draft, by, comment)
		return err
	})
	return v, err
}

// Rollback publishes the text of an earlier version again, as a new version. A draft is kept.
func (s *Store) Rollback(ctx context.Context, by, name string, version int64, comment string) (FlowVersion, error) {
	old, err := s.Version(ctx, name, version)
	if err != nil {
		return old, err
	}
	if comment == "" {
		comment = fmt.Sprintf("Back to version %d", version)
	}
	var v FlowVersion
	err = s.edit(ctx, func(tx pgx.Tx) error {
		r, err := flowByName(ctx, tx, name, "for update of f")
		if err != nil {
			return err
		}
		draft, draftBy, draftAt := r.Draft, r.DraftBy, r.DraftAt
		if v, err = s.publish(ctx, tx, r, old.Source, by, comment); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update flow set draft = $2, draft_by = $3, draft_at = $4 where name = $1", name, draft, draftBy, draftAt)
		return err
	})
	return v, err
}

func (s *Store) publish(ctx context.Context, tx pgx.Tx, r flowRecord, source, by, comment string) (FlowVersion, error) {
	w, err := readWorld(ctx, tx, s.rules)
	if err != nil {
		return FlowVersion{}, err
	}
	f, problems := flow.Check(source, w)
	if len(problems) > 0 {
		return FlowVersion{}, &PublishError{problems}
	}
	if f.Name != r.Name {
		return FlowVersion{}, invalid("source", "flow.other_name", "the text says flow: %s, but this is the flow %s", f.Name, r.Name)
	}
	if err := s.speakAhead(ctx, f); err != nil {
		return FlowVersion{}, err
	}
	v := FlowVersion{PublishedBy: by, Comment: comment, Source: source}
	err = tx.QueryRow(ctx, `insert into flow_version (flow, version, source, comment, published_by, published_at)
		values ($1, (select coalesce(max(version), 0) + 1 from flow_version where flow = $1), $2, $3, $4, now())
		returning version, published_at`, r.Name, source, comment, by).Scan(&v.Version, &v.PublishedAt)
	if err != nil {
		return v, err
	}
	_, err = tx.Exec(ctx, `update flow set published_version = $2, draft = null, draft_by = null, draft_at = null where name = $1`, r.Name, v.Version)
	return v, err
}

// DeleteFlow removes a flow with all its versions. A flow to which a number points is kept.
func (s *Store) DeleteFlow(ctx context.Context, name string) error {
	return s.edit(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from flow where name = $1", name)
		if err != nil {
			return referred(err, "flow.in_use", "a number points to this flow; change the number first")
		}
		if tag.RowsAffected() == 0 {
			return notFound("flow.not_found", "there is no flow %q", name)
		}
		return nil
	})
}
