package asterisktest

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"hotline/trunks"
)

func TestStart(t *testing.T) {
	a := Start(t, Options{Trunks: []trunks.Trunk{{ID: "t1", Name: "acme", Enabled: true,
		Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.1"}, Host: "127.0.0.1", Port: 5999}}}})
	if got := a.CLI("pjsip", "show", "endpoints"); !strings.Contains(got, "hl-acme") {
		t.Errorf("endpoints: %s", got)
	}
	if s := status(t, a, a.Password); s != http.StatusOK {
		t.Errorf("ARI says %d", s)
	}
	if s := status(t, a, "wrong"); s != http.StatusUnauthorized {
		t.Errorf("ARI says %d to a wrong password", s)
	}
	first := a.PID
	a.Kill()
	a.Restart()
	if a.PID == first {
		t.Error("not a new process")
	}
	if s := status(t, a, a.Password); s != http.StatusOK {
		t.Errorf("after the restart ARI says %d", s)
	}
	a.Stop()
	if _, err := os.Stat(a.Dir); err != nil {
		t.Error(err)
	}
}

func status(t *testing.T, a *Asterisk, password string) int {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+"/ari/asterisk/info", nil)
	req.SetBasicAuth(a.User, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
