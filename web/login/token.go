package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
)

// TokenPrefix begins every API token, so that secret scanners know one when they see it.
const TokenPrefix = "hl_"

// Token is an API token as it is shown: never with its secret.
type Token struct {
	ID        string     `db:"id"`
	Name      string     `db:"name"`
	Role      Role       `db:"role"`
	Queues    []string   `db:"queues"` // whose tickets and calls it sees; null sees all
	CreatedAt time.Time  `db:"created_at"`
	ExpiresAt *time.Time `db:"expires_at"`
	RevokedAt *time.Time `db:"revoked_at"`
}

const tokenColumns = "id, name, role, queues, created_at, expires_at, revoked_at"

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$`)

// CreateToken makes an API token that does not expire and returns its secret, which is stored nowhere.
func CreateToken(ctx context.Context, pool *pgxpool.Pool, name string, role Role) (string, error) {
	_, secret, err := IssueToken(ctx, pool, Token{Name: name, Role: role})
	return secret, err
}

// IssueToken makes an API token from a name, a role and perhaps an expiry, and returns its secret as well. The name of a token that
// is in force is a conflict; that of a revoked one is free.
func IssueToken(ctx context.Context, pool *pgxpool.Pool, t Token) (Token, string, error) {
	t.Name = strings.TrimSpace(t.Name)
	if !tokenName.MatchString(t.Name) {
		return Token{}, "", invalid("name", "token.name", "a token's name has 1 to 63 letters, digits, spaces and . _ -, and begins with a letter or digit")
	}
	if !t.Role.Valid() {
		return Token{}, "", invalid("role", "token.role", "there is no role %q: use agent, supervisor, engineer or admin", t.Role)
	}
	now := time.Now()
	if t.ExpiresAt != nil && !t.ExpiresAt.After(now) {
		return Token{}, "", invalid("expires_at", "token.expiry", "a token has to expire in the future")
	}
	secret := TokenPrefix + randomToken()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from api_token where name = $1 and revoked_at is not null", t.Name); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `insert into api_token (id, name, token_hash, role, queues, created_at, expires_at)
			values (@id, @name, @hash, @role, @queues, @now, @expires) returning `+tokenColumns,
			pgx.NamedArgs{"id": hotline.NewID(), "name": t.Name, "hash": tokenHash(secret), "role": t.Role, "queues": t.Queues, "now": now, "expires": t.ExpiresAt})
		if err != nil {
			return err
		}
		t, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Token])
		return err
	})
	if unique(err) {
		e := hotline.Errorf(hotline.Conflict, "token.exists", "there is a token %q already: revoke it or choose another name", t.Name)
		e.Field = "name"
		return Token{}, "", e
	}
	if err != nil {
		return Token{}, "", fmt.Errorf("issue token: %w", err)
	}
	return t, secret, nil
}

// Tokens lists the tokens that are not revoked, by name.
func Tokens(ctx context.Context, pool *pgxpool.Pool) ([]Token, error) {
	rows, err := pool.Query(ctx, "select "+tokenColumns+" from api_token where revoked_at is null order by name")
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Token])
}

// RevokeToken ends a token: here at once, on other nodes when their memory of it runs out ([tokenLife]).
func (g *Gate) RevokeToken(ctx context.Context, id string) (Token, error) {
	rows, err := g.pool.Query(ctx, "update api_token set revoked_at = @now where id = @id and revoked_at is null returning "+tokenColumns,
		pgx.NamedArgs{"now": g.now(), "id": id})
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Token])
	g.tokens.forget(id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Token{}, hotline.Errorf(hotline.NotFound, "token.unknown", "there is no such token")
	}
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}
	return t, nil
}

// findToken runs with every request of a program: it must find one row of the index.
const findToken = "select " + tokenColumns + " from api_token where token_hash = $1 and revoked_at is null"

// Bearer finds the token that a secret is. Errors: [ErrNoSession].
func (g *Gate) Bearer(ctx context.Context, secret string) (Token, error) {
	if !strings.HasPrefix(secret, TokenPrefix) || len(secret) > 100 {
		return Token{}, ErrNoSession
	}
	now := g.now()
	hash := sha256.Sum256([]byte(secret))
	t, generation, ok := g.tokens.get(hash, now)
	if !ok {
		rows, err := g.pool.Query(ctx, findToken, hash[:])
		if err != nil {
			return Token{}, fmt.Errorf("find token: %w", err)
		}
		t, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Token])
		if errors.Is(err, pgx.ErrNoRows) {
			return Token{}, ErrNoSession
		}
		if err != nil {
			return Token{}, fmt.Errorf("find token: %w", err)
		}
		g.tokens.put(hash, t, now, generation)
	}
	if t.ExpiresAt != nil && !t.ExpiresAt.After(now) {
		return Token{}, ErrNoSession
	}
	return t, nil
}

// tokenLife is how long a found token is believed without asking the database again.
const tokenLife = 5 * time.Second

const maxTokens = 10_000

// tokenCache remembers tokens by hash. Secrets that are no token are not remembered: they cost an index lookup each.
type tokenCache struct {
	mu         sync.Mutex
	found      map[[sha256.Size]byte]foundToken
	generation int // counts revocations, so that a lookup that began before one does not bring the token back
}

type foundToken struct {
	token Token
	until time.Time
}

func (c *tokenCache) get(hash [sha256.Size]byte, now time.Time) (Token, int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.found[hash]
	return f.token, c.generation, ok && now.Before(f.until)
}

func (c *tokenCache) put(hash [sha256.Size]byte, t Token, now time.Time, generation int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if len(c.found) >= maxTokens {
		clear(c.found)
	}
	c.found[hash] = foundToken{t, now.Add(tokenLife)}
}

func (c *tokenCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	for hash, f := range c.found {
		if f.token.ID == id {
			delete(c.found, hash)
		}
	}
}
