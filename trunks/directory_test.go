package trunks

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/postgres"
	"hotline/postgres/pgtest"
)

func open(t *testing.T) (*Directory, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.New(t)
	d, err := Open(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `insert into flow (name) values ('main'), ('sales')`); err != nil {
		t.Fatal(err)
	}
	return d, pool
}

// follow runs d until the test ends.
func follow(t *testing.T, d *Directory) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func create(t *testing.T, d *Directory, name string, s TrunkSettings) Trunk {
	t.Helper()
	out, err := d.CreateTrunk(t.Context(), Trunk{Name: name, Enabled: true, Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t *testing.T, d *Directory, n Number) Number {
	t.Helper()
	if n.Flow == "" {
		n.Flow = "main"
	}
	out, err := d.PutNumber(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func invite(t *testing.T, to string, headers ...string) *sipmsg.Request {
	t.Helper()
	raw := "INVITE " + to + " SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nTo: <sip:+861062551234@us>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
	from := "From: <sip:13800138000@provider>;tag=1\r\n"
	for _, h := range headers {
		if strings.HasPrefix(h, "From:") {
			from = ""
		}
		raw += h + "\r\n"
	}
	msg, err := sipmsg.ParseMessage([]byte(raw + from + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sipmsg.Request)
}

func field(t *testing.T, err error) (hotline.Kind, string) {
	t.Helper()
	var e *hotline.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a hotline.Error", err)
	}
	return e.Kind, e.Field
}

func TestTrunkLife(t *testing.T) {
	d, _ := open(t)
	ctx := t.Context()
	a := create(t, d, "provider", TrunkSettings{
		MatchAddresses: []string{"192.0.2.0/24"}, MatchDigest: &Credentials{Username: "pbx", Password: "secret"},
		Register: &Register{Registrar: "sip.example.net", Username: "u", Password: "topsecret"},
	})
	shown, _ := json.Marshal(a)
	if strings.Contains(string(shown), "secret") || !a.Settings.Register.PasswordSet || !a.Settings.MatchDigest.PasswordSet {
		t.Errorf("the API shows %s", shown)
	}
	list, err := d.ListTrunks(ctx)
	if err != nil || len(list) != 1 || list[0].Settings.Register.Password != "" {
		t.Errorf("list: %+v, %v", list, err)
	}
	a.Settings.MaxCalls = 10
	b, err := d.UpdateTrunk(ctx, a)
	if err != nil || b.Version != 2 {
		t.Fatalf("update: %+v, %v", b, err)
	}
	if live, _ := d.Snapshot().Trunk(a.ID); live.Settings.Register.Password != "topsecret" || live.Settings.MatchDigest.Password != "secret" {
		t.Error("an update without passwords must keep them")
	}
	if _, err := d.UpdateTrunk(ctx, a); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an old version: %v, want conflict", err)
	}
	b.Settings.Register.Registrar = "evil.example.net"
	if _, err := d.UpdateTrunk(ctx, b); err == nil {
		t.Error("a kept password was sent to another registrar")
	} else if _, f := field(t, err); f != "settings.register.password" {
		t.Errorf("field %s", f)
	}
	put(t, d, Number{Number: "+861062551234", TrunkID: a.ID})
	if err := d.DeleteTrunk(ctx, a.ID, 2); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("delete of a trunk in use: %v, want conflict", err)
	}
	if err := d.DeleteNumber(ctx, "+861062551234", 1); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteTrunk(ctx, a.ID, 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("delete of an old version: %v, want conflict", err)
	}
	if err := d.DeleteTrunk(ctx, a.ID, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := d.GetTrunk(ctx, a.ID); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("after delete: %v, want not found", err)
	}
}

func TestWrongTrunksAreRefusedWithTheField(t *testing.T) {
	d, _ := open(t)
	create(t, d, "taken", TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "x"}})
	ok := []string{"192.0.2.1"}
	for want, tr := range map[string]Trunk{
		"name":                             {Name: " ", Settings: TrunkSettings{MatchAddresses: ok}},
		"settings.match_addresses":         {Name: "a"},
		"settings.match_addresses[1]":      {Name: "a", Settings: TrunkSettings{MatchAddresses: []string{"192.0.2.1", "provider.example"}}},
		"settings.match_addresses[0]":      {Name: "a", Settings: TrunkSettings{MatchAddresses: []string{"0.0.0.0/0"}}},
		"settings.match_digest.password":   {Name: "a", Settings: TrunkSettings{MatchDigest: &Credentials{Username: "u"}}},
		"settings.match_digest.username":   {Name: "a", Settings: TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "y"}}},
		"settings.register.registrar":      {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a b", Username: "u", Password: "p"}}},
		"settings.register.expires_s":      {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a", Username: "u", Password: "p", ExpiresS: 1}}},
		"settings.host":                    {Name: "a", Settings: TrunkSettings{Host: "a:5060"}},
		"settings.port":                    {Name: "a", Settings: TrunkSettings{Host: "a", Port: 70000}},
		"settings.transport":               {Name: "a", Settings: TrunkSettings{Host: "a", Transport: "carrier pigeon"}},
		"settings.codecs[1]":               {Name: "a", Settings: TrunkSettings{Host: "a", Codecs: []string{"PCMA", "opus"}}},
		"settings.dtmf":                    {Name: "a", Settings: TrunkSettings{Host: "a", DTMF: "shout"}},
		"settings.srtp":                    {Name: "a", Settings: TrunkSettings{Host: "a", SRTP: true}},
		"settings.country":                 {Name: "a", Settings: TrunkSettings{Host: "a", Country: "China"}},
		"settings.national_prefix":         {Name: "a", Settings: TrunkSettings{Host: "a", NationalPrefix: "zero"}},
		"settings.max_calls":               {Name: "a", Settings: TrunkSettings{Host: "a", MaxCalls: -1}},
		"settings.options_interval_s":      {Name: "a", Settings: TrunkSettings{Host: "a", OptionsIntervalS: 1}},
		"settings.session_timer_s":         {Name: "a", Settings: TrunkSettings{Host: "a", SessionTimerS: 30}},
		"settings.register.username":       {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a", Username: "u\r\nX: y", Password: "p"}}},
		"settings.register.realm":          {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a", Username: "u", Password: "p", Realm: "a\nb"}}},
		"settings.international_prefix":    {Name: "a", Settings: TrunkSettings{Host: "a", InternationalPrefix: "0000000"}},
		"settings.max_cps":                 {Name: "a", Settings: TrunkSettings{Host: "a", MaxCPS: 1 << 30}},
		"settings.register.auth_username":  {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a", Username: "u", AuthUsername: "a b", Password: "p"}}},
		"settings.match_digest.password ":  {Name: "a", Settings: TrunkSettings{MatchDigest: &Credentials{Username: "u", Password: ""}}},
		"name ":                            {Name: "taken", Settings: TrunkSettings{MatchAddresses: ok}},
		"settings.match_digest.username  ": {Name: "a", Settings: TrunkSettings{MatchDigest: &Credentials{Username: `a"b`, Password: "p"}}},
		"settings.register.registrar ":     {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a:99999", Username: "u", Password: "p"}}},
		"settings.register.password":       {Name: "a", Settings: TrunkSettings{Register: &Register{Registrar: "a", Username: "u"}}},
		"settings.match_addresses[0] ":     {Name: "a", Settings: TrunkSettings{MatchAddresses: []string{"192.0.2.1/33"}}},
	} {
		_, err := d.CreateTrunk(t.Context(), tr)
		if err == nil {
			t.Errorf("%s: accepted", want)
			continue
		}
		if _, got := field(t, err); got != strings.TrimSpace(want) {
			t.Errorf("%s: %v (field %q)", want, err, got)
		}
	}
}

func TestNumberLife(t *testing.T) {
	d, _ := open(t)
	ctx := t.Context()
	n := put(t, d, Number{Number: "+86 10-6255-1234", Title: "Support"})
	if n.Number != "+861062551234" || n.Version != 1 || n.Language != "zh-CN" {
		t.Errorf("got %+v", n)
	}
	if _, err := d.PutNumber(ctx, Number{Number: "+861062551234", Flow: "main"}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("again: %v, want conflict", err)
	}
	n.Flow = "sales"
	if n, _ = d.PutNumber(ctx, n); n.Version != 2 {
		t.Errorf("version %d, want 2", n.Version)
	}
	n.Version = 1
	if _, err := d.PutNumber(ctx, n); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("old version: %v, want conflict", err)
	}
	for want, n := range map[string]Number{
		"number":   {Number: "call me!", Flow: "main"},
		"flow":     {Number: "1", Flow: "nowhere"},
		"queue":    {Number: "1", Flow: "main", Queue: "nobody"},
		"trunk_id": {Number: "1", Flow: "main", TrunkID: "not-a-uuid"},
		"language": {Number: "1", Flow: "main", Language: "de"},
		"title":    {Number: "1", Flow: "main", Title: "a\x00b"},
	} {
		_, err := d.PutNumber(ctx, n)
		if err == nil {
			t.Errorf("%s: accepted", want)
		} else if kind, got := field(t, err); got != want || kind != hotline.Invalid {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := d.PutNumber(ctx, Number{Number: "1", Flow: "main", TrunkID: hotline.NewID()}); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("trunk that is not there: %v", err)
	}
	if err := d.DeleteNumber(ctx, "+861062551234", 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("delete of an old version: %v", err)
	}
	if err := d.DeleteNumber(ctx, "999", 1); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("delete of nothing: %v", err)
	}
}

// Abuse case 2: a number that nobody has is not found, whatever else there is.
func TestDialledNumber(t *testing.T) {
	d, _ := open(t)
	beijing := create(t, d, "beijing", TrunkSettings{MatchAddresses: []string{"192.0.2.1"}, Country: "CN", NationalPrefix: "0", InternationalPrefix: "00"})
	pbx := create(t, d, "pbx", TrunkSettings{MatchAddresses: []string{"198.51.100.0/24"}})
	account := create(t, d, "account", TrunkSettings{Register: &Register{Registrar: "203.0.113.9", Username: "acct", Password: "p"}})
	put(t, d, Number{Number: "+861062551234"})
	put(t, d, Number{Number: "4000"})
	put(t, d, Number{Number: "7000", TrunkID: pbx.ID})
	put(t, d, Number{Number: "hotline"})
	for _, c := range []struct {
		trunk Trunk
		uri   string
		want  string // "" is 404
	}{
		{beijing, "sip:01062551234@us", "+861062551234"},
		{beijing, "sip:+861062551234@us;user=phone", "+861062551234"},
		{beijing, "sip:861062551234@us", "+861062551234"},
		{beijing, "sip:4000@us", "4000"},
		{beijing, "sip:7000@us", ""},
		{pbx, "sip:7000@us", "7000"},
		{pbx, "sip:01062551234@us", ""}, // this trunk knows no country
		{pbx, "sip:Hotline@us", "hotline"},
		{pbx, "sip:4001@us", ""},
		{pbx, "sip:40000@us", ""},
		{pbx, "sip:us", ""},
		{pbx, "sip:4000;phone-context=x@us", "4000"},
		{account, "sip:acct@us", "+861062551234"}, // To has the number
		{account, "sip:" + ContactToken(&account) + "@us", "+861062551234"},
		{account, "sip:+8613900000000@us", ""},
	} {
		live, _ := d.Snapshot().Trunk(c.trunk.ID)
		n, _, ok := d.NumberFor(live, invite(t, c.uri))
		if n.Number != c.want || ok != (c.want != "") {
			t.Errorf("%s on %s: %q %v, want %q", c.uri, c.trunk.Name, n.Number, ok, c.want)
		}
	}
}

// Abuse case 1: who is no trunk is nobody.
func TestMatchTrunk(t *testing.T) {
	d, _ := open(t)
	wide := create(t, d, "wide", TrunkSettings{MatchAddresses: []string{"192.0.0.0/16", "2001:db8::/32"}})
	narrow := create(t, d, "narrow", TrunkSettings{MatchAddresses: []string{"192.0.2.0/24"}})
	one := create(t, d, "one", TrunkSettings{MatchAddresses: []string{"192.0.2.7"}})
	off := create(t, d, "off", TrunkSettings{MatchAddresses: []string{"203.0.113.1"}})
	off.Enabled = false
	if _, err := d.UpdateTrunk(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	second := create(t, d, "two", TrunkSettings{MatchAddresses: []string{"192.0.2.7"}})
	put(t, d, Number{Number: "4002", TrunkID: second.ID})
	reg := create(t, d, "reg", TrunkSettings{Register: &Register{Registrar: "registrar.example", Username: "u", Password: "p"}})
	d.SetResolved(reg.ID, []netip.Addr{netip.MustParseAddr("198.51.100.5")})
	for _, c := range []struct{ from, uri, want string }{
		{"192.0.9.9", "sip:4000@us", wide.ID},
		{"2001:db8::1", "sip:4000@us", wide.ID},
		{"::ffff:192.0.9.9", "sip:4000@us", wide.ID},
		{"192.0.2.9", "sip:4000@us", narrow.ID},
		{"192.0.2.7", "sip:4000@us", one.ID},
		{"192.0.2.7", "sip:4002@us", second.ID},
		{"198.51.100.5", "sip:4000@us", reg.ID},
		{"203.0.113.1", "sip:4000@us", ""},
		{"127.0.0.1", "sip:4000@us", ""},
	} {
		got := ""
		tr, login := d.MatchTrunk(netip.MustParseAddr(c.from), invite(t, c.uri))
		if tr != nil {
			got = tr.ID
		}
		if got != c.want || login {
			t.Errorf("%s from %s: %q, want %q", c.uri, c.from, got, c.want)
		}
	}
	create(t, d, "login", TrunkSettings{MatchDigest: &Credentials{Username: "pbx", Password: "secret"}})
	if tr, login := d.MatchTrunk(netip.MustParseAddr("127.0.0.1"), invite(t, "sip:1@us")); tr != nil || !login {
		t.Error("with a trunk that logs in, a stranger may turn out to be it")
	}
}

// A change that somebody else made, in another process, arrives by notification.
func TestSnapshotFollowsTheTables(t *testing.T) {
	d, pool := open(t)
	changed, stop := d.Watch()
	defer stop()
	follow(t, d)
	if _, err := pool.Exec(t.Context(), `insert into trunk (id, name, settings) values ($1, 'sql', '{"match_addresses":["192.0.2.1"]}')`, hotline.NewID()); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for !d.Snapshot().Known(netip.MustParseAddr("192.0.2.1")) {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("the change was not seen")
		}
	}
}

// Calls are routed while the database is away, and changes are seen when it is back.
func TestDatabaseAway(t *testing.T) {
	server, err := postgres.Start(t.Context(), postgres.Config{URL: os.Getenv("HOTLINE_TEST_DATABASE_URL"), DataDir: t.TempDir()})
	if err != nil {
		t.Skipf("needs a database of its own: %v", err)
	}
	if os.Getenv("HOTLINE_TEST_DATABASE_URL") != "" {
		t.Skip("the given database is not ours to stop")
	}
	pool, err := postgres.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `insert into flow (name) values ('main')`); err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := create(t, d, "a", TrunkSettings{MatchAddresses: []string{"192.0.2.1"}})
	put(t, d, Number{Number: "4000"})
	server.Close()
	if err := d.Reload(t.Context()); err == nil {
		t.Fatal("the database should be away")
	}
	got, _ := d.MatchTrunk(netip.MustParseAddr("192.0.2.1"), invite(t, "sip:4000@us"))
	if got == nil || got.ID != tr.ID {
		t.Fatal("the trunk is forgotten while the database is away")
	}
	if _, _, ok := d.NumberFor(got, invite(t, "sip:4000@us")); !ok {
		t.Fatal("the number is forgotten while the database is away")
	}
	if _, err := d.CreateTrunk(t.Context(), Trunk{Name: "b", Settings: TrunkSettings{Host: "h"}}); err == nil {
		t.Error("a trunk cannot be stored now")
	}
}
