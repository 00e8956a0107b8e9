package asterisktest

import (
	"net/http"
	"strings"
	"testing"
)

// TestOld: the version whose ARI is compared starts as well.
func TestOld(t *testing.T) {
	a := Start(t, Options{Version: "16"})
	if got := a.CLI("core", "show", "version"); !strings.Contains(got, "Asterisk 16.") {
		t.Errorf("version: %s", got)
	}
	if s := status(t, a, a.Password); s != http.StatusOK {
		t.Errorf("ARI says %d", s)
	}
}
