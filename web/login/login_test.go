package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const goodPassword = "correct horse 9 battery"

var (
	home     = netip.MustParseAddr("192.0.2.7")
	stranger = netip.MustParseAddr("198.51.100.9")
)

// clock is a clock that tests move.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) forward(d time.Duration) { c.offset.Add(int64(d)) }

func gateWithAnna(t *testing.T) (*Gate, *pgxpool.Pool, *clock) {
	t.Helper()
	pool := pgtest.New(t)
	if _, err := CreateAccount(t.Context(), pool, NewAccount{Login: "Anna", Name: "Anna Lee", Password: goodPassword, Role: Agent}); err != nil {
		t.Fatal(err)
	}
	c := &clock{}
	return newGate(pool, c.now), pool, c
}

func TestLoginOpensASession(t *testing.T) {
	g, pool, _ := gateWithAnna(t)
	s, err := g.Login(t.Context(), Attempt{Login: " ANNA ", Password: goodPassword, Remote: home, UserAgent: "test\x00\xff"})
	if err != nil {
		t.Fatal(err)
	}
	found, err := g.Session(t.Context(), s.Token)
	if err != nil || found.Account.Login != "anna" || found.Account.Role != Agent {
		t.Fatalf("session: %+v, %v", found, err)
	}
	if !found.Protects(s.CSRF) || found.Protects("") || found.Protects(s.CSRF+"x") {
		t.Error("the CSRF token does not tell right from wrong")
	}
	var stored int
	err = pool.QueryRow(t.Context(), "select count(*) from session where encode(token_hash, 'escape') like '%' || $1 || '%'", s.Token).Scan(&stored)
	if err != nil || stored != 0 {
		t.Errorf("the token itself is in the database (%d, %v)", stored, err)
	}
	if err := g.Logout(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Session(t.Context(), s.Token); !errors.Is(err, ErrNoSession) {
		t.Errorf("after logout: %v", err)
	}
}

func TestLoginRefusesAlike(t *testing.T) {
	g, pool, _ := gateWithAnna(t)
	if _, err := CreateAccount(t.Context(), pool, NewAccount{Login: "gone", Password: goodPassword, Role: Agent}); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update account set disabled_at = now() where login = 'gone'"); err != nil {
		t.Fatal(err)
	}
	for _, a := range []Attempt{
		{Login: "anna", Password: "wrong"}, {Login: "nobody", Password: goodPassword}, {Login: "gone", Password: goodPassword},
		{Login: "", Password: ""}, {Login: "a\x00b", Password: "x"}, {Login: "anna", Password: strings.Repeat("x", 1<<20)},
	} {
		a.Remote = home
		if _, err := g.Login(t.Context(), a); !errors.Is(err, ErrFailed) {
			t.Errorf("%.20q: %v, want ErrFailed", a.Login, err)
		}
	}
}

