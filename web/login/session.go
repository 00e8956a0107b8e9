package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// Sessions end after a working day without use, and after a week in any case.
const (
	IdleLife   = 12 * time.Hour
	TotalLife  = 7 * 24 * time.Hour
	renewEvery = time.Minute
)

// ErrFailed is the answer to a wrong login, a wrong password, a disabled account: the asker is not told which.
var ErrFailed = errors.New("login or password is wrong")

// ErrNoSession is the answer to a token that opens nothing (any more).
var ErrNoSession = errors.New("not logged in")

// Session is one login of one browser.
type Session struct {
	Account Account
	CSRF    string // sent in a header by every change
	Token   string // the cookie's value; only known when the session is made
	hash    []byte
}

// Attempt is what somebody presents to log in.
type Attempt struct {
	Login, Password string
	Remote          netip.Addr
	UserAgent       string
}

func randomToken() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// Login opens a session. Errors: [ErrFailed], [*Throttled], an unavailable [hotline.Error] when too many log in at once.
func (g *Gate) Login(ctx context.Context, a Attempt) (Session, error) {
	name := strings.ToLower(strings.TrimSpace(a.Login))
	if !loginPattern.MatchString(name) {
		name = "?" // all malformed logins count as one, and match nobody
	}
	if len(a.Password) > 4*maxPassword {
		return Session{}, ErrFailed
	}
	acc, hash, known, err := g.accountFor(ctx, name, a.Remote)
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	try := newAttempt(source(a.Remote), name, known)
	if wait := g.throttle.take(try); wait > 0 {
		return Session{}, &Throttled{RetryAfter: wait}
	}
	ok, err := checkPassword(ctx, a.Password, hash)
	if err != nil {
		return Session{}, fmt.Errorf("log in: %w", err)
	}
	if !ok || acc.DisabledAt != nil {
		return Session{}, ErrFailed
	}
	g.throttle.forgive(try)
	if stale(hash) {
		if err := g.rehash(ctx, acc.ID, a.Password); err != nil {
			return Session{}, err
		}
	}
	return g.open(ctx, acc, a)
}

// accountFor finds who is meant, and whether that login has worked from this source before.
func (g *Gate) accountFor(ctx context.Context, name string, remote netip.Addr) (acc Account, hash string, known bool, err error) {
	err = g.pool.QueryRow(ctx, `select a.id, a.login, a.name, a.role, a.scope, a.locale, a.timezone, a.disabled_at, a.created_at, a.password_hash,
			exists (select from session s where s.account_id = a.id and s.remote = @remote)
		from account a where a.login = @login`, pgx.NamedArgs{"login": name, "remote": remote.Unmap().String()}).
		Scan(&acc.ID, &acc.Login, &acc.Name, &acc.Role, &acc.Scope, &acc.Locale, &acc.Timezone, &acc.DisabledAt, &acc.CreatedAt, &hash, &known)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, "", false, nil
	}
	return acc, hash, known, err
}

func (g *Gate) rehash(ctx context.Context, id, password string) error {
	hash, err := hashPassword(ctx, password)
	if err == nil {
		_, err = g.pool.Exec(ctx, "update account set password_hash = $1 where id = $2", hash, id)
	}
	if err != nil {
		return fmt.Errorf("renew hash: %w", err)
	}
	return nil
}

