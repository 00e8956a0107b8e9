package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/ivr/hours"
	"hotline/postgres"
)

type hoursRecord struct {
	Name      string
	Title     []byte
	Timezone  string
	Schedule  []byte
	Version   int64
	UpdatedAt time.Time
}

const hoursColumns = "select name, title, timezone, schedule, version, updated_at from hours"

func (r hoursRecord) row(now time.Time) (HoursRow, error) {
	h := HoursRow{Name: r.Name, Title: titlesOf(r.Title), Timezone: r.Timezone, Version: r.Version, UpdatedAt: r.UpdatedAt}
	if err := json.Unmarshal(r.Schedule, &h.Schedule); err != nil {
		return h, err
	}
	h.Schedule.Weekly, h.Schedule.Holidays = orEmpty(h.Schedule.Weekly), orEmpty(h.Schedule.Holidays)
	h.Schedule.Overrides = orEmpty(h.Schedule.Overrides)
	for i := range h.Schedule.Holidays {
		h.Schedule.Holidays[i].Open = orEmpty(h.Schedule.Holidays[i].Open)
	}
	zone, err := hours.Zone(r.Timezone)
	if err != nil {
		return h, err
	}
	h.OpenNow = h.Schedule.OpenAt(now, zone)
	if at, ok := h.Schedule.NextChange(now, zone); ok {
		at = at.UTC()
		h.NextChange = &at
	}
	return h, nil
}

// HourTables lists the tables of opening hours by name, with what they say now.
func (s *Store) HourTables(ctx context.Context) ([]HoursRow, error) {
	rows, err := s.pool.Query(ctx, hoursColumns+" order by name")
	if err != nil {
		return nil, err
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByName[hoursRecord])
	if err != nil {
		return nil, err
	}
	out := make([]HoursRow, len(records))
	now := time.Now()
	for i, r := range records {
		if out[i], err = r.row(now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// HourTable returns a table of opening hours.
func (s *Store) HourTable(ctx context.Context, name string) (HoursRow, error) {
	return hourTable(ctx, s.pool, name)
}

func hourTable(ctx context.Context, db postgres.DB, name string) (HoursRow, error) {
	rows, err := db.Query(ctx, hoursColumns+" where name = $1", name)
	if err != nil {
		return HoursRow{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[hoursRecord])
	if errors.Is(err, pgx.ErrNoRows) {
		return HoursRow{}, notFound("hours.not_found", "there are no opening hours %q", name)
	}
	if err != nil {
		return HoursRow{}, err
	}
	return r.row(time.Now())
}

// PutHours keeps a table of opening hours. Version is the one that was read, 0 for a new table. Several wrong inputs come as joined
// errors, each with its path below the row ("schedule.weekly[2].from").
func (s *Store) PutHours(ctx context.Context, h HoursRow) (HoursRow, error) {
	if err := h.Check(); err != nil {
		return h, err
	}
	title, err := json.Marshal(h.Title)
	if err != nil {
		return h, err
	}
	if h.Title == nil {
		title = []byte("{}")
	}
	schedule, err := json.Marshal(h.Schedule)
	if err != nil {
		return h, err
	}
	var out HoursRow
	err = s.edit(ctx, func(tx pgx.Tx) error {
		sql := `update hours set title = @title, timezone = @zone, schedule = @schedule, version = version + 1, updated_at = now()
			where name = @name and version = @version`
		if h.Version == 0 {
			sql = "insert into hours (name, title, timezone, schedule) values (@name, @title, @zone, @schedule) on conflict do nothing"
		}
		tag, err := tx.Exec(ctx, sql, pgx.NamedArgs{"name": h.Name, "title": title, "zone": h.Timezone, "schedule": schedule, "version": h.Version})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return conflict("hours")
		}
		out, err = hourTable(ctx, tx, h.Name)
		return err
	})
	return out, err
}

// Check says what is wrong with the table, as [Store.PutHours] would.
func (h HoursRow) Check() error {
	var list []*hotline.Error
	if !validName(h.Name) {
		list = append(list, invalid("name", "hours.bad_name", "%q is not a name: use a-z, 0-9 and -", h.Name))
	}
	for l, title := range h.Title {
		if !known(l) || len(title) > 200 {
			list = append(list, invalid("title", "hours.title", "give titles in zh-CN and en, of at most 200 bytes"))
		}
	}
	var zone *hotline.Error
	if _, err := hours.Zone(h.Timezone); errors.As(err, &zone) {
		list = append(list, zone)
	}
	for _, e := range h.Schedule.Check() {
		e.Field = "schedule." + e.Field
		list = append(list, e)
	}
	return joined(list)
}

// DeleteHours removes a table, unless a published flow needs it.
func (s *Store) DeleteHours(ctx context.Context, name string, version int64) error {
	return s.edit(ctx, func(tx pgx.Tx) error {
		if err := removeVersioned(ctx, tx, "hours", "name = $1", version, name); err != nil {
			return err
		}
		return s.stillGood(ctx, tx, "hours")
	})
}
