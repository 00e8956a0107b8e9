package login

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// AccountChange is what an administrator changes of an account; nil leaves as it is.
type AccountChange struct {
	Name, Locale, Timezone *string
	Role                   *Role
	Scope                  *Reach
	Disabled               *bool
}

// apply changes a, checks it, and tells whether its sessions must end: who they let in is not who the account is any more.
func (c AccountChange) apply(a *Account, now time.Time) (ends bool, err error) {
	for _, f := range []struct{ to, from *string }{{&a.Name, c.Name}, {&a.Locale, c.Locale}, {&a.Timezone, c.Timezone}} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
	if c.Role != nil && *c.Role != a.Role {
		a.Role, ends = *c.Role, true
	}
	if c.Scope != nil {
		a.Scope = *c.Scope // asked for with each request: sessions go on with it
	}
	if c.Disabled != nil && *c.Disabled != (a.DisabledAt != nil) {
		if a.DisabledAt = nil; *c.Disabled {
			a.DisabledAt = &now
		}
		ends = true
	}
	if err := validateRole(a.Role); err != nil {
		return false, err
	}
	if err := validateReach(a.Scope); err != nil {
		return false, err
	}
	return ends, validatePerson(a.Name, a.Locale, a.Timezone)
}

// ChangeAccount changes somebody's account and returns it as it was and as it is. A new role and disabling end its sessions. The
// last admin who can log in stays one: a conflict otherwise.
func ChangeAccount(ctx context.Context, pool *pgxpool.Pool, id string, c AccountChange) (was, is Account, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		was, is, err = changeAccount(ctx, tx, id, c)
		return err
	})
	if err != nil && hotline.KindOf(err) == hotline.Internal {
		err = fmt.Errorf("change account: %w", err)
	}
	return was, is, err
}

func changeAccount(ctx context.Context, tx pgx.Tx, id string, c AccountChange) (was, is Account, err error) {
	// All admins are locked, always in the same order: of two who demote each other, the second finds itself the last one.
	rows, err := tx.Query(ctx, "select id::text from account where role = 'admin' and disabled_at is null order by id for update")
	if err != nil {
		return was, is, err
	}
	admins, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return was, is, err
	}
	if rows, err = tx.Query(ctx, "select "+accountColumns+" from account where id = $1 for update", id); err != nil {
		return was, is, err
	}
	if was, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account]); errors.Is(err, pgx.ErrNoRows) {
		return was, is, unknownAccount("there is no such account")
	}
	if err != nil {
		return was, is, err
	}
	is = was
	ends, err := c.apply(&is, time.Now())
	if err != nil {
		return was, is, err
	}
	if len(admins) == 1 && admins[0] == is.ID && (is.Role != Admin || is.DisabledAt != nil) {
		return was, is, lastAdmin(is)
	}
	_, err = tx.Exec(ctx, `update account set name = @name, role = @role, scope = @scope, locale = @locale, timezone = @timezone, disabled_at = @disabled where id = @id`,
		pgx.NamedArgs{"id": is.ID, "name": is.Name, "role": is.Role, "scope": is.Scope, "locale": is.Locale, "timezone": is.Timezone, "disabled": is.DisabledAt})
	if err == nil && ends {
		_, err = tx.Exec(ctx, "delete from session where account_id = $1", is.ID)
	}
	return was, is, err
}

func lastAdmin(a Account) error {
	e := hotline.Errorf(hotline.Conflict, "account.last_admin", "%s is the last admin who can log in: make somebody else an admin first", a.Login)
	e.Field = "role"
	if a.DisabledAt != nil {
		e.Field = "disabled"
	}
	return e
}

func unknownAccount(format string, args ...any) error {
	return hotline.Errorf(hotline.NotFound, "account.unknown", format, args...)
}

// SetPassword gives the account of a login a new password and ends all of its sessions.
func SetPassword(ctx context.Context, pool *pgxpool.Pool, login, password string) error {
	login = strings.ToLower(strings.TrimSpace(login))
	if err := validatePassword(password, login); err != nil {
		return err
	}
	_, err := storePassword(ctx, pool, "login", login, password)
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownAccount("there is no account %q", login)
	}
	return err
}

// ResetPassword gives an account a random password, to be shown once, and ends all of its sessions.
func ResetPassword(ctx context.Context, pool *pgxpool.Pool, id string) (Account, string, error) {
	password := RandomPassword()
	a, err := storePassword(ctx, pool, "id", id, password)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, "", unknownAccount("there is no such account")
	}
	return a, password, err
}

// storePassword hashes and stores the password of the account whose column, login or id, is key.
func storePassword(ctx context.Context, pool *pgxpool.Pool, column, key, password string) (Account, error) {
	hash, err := hashPassword(ctx, password)
	if err != nil {
		return Account{}, fmt.Errorf("set password: %w", err)
	}
	rows, err := pool.Query(ctx, `with changed as (update account set password_hash = @hash where `+column+` = @key returning `+accountColumns+`),
		ended as (delete from session where account_id in (select id from changed)) select * from changed`,
		pgx.NamedArgs{"hash": hash, "key": key})
	if err != nil {
		return Account{}, fmt.Errorf("set password: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account])
	if err != nil {
		return Account{}, fmt.Errorf("set password: %w", err)
	}
	return a, nil
}