func (g *Gate) open(ctx context.Context, acc Account, a Attempt) (Session, error) {
	s := Session{Account: acc, CSRF: randomToken(), Token: randomToken()}
	s.hash = tokenHash(s.Token)
	now := g.now()
	agent := strings.ToValidUTF8(strings.ReplaceAll(a.UserAgent, "\x00", ""), "")
	if len(agent) > 300 {
		agent = strings.ToValidUTF8(agent[:300], "")
	}
	_, err := g.pool.Exec(ctx, `insert into session (token_hash, account_id, csrf, created_at, seen_at, expires_at, remote, user_agent)
		values (@hash, @account, @csrf, @now, @now, @expires, @remote, @agent)`,
		pgx.NamedArgs{"hash": s.hash, "account": acc.ID, "csrf": s.CSRF, "now": now, "expires": now.Add(IdleLife),
			"remote": a.Remote.Unmap().String(), "agent": agent})
	if err != nil {
		return Session{}, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// Session finds the session that a cookie opens, and keeps it alive while it is used. Errors: [ErrNoSession].
func (g *Gate) Session(ctx context.Context, token string) (Session, error) {
	s := Session{hash: tokenHash(token)}
	now := g.now()
	var seen, created time.Time
	err := g.pool.QueryRow(ctx, `select a.id, a.login, a.name, a.role, a.scope, a.locale, a.timezone, a.created_at, s.csrf, s.seen_at, s.created_at
		from session s join account a on a.id = s.account_id
		where s.token_hash = @hash and s.expires_at > @now and a.disabled_at is null`,
		pgx.NamedArgs{"hash": s.hash, "now": now}).
		Scan(&s.Account.ID, &s.Account.Login, &s.Account.Name, &s.Account.Role, &s.Account.Scope, &s.Account.Locale, &s.Account.Timezone,
			&s.Account.CreatedAt, &s.CSRF, &seen, &created)
	if errors.Is(err, pgx.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, fmt.Errorf("find session: %w", err)
	}
	if now.Sub(seen) < renewEvery {
		return s, nil
	}
	expires := now.Add(IdleLife)
	if end := created.Add(TotalLife); end.Before(expires) {
		expires = end
	}
	_, err = g.pool.Exec(ctx, "update session set seen_at = @now, expires_at = @expires where token_hash = @hash",
		pgx.NamedArgs{"now": now, "expires": expires, "hash": s.hash})
	if err != nil {
		return Session{}, fmt.Errorf("renew session: %w", err)
	}
	return s, nil
}

// Protects tells whether a change that carries this token was made by the session's own page.
func (s Session) Protects(csrf string) bool {
	return s.CSRF != "" && subtle.ConstantTimeCompare([]byte(s.CSRF), []byte(csrf)) == 1
}

// Logout ends a session.
func (g *Gate) Logout(ctx context.Context, s Session) error {
	if _, err := g.pool.Exec(ctx, "delete from session where token_hash = $1", s.hash); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return nil
}

// Change is what people may change of their own account; nil leaves as it is.
type Change struct {
	Name, Locale, Timezone *string
	OldPassword            *string // with NewPassword
	NewPassword            *string
	Remote                 netip.Addr
}

// ChangeAccount changes the session's own account. A new password ends all other sessions of the account.
func (g *Gate) ChangeAccount(ctx context.Context, s Session, c Change) (Account, error) {
	a := s.Account
	for _, f := range []struct {
		to   *string
		from *string
	}{{&a.Name, c.Name}, {&a.Locale, c.Locale}, {&a.Timezone, c.Timezone}} {
		if f.from != nil {
			*f.to = strings.TrimSpace(*f.from)
		}
	}
	if err := validatePerson(a.Name, a.Locale, a.Timezone); err != nil {
		return Account{}, err
	}
	var hash *string
	if c.NewPassword != nil {
		h, err := g.newHash(ctx, a, c)
		if err != nil {
			return Account{}, err
		}
		hash = &h
	}
	err := pgx.BeginFunc(ctx, g.pool, func(tx pgx.Tx) error { return saveAccount(ctx, tx, a, hash, s.hash) })
	if err != nil {
		return Account{}, fmt.Errorf("change account: %w", err)
	}
	return a, nil
}

// newHash checks the old password, throttled as a login is, and hashes the new one.
func (g *Gate) newHash(ctx context.Context, a Account, c Change) (string, error) {
	if err := validatePassword(*c.NewPassword, a.Login); err != nil {
		var e *hotline.Error
		if errors.As(err, &e) {
			e.Field = "password.new"
		}
		return "", err
	}
	try := newAttempt(source(c.Remote), a.Login, true)
	if wait := g.throttle.take(try); wait > 0 {
		return "", &Throttled{RetryAfter: wait}
	}
	var old string
	if err := g.pool.QueryRow(ctx, "select password_hash from account where id = $1", a.ID).Scan(&old); err != nil {
		return "", fmt.Errorf("change password: %w", err)
	}
	if c.OldPassword == nil {
		return "", invalid("password.old", "password.wrong", "the old password is wrong")
	}
	ok, err := checkPassword(ctx, *c.OldPassword, old)
	if err != nil {
		return "", fmt.Errorf("change password: %w", err)
	}
	if !ok {
		return "", invalid("password.old", "password.wrong", "the old password is wrong")
	}
	g.throttle.forgive(try)
	return hashPassword(ctx, *c.NewPassword)
}

func saveAccount(ctx context.Context, tx pgx.Tx, a Account, hash *string, keep []byte) error {
	_, err := tx.Exec(ctx, `update account set name = @name, locale = @locale, timezone = @timezone,
		password_hash = coalesce(@hash, password_hash) where id = @id`,
		pgx.NamedArgs{"name": a.Name, "locale": a.Locale, "timezone": a.Timezone, "hash": hash, "id": a.ID})
	if err == nil && hash != nil {
		_, err = tx.Exec(ctx, "delete from session where account_id = $1 and token_hash <> $2", a.ID, keep)
	}
	return err
}

// sweep removes what has expired.
func sweep(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	_, err := pool.Exec(ctx, "delete from session where expires_at < $1", now)
	return err
}
