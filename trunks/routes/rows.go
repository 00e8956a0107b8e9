package routes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"hotline"
	"hotline/postgres"
)

// selectRoutes reads all routes in the order in which they are asked, or the one with an id.
func selectRoutes(ctx context.Context, db postgres.DB, id string) ([]Route, error) {
	rows, err := db.Query(ctx, `select r.id::text, r.position, r.name, r.enabled,
			coalesce((select array_agg(t.trunk_id::text order by t.position) from outbound_route_trunk t where t.route_id = r.id), '{}'),
			r.settings, r.version, r.created_at, r.updated_at
		from outbound_route r where @id = '' or r.id::text = @id order by r.position, r.name`, pgx.NamedArgs{"id": id})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Route])
}

func selectLimits(ctx context.Context, db postgres.DB) (Limits, error) {
	var l Limits
	var raw []byte
	var version int64
	var at time.Time
	if err := db.QueryRow(ctx, `select settings, version, updated_at from outbound_limits`).Scan(&raw, &version, &at); err != nil {
		return l, err
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, err
	}
	l.Version, l.UpdatedAt = version, at
	if l.Deny == nil {
		l.Deny = []string{}
	}
	if l.Roles == nil {
		l.Roles = []string{}
	}
	return l, nil
}

// ListRoutes returns all routes in the order in which they are asked.
func (b *Book) ListRoutes(ctx context.Context) ([]Route, error) {
	all, err := selectRoutes(ctx, b.pool, "")
	if err != nil {
		return nil, fmt.Errorf("list outbound routes: %w", err)
	}
	return all, nil
}

// GetRoute returns one route.
func (b *Book) GetRoute(ctx context.Context, id string) (Route, error) {
	return oneRoute(ctx, b.pool, id)
}

func oneRoute(ctx context.Context, db postgres.DB, id string) (Route, error) {
	found, err := selectRoutes(ctx, db, id)
	if err != nil {
		return Route{}, fmt.Errorf("get outbound route: %w", err)
	}
	if id == "" || len(found) != 1 {
		return Route{}, hotline.Errorf(hotline.NotFound, "route.unknown", "there is no outbound route %.80q", id)
	}
	return found[0], nil
}

// CreateRoute adds a route and returns it with id and version. Position 0 puts it behind the others.
func (b *Book) CreateRoute(ctx context.Context, r Route) (Route, error) {
	r.ID, r.Version = hotline.NewID(), 1
	last := r.Position == 0
	if last {
		r.Position = 1
	}
	if err := r.check(); err != nil {
		return Route{}, err
	}
	err := postgres.Tx(ctx, b.pool, func(tx pgx.Tx) error {
		if last {
			if err := tx.QueryRow(ctx, `select least(999, coalesce(max(position), 0) + 1) from outbound_route`).Scan(&r.Position); err != nil {
				return err
			}
		}
		r.CreatedAt = b.now().UTC().Truncate(time.Microsecond)
		r.UpdatedAt = r.CreatedAt
		_, err := tx.Exec(ctx, `insert into outbound_route (id, position, name, enabled, settings, version, created_at, updated_at)
			values (@id, @position, @name, @enabled, @settings, 1, @now, @now)`,
			pgx.NamedArgs{"id": r.ID, "position": r.Position, "name": r.Name, "enabled": r.Enabled, "settings": r.Settings, "now": r.CreatedAt})
		if err != nil {
			return err
		}
		return putTrunks(ctx, tx, r)
	})
	if err != nil {
		return Route{}, routeError("create outbound route", r, err)
	}
	b.follow(ctx)
	return r, nil
}

