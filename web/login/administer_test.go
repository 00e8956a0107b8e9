package login

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres/pgtest"
)

func addAccount(t *testing.T, pool *pgxpool.Pool, login string, role Role) Account {
	t.Helper()
	a, err := CreateAccount(t.Context(), pool, NewAccount{Login: login, Password: goodPassword, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnAdministratorChangesAnAccount(t *testing.T) {
	pool := pgtest.New(t)
	g := New(pool)
	addAccount(t, pool, "root", Admin)
	bob := addAccount(t, pool, "bob", Agent)
	open := func() (Session, error) {
		return g.Login(t.Context(), Attempt{Login: "bob", Password: goodPassword, Remote: home})
	}
	change := func(c AccountChange) Account {
		t.Helper()
		_, is, err := ChangeAccount(t.Context(), pool, bob.ID, c)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	yes, no, supervisor, name, zone := true, false, Supervisor, " Bob Hua ", "Asia/Shanghai"
	ended := func(s Session) bool {
		_, err := g.Session(t.Context(), s.Token)
		return errors.Is(err, ErrNoSession)
	}
	s, _ := open()
	if a := change(AccountChange{Name: &name, Timezone: &zone, Disabled: &no}); a.Name != "Bob Hua" || a.Timezone != zone || a.Role != Agent || ended(s) {
		t.Errorf("%+v, session ended: %v", a, ended(s))
	}
	if a := change(AccountChange{Role: &supervisor}); a.Role != Supervisor || a.Name != "Bob Hua" || !ended(s) {
		t.Errorf("%+v, session ended: %v", a, ended(s))
	}
	s, _ = open()
	if a := change(AccountChange{Disabled: &yes}); a.DisabledAt == nil || !ended(s) {
		t.Errorf("%+v, session ended: %v", a, ended(s))
	}
	if _, err := open(); !errors.Is(err, ErrFailed) {
		t.Errorf("a disabled account logs in: %v", err)
	}
	if a := change(AccountChange{Disabled: &no}); a.DisabledAt != nil || !ended(s) {
		t.Errorf("enabled again: %+v; an old session is back: %v", a, !ended(s))
	}
	if _, err := open(); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	wrong, nowhere, blank := Role("root"), "Mars/Base", " "
	for _, c := range []AccountChange{{Role: &wrong}, {Timezone: &nowhere}, {Name: &blank}, {Locale: &blank}} {
		if _, _, err := ChangeAccount(t.Context(), pool, bob.ID, c); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, _, err := ChangeAccount(t.Context(), pool, hotline.NewID(), AccountChange{}); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
}

// Two admins demote or disable each other at the same time, many times: one of them stays.
func TestAnAdminIsLeft(t *testing.T) {
	pool := pgtest.New(t)
	pair := [2]Account{addAccount(t, pool, "one", Admin), addAccount(t, pool, "two", Admin)}
	addAccount(t, pool, "off", Admin)
	if _, err := pool.Exec(t.Context(), "update account set disabled_at = now() where login = 'off'"); err != nil {
		t.Fatal(err)
	}
	agent, admin, yes, no := Agent, Admin, true, false
	for round, down := range []AccountChange{{Role: &agent}, {Disabled: &yes}, {Role: &agent}, {Disabled: &yes}, {Role: &agent}, {Disabled: &yes}} {
		var errs [2]error
		var wg sync.WaitGroup
		for i, a := range pair {
			wg.Go(func() { _, _, errs[i] = ChangeAccount(context.Background(), pool, a.ID, down) })
		}
		wg.Wait()
		refused := errs[0]
		if refused == nil {
			refused = errs[1]
		}
		if (errs[0] == nil) == (errs[1] == nil) || hotline.KindOf(refused) != hotline.Conflict {
			t.Fatalf("round %d: %v and %v; want one conflict", round, errs[0], errs[1])
		}
		for _, a := range pair {
			if _, _, err := ChangeAccount(t.Context(), pool, a.ID, AccountChange{Role: &admin, Disabled: &no}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestResetPassword(t *testing.T) {
	g, pool, _ := gateWithAnna(t)
	s, err := g.Login(t.Context(), Attempt{Login: "anna", Password: goodPassword, Remote: home})
	if err != nil {
		t.Fatal(err)
	}
	a, password, err := ResetPassword(t.Context(), pool, s.Account.ID)
	if err != nil || a.Login != "anna" || password == "" {
		t.Fatal(a, err)
	}
	if _, err := g.Session(t.Context(), s.Token); !errors.Is(err, ErrNoSession) {
		t.Errorf("the session goes on: %v", err)
	}
	if _, err := g.Login(t.Context(), Attempt{Login: "anna", Password: goodPassword, Remote: home}); !errors.Is(err, ErrFailed) {
		t.Errorf("the old password opens: %v", err)
	}
	if _, err := g.Login(t.Context(), Attempt{Login: "anna", Password: password, Remote: home}); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, _, err := ResetPassword(t.Context(), pool, hotline.NewID()); hotline.KindOf(err) != hotline.NotFound {
		t.Error(err)
	}
}
