package trunks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hotline"
	"hotline/postgres"
)

// selectTrunks reads all trunks, or the one with an id; passwords are in them.
func selectTrunks(ctx context.Context, db postgres.DB, id string) ([]Trunk, error) {
	rows, err := db.Query(ctx, `select id::text, name, enabled, settings, version, created_at, updated_at from trunk
		where @id = '' or id::text = @id order by name`, pgx.NamedArgs{"id": id})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Trunk])
}

func selectNumbers(ctx context.Context, db postgres.DB, number string) ([]Number, error) {
	rows, err := db.Query(ctx, `select number, title, flow, coalesce(queue, ''), coalesce(trunk_id::text, ''), language, version, created_at, updated_at
		from number where @number = '' or number = @number order by number`, pgx.NamedArgs{"number": number})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Number])
}

// ListTrunks returns all trunks by name, without passwords.
func (d *Directory) ListTrunks(ctx context.Context) ([]Trunk, error) {
	trunks, err := selectTrunks(ctx, d.pool, "")
	if err != nil {
		return nil, fmt.Errorf("list trunks: %w", err)
	}
	for i := range trunks {
		trunks[i] = trunks[i].redacted()
	}
	return trunks, nil
}

// GetTrunk returns a trunk without passwords.
func (d *Directory) GetTrunk(ctx context.Context, id string) (Trunk, error) {
	t, err := d.oneTrunk(ctx, d.pool, id)
	return t.redacted(), err
}

func (d *Directory) oneTrunk(ctx context.Context, db postgres.DB, id string) (Trunk, error) {
	trunks, err := selectTrunks(ctx, db, id)
	if err != nil {
		return Trunk{}, fmt.Errorf("get trunk: %w", err)
	}
	if id == "" || len(trunks) != 1 {
		return Trunk{}, hotline.Errorf(hotline.NotFound, "trunk.unknown", "there is no trunk %.80q", id)
	}
	return trunks[0], nil
}

// CreateTrunk adds a trunk and returns it with id and version.
func (d *Directory) CreateTrunk(ctx context.Context, t Trunk) (Trunk, error) {
	t.ID, t.Version = hotline.NewID(), 1
	t.Settings.keepPasswords(TrunkSettings{})
	if err := t.validate(); err != nil {
		return Trunk{}, err
	}
	err := postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error {
		t.CreatedAt = time.Now().UTC().Truncate(time.Microsecond)
		t.UpdatedAt = t.CreatedAt
		if err := d.userFree(ctx, tx, t); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `insert into trunk (id, name, enabled, settings, version, created_at, updated_at)
			values (@id, @name, @enabled, @settings, 1, @now, @now)`,
			pgx.NamedArgs{"id": t.ID, "name": t.Name, "enabled": t.Enabled, "settings": t.Settings, "now": t.CreatedAt})
		return err
	})
	if err != nil {
		return Trunk{}, trunkError("create trunk", t.Name, err)
	}
	d.follow(ctx)
	return t.redacted(), nil
}

// UpdateTrunk replaces a trunk whose version is still t.Version. A password that is left out stays.
func (d *Directory) UpdateTrunk(ctx context.Context, t Trunk) (Trunk, error) {
	var out Trunk
	err := postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error {
		old, err := d.oneTrunk(ctx, tx, t.ID)
		if err != nil {
			return err
		}
		next := t
		next.Settings.keepPasswords(old.Settings)
		if err := next.validate(); err != nil {
			return err
		}
		if err := d.userFree(ctx, tx, next); err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		tag, err := tx.Exec(ctx, `update trunk set name = @name, enabled = @enabled, settings = @settings, version = version + 1, updated_at = @now
			where id = @id and version = @version`,
			pgx.NamedArgs{"id": t.ID, "version": t.Version, "name": next.Name, "enabled": next.Enabled, "settings": next.Settings, "now": now})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return hotline.Errorf(hotline.Conflict, "trunk.changed", "trunk %s was changed by somebody else (version %d, you have %d): load it again", old.Name, old.Version, t.Version)
		}
		next.Version, next.CreatedAt, next.UpdatedAt = t.Version+1, old.CreatedAt, now
		out = next.redacted()
		return nil
	})
	if err != nil {
		return Trunk{}, trunkError("update trunk", t.Name, err)
	}
	d.follow(ctx)
	return out, nil
}

// DeleteTrunk removes a trunk that no number is bound to.
func (d *Directory) DeleteTrunk(ctx context.Context, id string, version int64) error {
	err := postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error {
		old, err := d.oneTrunk(ctx, tx, id)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `delete from trunk where id = @id and version = @version`, pgx.NamedArgs{"id": id, "version": version})
		if err == nil && tag.RowsAffected() == 0 {
			return hotline.Errorf(hotline.Conflict, "trunk.changed", "trunk %s was changed by somebody else (version %d, you have %d): load it again", old.Name, old.Version, version)
		}
		return err
	})
	if err != nil {
		return trunkError("delete trunk", id, err)
	}
	d.follow(ctx)
	return nil
}

// userFree refuses a digest user that another trunk has: a call could belong to either.
func (d *Directory) userFree(ctx context.Context, tx pgx.Tx, t Trunk) error {
	if t.Settings.MatchDigest == nil {
		return nil
	}
	var name string
	err := tx.QueryRow(ctx, `select name from trunk where settings->'match_digest'->>'username' = @user and id <> @id limit 1`,
		pgx.NamedArgs{"user": t.Settings.MatchDigest.Username, "id": t.ID}).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		return &hotline.Error{
			Kind: hotline.Conflict, Code: "trunk.user_taken", Field: "settings.match_digest.username",
			Message: fmt.Sprintf("trunk %s has this user name already", name),
		}
	}
	return err
}