// UpdateRoute replaces a route whose version is still r.Version.
func (b *Book) UpdateRoute(ctx context.Context, r Route) (Route, error) {
	if err := r.check(); err != nil {
		return Route{}, err
	}
	err := postgres.Tx(ctx, b.pool, func(tx pgx.Tx) error {
		old, err := oneRoute(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		now := b.now().UTC().Truncate(time.Microsecond)
		tag, err := tx.Exec(ctx, `update outbound_route set position = @position, name = @name, enabled = @enabled, settings = @settings,
			version = version + 1, updated_at = @now where id = @id and version = @version`, pgx.NamedArgs{
			"id": r.ID, "version": r.Version, "position": r.Position, "name": r.Name, "enabled": r.Enabled, "settings": r.Settings, "now": now})
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return changed(old, r.Version)
		}
		r.Version, r.CreatedAt, r.UpdatedAt = r.Version+1, old.CreatedAt, now
		return putTrunks(ctx, tx, r)
	})
	if err != nil {
		return Route{}, routeError("update outbound route", r, err)
	}
	b.follow(ctx)
	return r, nil
}

// DeleteRoute removes a route: what only it has is not dialled any more.
func (b *Book) DeleteRoute(ctx context.Context, id string, version int64) error {
	err := postgres.Tx(ctx, b.pool, func(tx pgx.Tx) error {
		old, err := oneRoute(ctx, tx, id)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `delete from outbound_route where id = @id and version = @version`, pgx.NamedArgs{"id": id, "version": version})
		if err == nil && tag.RowsAffected() == 0 {
			return changed(old, version)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete outbound route: %w", err)
	}
	b.follow(ctx)
	return nil
}

func changed(old Route, yours int64) error {
	return hotline.Errorf(hotline.Conflict, "route.changed", "route %s was changed by somebody else (version %d, you have %d): load it again", old.Name, old.Version, yours)
}

func putTrunks(ctx context.Context, tx pgx.Tx, r Route) error {
	if _, err := tx.Exec(ctx, `delete from outbound_route_trunk where route_id = $1`, r.ID); err != nil {
		return err
	}
	for i, id := range r.Trunks {
		if _, err := tx.Exec(ctx, `insert into outbound_route_trunk (route_id, trunk_id, position) values ($1, $2, $3)`, r.ID, id, i+1); err != nil {
			return err
		}
	}
	return nil
}

func routeError(op string, r Route, err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch pe.Code {
	case "23505":
		return &hotline.Error{Kind: hotline.Conflict, Code: "route.name_taken", Field: "name", Message: fmt.Sprintf("there is a route named %q already", r.Name), Err: err}
	case "23503", "22P02":
		return &hotline.Error{Kind: hotline.Invalid, Code: "route.bad_trunk", Field: "trunks", Message: "one of the trunks is not there any more; choose among those that are", Err: err}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// GetLimits returns what is allowed in all.
func (b *Book) GetLimits(ctx context.Context) (Limits, error) {
	l, err := selectLimits(ctx, b.pool)
	if err != nil {
		return l, fmt.Errorf("get outbound limits: %w", err)
	}
	return l, nil
}

// PutLimits replaces the limits whose version is still l.Version.
func (b *Book) PutLimits(ctx context.Context, l Limits) (Limits, error) {
	if err := l.check(); err != nil {
		return Limits{}, err
	}
	if l.Deny == nil {
		l.Deny = []string{}
	}
	if l.Roles == nil {
		l.Roles = []string{}
	}
	now := b.now().UTC().Truncate(time.Microsecond)
	err := postgres.Tx(ctx, b.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update outbound_limits set settings = @settings, version = version + 1, updated_at = @now where version = @version`,
			pgx.NamedArgs{"settings": l, "version": l.Version, "now": now})
		if err == nil && tag.RowsAffected() == 0 {
			return hotline.Errorf(hotline.Conflict, "limits.changed", "the limits were changed by somebody else: load them again")
		}
		return err
	})
	if err != nil {
		return Limits{}, fmt.Errorf("put outbound limits: %w", err)
	}
	l.Version, l.UpdatedAt = l.Version+1, now
	b.follow(ctx)
	return l, nil
}