// A wrong login takes as long as a wrong password: both compute a hash. Of each the fastest counts, as often as it takes: the machine
// does other things as well, and whatever answers without a hash is a thousand times faster each time.
func TestUnknownLoginCostsAHash(t *testing.T) {
	hash, err := hashPassword(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	known, unknown := time.Hour, time.Hour
	for range 20 {
		for stored, fastest := range map[string]*time.Duration{hash: &known, "": &unknown} {
			start := time.Now()
			if ok, err := checkPassword(t.Context(), "guess", stored); ok || err != nil {
				t.Fatal(ok, err)
			}
			*fastest = min(*fastest, time.Since(start))
		}
		if unknown >= known/5 {
			return
		}
	}
	t.Errorf("unknown login answers in %s, known in %s: it tells who exists", unknown, known)
}

func TestSessionsEnd(t *testing.T) {
	g, _, c := gateWithAnna(t)
	open := func() Session {
		s, err := g.Login(t.Context(), Attempt{Login: "anna", Password: goodPassword, Remote: home})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	idle := open()
	c.forward(IdleLife + time.Second)
	if _, err := g.Session(t.Context(), idle.Token); !errors.Is(err, ErrNoSession) {
		t.Errorf("idle session lives on: %v", err)
	}
	used := open()
	for range int(TotalLife/(IdleLife-time.Hour)) - 1 {
		c.forward(IdleLife - time.Hour)
		if _, err := g.Session(t.Context(), used.Token); err != nil {
			t.Fatalf("used session ended: %v", err)
		}
	}
	for range 3 {
		c.forward(IdleLife - time.Hour)
		_, err := g.Session(t.Context(), used.Token)
		if err != nil {
			if !errors.Is(err, ErrNoSession) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Error("a session can be kept alive for ever")
}

func TestGuessingIsSlowedNotLockedOut(t *testing.T) {
	g, _, c := gateWithAnna(t)
	guess := func(from netip.Addr, password string) error {
		_, err := g.Login(t.Context(), Attempt{Login: "anna", Password: password, Remote: from})
		return err
	}
	if err := guess(home, goodPassword); err != nil {
		t.Fatal(err)
	}
	var throttled *Throttled
	for i := range pairPace.free {
		if err := guess(stranger, "wrong"); !errors.Is(err, ErrFailed) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if err := guess(stranger, goodPassword); !errors.As(err, &throttled) || throttled.RetryAfter <= 0 {
		t.Fatalf("after %d guesses: %v, want throttled", pairPace.free, err)
	}
	if err := guess(home, goodPassword); err != nil {
		t.Errorf("the real owner is kept out: %v", err)
	}
	c.forward(pairPace.max + time.Second)
	if err := guess(stranger, goodPassword); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

// A login that is attacked from everywhere still lets its owner in from a source where it has worked before.
func TestDistributedGuessing(t *testing.T) {
	now := time.Now()
	th := newThrottle(func() time.Time { return now })
	refused := 0
	for i := range 500 {
		from := netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		if th.take(newAttempt(source(from), "anna", false)) > 0 {
			refused++
		}
	}
	if refused < 400 {
		t.Errorf("only %d of 500 guesses from everywhere were refused", refused)
	}
	if wait := th.take(newAttempt(source(home), "anna", true)); wait > 0 {
		t.Errorf("the owner's own source waits %s", wait)
	}
	if wait := th.take(newAttempt(source(stranger), "anna", false)); wait > loginPace.max {
		t.Errorf("a new source waits %s, more than %s: that is a lock-out", wait, loginPace.max)
	}
}

// Attempts are counted before the password is checked, so that a burst is not a way around.
func TestBurstIsCountedFirst(t *testing.T) {
	th := newThrottle(time.Now)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if th.take(newAttempt("s", "anna", false)) == 0 {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != int64(pairPace.free) {
		t.Errorf("%d of a burst passed, want %d", n, pairPace.free)
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	th := newThrottle(time.Now)
	for i := range maxThrottled + 5000 {
		th.take(newAttempt(fmt.Sprint("s", i), fmt.Sprint("l", i), false))
	}
	for i, m := range th.tables {
		if len(m) > maxThrottled {
			t.Errorf("table %d has %d entries", i, len(m))
		}
	}
}

func TestSourceOfIPv6IsItsNetwork(t *testing.T) {
	a, b := netip.MustParseAddr("2001:db8:1:2:3::4"), netip.MustParseAddr("2001:db8:1:2:ffff::9")
	if source(a) != source(b) {
		t.Errorf("%s and %s are two sources", source(a), source(b))
	}
	if source(netip.MustParseAddr("::ffff:192.0.2.7")) != source(home) {
		t.Error("a mapped address is another source")
	}
}

func TestPasswordRules(t *testing.T) {
	for password, good := range map[string]bool{
		goodPassword: true, "这是一个足够长的中文密码": true, "short": false, strings.Repeat("a", 30): false, "Password123": false,
		"anna.lee.2026": true, "1234567890": false, strings.Repeat("long enough ", 30): false, "qwertyuiop1": false, "annika-1": false,
	} {
		if err := validatePassword(password, "anna"); (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
	}
	for range 20 {
		if err := validatePassword(RandomPassword(), "admin"); err != nil {
			t.Error(err)
		}
	}
}

func TestHashesOfOldCostAreRenewed(t *testing.T) {
	g, pool, _ := gateWithAnna(t)
	// A hash with other costs, made by the same algorithm: the salt and key of goodPassword at t=1, m=64.
	old := oldHash(goodPassword)
	if _, err := pool.Exec(t.Context(), "update account set password_hash = $1", old); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Login(t.Context(), Attempt{Login: "anna", Password: goodPassword, Remote: home}); err != nil {
		t.Fatal(err)
	}
	var hash string
	if err := pool.QueryRow(t.Context(), "select password_hash from account").Scan(&hash); err != nil || stale(hash) {
		t.Errorf("hash %q stays as it was (%v)", hash, err)
	}
	if _, err := g.Login(t.Context(), Attempt{Login: "anna", Password: goodPassword, Remote: home}); err != nil {
		t.Errorf("with the renewed hash: %v", err)
	}
}

func TestChangeAccount(t *testing.T) {
	g, _, _ := gateWithAnna(t)
	open := func(password string) (Session, error) {
		return g.Login(t.Context(), Attempt{Login: "anna", Password: password, Remote: home})
	}
	here, err := open(goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	there, _ := open(goodPassword)
	ptr := func(s string) *string { return &s }
	next := "another horse 8 staple"
	for _, c := range []Change{
		{Name: ptr("")}, {Locale: ptr("fr")}, {Timezone: ptr("Mars/Base")}, {NewPassword: &next}, {NewPassword: &next, OldPassword: ptr("wrong")},
		{NewPassword: ptr("short"), OldPassword: ptr(goodPassword)},
	} {
		if _, err := g.ChangeAccount(t.Context(), here, c); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	a, err := g.ChangeAccount(t.Context(), here, Change{Locale: ptr("zh-CN"), Timezone: ptr("Asia/Shanghai"), NewPassword: &next, OldPassword: ptr(goodPassword)})
	if err != nil || a.Locale != "zh-CN" || a.Timezone != "Asia/Shanghai" {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := g.Session(t.Context(), here.Token); err != nil {
		t.Errorf("the own session ended: %v", err)
	}
	if _, err := g.Session(t.Context(), there.Token); !errors.Is(err, ErrNoSession) {
		t.Errorf("the other session goes on: %v", err)
	}
	if _, err := open(goodPassword); !errors.Is(err, ErrFailed) {
		t.Errorf("the old password still opens: %v", err)
	}
	if err := SetPassword(t.Context(), g.pool, "anna", goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Session(t.Context(), here.Token); !errors.Is(err, ErrNoSession) {
		t.Errorf("after SetPassword the session goes on: %v", err)
	}
	if err := SetPassword(t.Context(), g.pool, "nobody", goodPassword); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	g, pool, c := gateWithAnna(t)
	secret, err := CreateToken(t.Context(), pool, "ci", Engineer)
	if err != nil || !strings.HasPrefix(secret, TokenPrefix) {
		t.Fatal(secret, err)
	}
	tok, err := g.Bearer(t.Context(), secret)
	if err != nil || tok.Role != Engineer || tok.Name != "ci" {
		t.Fatal(tok, err)
	}
	if _, err := CreateToken(t.Context(), pool, "ci", Agent); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("the same name again: %v", err)
	}
	for _, bad := range []string{"", "hl_", "hl_x", secret[:len(secret)-1], "x" + secret, strings.Repeat("hl_", 100)} {
		if _, err := g.Bearer(t.Context(), bad); !errors.Is(err, ErrNoSession) {
			t.Errorf("%q opens: %v", bad, err)
		}
	}
	if _, err := g.RevokeToken(t.Context(), tok.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Bearer(t.Context(), secret); !errors.Is(err, ErrNoSession) {
		t.Errorf("revoked, and still opens: %v", err)
	}
	if _, err := g.RevokeToken(t.Context(), tok.ID); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
	soon := time.Now().Add(time.Hour)
	_, secret, err = IssueToken(t.Context(), pool, Token{Name: "ci", Role: Agent, ExpiresAt: &soon})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Bearer(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.forward(2 * time.Hour)
	if _, err := g.Bearer(t.Context(), secret); !errors.Is(err, ErrNoSession) {
		t.Errorf("expired, and still opens: %v", err)
	}
}

// A lookup that was under way while the token was revoked must not bring it back.
func TestRevocationBeatsALateLookup(t *testing.T) {
	c := &tokenCache{found: map[[32]byte]foundToken{}}
	now := time.Now()
	_, generation, _ := c.get([32]byte{1}, now)
	c.forget("id")
	c.put([32]byte{1}, Token{ID: "id"}, now, generation)
	if _, _, ok := c.get([32]byte{1}, now); ok {
		t.Error("the revoked token is remembered")
	}
}

func TestFirstAccountsAreMadeOnce(t *testing.T) {
	pool := pgtest.New(t)
	var made [2][]Credential
	var errs [2]error
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() { made[i], errs[i] = EnsureFirstAccounts(context.Background(), pool) })
	}
	wg.Wait()
	if errs[0] != nil || errs[1] != nil || len(made[0])+len(made[1]) != 4 {
		t.Fatalf("two nodes at once made %d + %d accounts (%v)", len(made[0]), len(made[1]), errs)
	}
	g := New(pool)
	for _, c := range append(made[0], made[1]...) {
		s, err := g.Login(t.Context(), Attempt{Login: c.Login, Password: c.Password, Remote: home})
		if err != nil || s.Account.Role != c.Role {
			t.Errorf("%s: %+v, %v", c.Login, s.Account, err)
		}
	}
	again, err := EnsureFirstAccounts(t.Context(), pool)
	if err != nil || len(again) != 0 {
		t.Errorf("again: %v, %v", again, err)
	}
}

func TestRolesGrow(t *testing.T) {
	all := []Permission{LoggedIn, ReadTickets, WriteTickets, ReadCalls, PlayRecordings, ReadQueues, DownloadRecording, WriteQueues, ReadAudit,
		ReadTraces, ReadSetup, WriteSetup, ManageAccounts}
	for _, p := range all {
		if !Admin.May(p) {
			t.Errorf("admin may not %s", p)
		}
		if Agent.May(p) && (!Supervisor.May(p) || !Engineer.May(p)) {
			t.Errorf("an agent may %s, a supervisor or engineer not", p)
		}
		if Role("root").May(p) || Role("").May(p) {
			t.Errorf("an unknown role may %s", p)
		}
	}
	if Agent.May(DownloadRecording) || Supervisor.May(WriteSetup) || Engineer.May(DownloadRecording) || Engineer.May(ManageAccounts) {
		t.Error("a role may more than its own")
	}
}