func trunkError(op, name string, err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch pe.Code {
	case "23505":
		return &hotline.Error{Kind: hotline.Conflict, Code: "trunk.name_taken", Field: "name", Message: fmt.Sprintf("there is a trunk named %q already", name), Err: err}
	case "23503":
		return &hotline.Error{Kind: hotline.Conflict, Code: "trunk.in_use", Message: "numbers or outbound routes use this trunk: give them another trunk first", Err: err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// ListNumbers returns all numbers in order.
func (d *Directory) ListNumbers(ctx context.Context) ([]Number, error) {
	numbers, err := selectNumbers(ctx, d.pool, "")
	if err != nil {
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	return numbers, nil
}

// GetNumber returns one number.
func (d *Directory) GetNumber(ctx context.Context, number string) (Number, error) {
	return d.oneNumber(ctx, d.pool, number)
}

func (d *Directory) oneNumber(ctx context.Context, db postgres.DB, number string) (Number, error) {
	numbers, err := selectNumbers(ctx, db, number)
	if err != nil {
		return Number{}, fmt.Errorf("get number: %w", err)
	}
	if number == "" || len(numbers) != 1 {
		return Number{}, hotline.Errorf(hotline.NotFound, "number.unknown", "there is no number %.80q", number)
	}
	return numbers[0], nil
}

// PutNumber creates a number (Version 0) or replaces the one whose version is still n.Version.
func (d *Directory) PutNumber(ctx context.Context, n Number) (Number, error) {
	if err := n.validate(); err != nil {
		return Number{}, err
	}
	err := postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{
			"number": n.Number, "title": n.Title, "flow": n.Flow, "queue": n.Queue, "trunk": n.TrunkID, "language": n.Language,
			"version": n.Version, "now": time.Now().UTC().Truncate(time.Microsecond),
		}
		sql := `update number set title = @title, flow = @flow, queue = nullif(@queue, ''), trunk_id = nullif(@trunk, '')::uuid, language = @language,
			version = version + 1, updated_at = @now where number = @number and version = @version
			returning version, created_at, updated_at`
		if n.Version == 0 {
			sql = `insert into number (number, title, flow, queue, trunk_id, language, version, created_at, updated_at)
				values (@number, @title, @flow, nullif(@queue, ''), nullif(@trunk, '')::uuid, @language, 1, @now, @now)
				on conflict do nothing returning version, created_at, updated_at`
		}
		var got Number
		err := tx.QueryRow(ctx, sql, args).Scan(&got.Version, &got.CreatedAt, &got.UpdatedAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return d.numberConflict(ctx, tx, n)
		}
		if err == nil {
			n.Version, n.CreatedAt, n.UpdatedAt = got.Version, got.CreatedAt, got.UpdatedAt
		}
		return err
	})
	if err != nil {
		return Number{}, numberError("put number", n, err)
	}
	d.follow(ctx)
	return n, nil
}

// DeleteNumber removes a number; who calls it hears that it is not assigned.
func (d *Directory) DeleteNumber(ctx context.Context, number string, version int64) error {
	err := postgres.Tx(ctx, d.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from number where number = @number and version = @version`, pgx.NamedArgs{"number": number, "version": version})
		if err == nil && tag.RowsAffected() == 0 {
			return d.numberConflict(ctx, tx, Number{Number: number, Version: version})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete number: %w", err)
	}
	d.follow(ctx)
	return nil
}

func (d *Directory) numberConflict(ctx context.Context, tx pgx.Tx, n Number) error {
	old, err := d.oneNumber(ctx, tx, n.Number)
	if err != nil {
		return err
	}
	if n.Version == 0 {
		return &hotline.Error{Kind: hotline.Conflict, Code: "number.taken", Field: "number", Message: fmt.Sprintf("%s is there already", n.Number)}
	}
	return hotline.Errorf(hotline.Conflict, "number.changed", "%s was changed by somebody else (version %d, you have %d): load it again", n.Number, old.Version, n.Version)
}

func numberError(op string, n Number, err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch {
	case pe.Code == "22P02" || pe.ConstraintName == "number_trunk_id_fkey":
		return &hotline.Error{Kind: hotline.Invalid, Code: "number.bad_trunk", Field: "trunk_id", Message: fmt.Sprintf("there is no trunk %.80q", n.TrunkID), Err: err}
	case pe.ConstraintName == "number_flow_fkey":
		return &hotline.Error{Kind: hotline.Invalid, Code: "number.bad_flow", Field: "flow", Message: fmt.Sprintf("there is no flow %q", n.Flow), Err: err}
	case pe.ConstraintName == "number_queue_fkey":
		return &hotline.Error{Kind: hotline.Invalid, Code: "number.bad_queue", Field: "queue", Message: fmt.Sprintf("there is no queue %q", n.Queue), Err: err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// follow makes a change of this process visible at once; the notification does it for the others.
func (d *Directory) follow(ctx context.Context) {
	if err := d.reloadSoon(ctx); err != nil {
		d.log.Warn("the change is stored but not yet read back", "err", err)
	}
}
