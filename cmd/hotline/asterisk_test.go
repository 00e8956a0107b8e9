package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/postgres/pgtest"
	"hotline/trunks"
)

// TestAsteriskKeys: nodes are read, and an ARI that lets strangers in keeps the product from starting (abuse 24).
func TestAsteriskKeys(t *testing.T) {
	good := []string{"HOTLINE_ASTERISK=pbx1=http://10.0.0.5:8088, http://127.0.0.1:8089/", "HOTLINE_ASTERISK_PASSWORD=b6d4c1f09a7e4e52"}
	c, err := loadConfig("", good)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Asterisk.Nodes; len(n) != 2 || n[0] != (asteriskNode{"pbx1", "http://10.0.0.5:8088"}) || n[1] != (asteriskNode{"127.0.0.1", "http://127.0.0.1:8089"}) {
		t.Errorf("%+v", n)
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("b6d4c1f09a7e4e53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = loadConfig("", []string{good[0], "HOTLINE_ASTERISK_PASSWORD_FILE=" + secret}); err != nil || c.Asterisk.Password != "b6d4c1f09a7e4e53" {
		t.Errorf("%+v %v", c.Asterisk, err)
	}
	if c, err = loadConfig("", nil); err != nil || len(c.Asterisk.Nodes) != 0 {
		t.Errorf("without Asterisk: %+v %v", c.Asterisk, err)
	}
	for name, env := range map[string][]string{
		"asterisk_password empty":      {good[0]},
		"asterisk_password default":    {good[0], "HOTLINE_ASTERISK_PASSWORD=asterisk"},
		"asterisk_password short":      {good[0], "HOTLINE_ASTERISK_PASSWORD=x9$fk"},
		"asterisk_password_file":       {good[0], "HOTLINE_ASTERISK_PASSWORD_FILE=" + secret + ".none"},
		"asterisk public":              {"HOTLINE_ASTERISK=http://203.0.113.5:8088", good[1]},
		"asterisk twice":               {"HOTLINE_ASTERISK=a=http://10.0.0.1:1,a=http://10.0.0.2:1", good[1]},
		"asterisk bad name":            {"HOTLINE_ASTERISK=a b=http://10.0.0.1:1", good[1]},
		"asterisk no url":              {"HOTLINE_ASTERISK=pbx1=nonsense", good[1]},
		"asterisk_transport":           {good[0], good[1], "HOTLINE_ASTERISK_TRANSPORT=pigeon"},
		"asterisk_media_addr":          {good[0], good[1], "HOTLINE_ASTERISK_MEDIA_ADDR=0.0.0.0"},
		"asterisk_app with a blank in": {good[0], good[1], "HOTLINE_ASTERISK_APP=hot line"},
	} {
		_, err := loadConfig("", env)
		var e *hotline.Error
		if !errors.As(err, &e) || e.Kind != hotline.Invalid || e.Field != strings.Fields(name)[0] {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "b6d4c1f09a7e4e52") {
			t.Errorf("%s: the password is told: %v", name, err)
		}
	}
}

// TestAsteriskConfig renders from a database: files with passwords are for their owner alone, what is out of date is said, and a
// default password is refused.
func TestAsteriskConfig(t *testing.T) {
	url := pgtest.NewURL(t)
	out := filepath.Join(t.TempDir(), "etc")
	run := func(env string, args ...string) (string, error) {
		t.Helper()
		t.Setenv("HOTLINE_DATABASE_URL", url)
		t.Setenv("HOTLINE_ASTERISK_PASSWORD", env)
		var b bytes.Buffer
		err := runAsterisk(t.Context(), append([]string{"config", "--out", out}, args...), &b, &b)
		return b.String(), err
	}
	if said, err := run("b6d4c1f09a7e4e52"); err != nil || !strings.Contains(said, "hotline doctor") {
		t.Fatalf("%s %v", said, err)
	}
	for name, mode := range map[string]os.FileMode{"ari.conf": 0o600, "pjsip.conf": 0o600, "extensions.conf": 0o644, "sounds/hotline/away-en.wav": 0o644} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode().Perm() != mode || info.Size() < 100 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if said, err := run("b6d4c1f09a7e4e52", "--check"); err != nil {
		t.Errorf("%s %v", said, err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	settings := trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, Host: "192.0.2.9", Register: &trunks.Register{Registrar: "a.example", Username: "u", Password: "p;w"}}
	if _, err := conn.Exec(t.Context(), "insert into trunk (id, name, settings) values ($1, 'provider', $2)", hotline.NewID(), settings); err != nil {
		t.Fatal(err)
	}
	if said, err := run("b6d4c1f09a7e4e52", "--check"); err == nil || !strings.Contains(said, "differs  pjsip.conf") {
		t.Errorf("a new trunk is not missed: %s %v", said, err)
	}
	if _, err := run("b6d4c1f09a7e4e52"); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(out, "pjsip.conf")); err != nil || !strings.Contains(string(text), `password = p\;w`) {
		t.Errorf("%s %v", text, err)
	}
	if said, err := run(""); err != nil || !strings.Contains(said, "random one was made") {
		t.Errorf("%s %v", said, err)
	}
	for _, args := range [][]string{{"--ari", "0.0.0.0:8088"}, {"--phones", "101=1"}, {"--rtp", "1-2"}} {
		if said, err := run("b6d4c1f09a7e4e52", args...); err == nil {
			t.Errorf("%v: %s", args, said)
		}
	}
	if _, err := run("asterisk"); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("a default password: %v", err)
	}
}
