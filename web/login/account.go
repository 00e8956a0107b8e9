package login

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // accounts have time zones on machines without a zone database, too
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// Account is a person who may log in.
type Account struct {
	ID         string     `db:"id"`
	Login      string     `db:"login"`
	Name       string     `db:"name"`
	Role       Role       `db:"role"`
	Scope      Reach      `db:"scope"` // "" is what the role says
	Locale     string     `db:"locale"`
	Timezone   string     `db:"timezone"`
	DisabledAt *time.Time `db:"disabled_at"`
	CreatedAt  time.Time  `db:"created_at"`
}

const accountColumns = "id, login, name, role, scope, locale, timezone, disabled_at, created_at"

// NewAccount is what an account is made of. Name, Locale and Timezone may be empty.
type NewAccount struct {
	Login, Name, Password string
	Role                  Role
	Scope                 Reach // "" is what the role says
	Locale, Timezone      string
}

// Credential is a first login, to be shown once.
type Credential struct {
	ID, Login, Password string
	Role                Role
}

var loginPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,63}$`)

func invalid(field, code, format string, args ...any) error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}

func (n *NewAccount) normalise() error {
	n.Login = strings.ToLower(strings.TrimSpace(n.Login))
	n.Name = strings.TrimSpace(n.Name)
	if !loginPattern.MatchString(n.Login) {
		return invalid("login", "account.login", "a login has 1 to 64 letters a-z, digits and . _ @ + -, and begins with a letter or digit")
	}
	if n.Name == "" {
		n.Name = n.Login
	}
	if n.Locale == "" {
		n.Locale = "en"
	}
	if n.Timezone == "" {
		n.Timezone = "UTC"
	}
	if err := validateRole(n.Role); err != nil {
		return err
	}
	if err := validateReach(n.Scope); err != nil {
		return err
	}
	if err := validatePerson(n.Name, n.Locale, n.Timezone); err != nil {
		return err
	}
	return validatePassword(n.Password, n.Login)
}

func validateRole(r Role) error {
	if !r.Valid() {
		return invalid("role", "account.role", "there is no role %q: use agent, supervisor, engineer or admin", r)
	}
	return nil
}

func validatePerson(name, locale, timezone string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 {
		return invalid("name", "account.name", "a name has 1 to 100 characters")
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalid("name", "account.name", "a name has no control characters")
	}
	if !slices.Contains([]string{"en", "zh-CN"}, locale) {
		return invalid("locale", "account.locale", "there is no locale %q: use en or zh-CN", locale)
	}
	if _, err := time.LoadLocation(timezone); err != nil || timezone == "Local" || timezone == "" {
		return invalid("timezone", "account.timezone", "there is no time zone %q: use a name like Asia/Shanghai", timezone)
	}
	return nil
}

// CreateAccount makes an account. A login that exists is a conflict.
func CreateAccount(ctx context.Context, pool *pgxpool.Pool, n NewAccount) (Account, error) {
	if err := n.normalise(); err != nil {
		return Account{}, err
	}
	hash, err := hashPassword(ctx, n.Password)
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	rows, err := pool.Query(ctx, `insert into account (id, login, name, password_hash, role, scope, locale, timezone, created_at)
		values (@id, @login, @name, @hash, @role, @scope, @locale, @timezone, @now) returning `+accountColumns,
		pgx.NamedArgs{"id": hotline.NewID(), "login": n.Login, "name": n.Name, "hash": hash, "role": n.Role, "scope": n.Scope,
			"locale": n.Locale, "timezone": n.Timezone, "now": time.Now()})
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Account])
	if unique(err) {
		e := hotline.Errorf(hotline.Conflict, "account.exists", "there is an account %q already", n.Login)
		e.Field = "login"
		return Account{}, e
	}
	if err != nil {
		return Account{}, fmt.Errorf("create account: %w", err)
	}
	return a, nil
}

// unique tells whether err is a unique violation.
func unique(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}

// EnsureFirstAccounts makes one account a role with random passwords if there is no account at all, and returns what to show.
func EnsureFirstAccounts(ctx context.Context, pool *pgxpool.Pool) ([]Credential, error) {
	// Two nodes that start at once: the lock lets one look after the other has finished.
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("first accounts: %w", err)
	}
	defer conn.Release()
	const lock = 0x686f746c // "hotl"
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lock); err != nil {
		return nil, fmt.Errorf("first accounts: %w", err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", lock) }()
	var some bool
	if err := conn.QueryRow(ctx, "select exists (select from account)").Scan(&some); err != nil || some {
		return nil, err
	}
	names := map[Role]string{Admin: "Admin", Agent: "Agent", Supervisor: "Supervisor", Engineer: "Engineer"}
	var made []Credential
	for _, role := range []Role{Admin, Agent, Supervisor, Engineer} {
		c := Credential{Login: string(role), Password: RandomPassword(), Role: role}
		first := NewAccount{Login: c.Login, Name: names[role], Password: c.Password, Role: role}
		if role == Supervisor {
			first.Scope = ReachAll // there are no teams yet that somebody could supervise
		}
		a, err := CreateAccount(ctx, pool, first)
		if err != nil {
			return made, err
		}
		c.ID = a.ID
		made = append(made, c)
	}
	return made, nil
}

// Accounts lists all accounts by login. There are as many as people in the organisation.
func Accounts(ctx context.Context, pool *pgxpool.Pool) ([]Account, error) {
	rows, err := pool.Query(ctx, "select "+accountColumns+" from account order by login")
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Account])
}
