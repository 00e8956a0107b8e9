//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestConsole lets a person's hands and eyes, Chromium by Playwright, go through the console of a running product that has taken a
// call. Screenshots stay in artifacts/console.
func TestConsole(t *testing.T) {
	node, browser := need(t, "node", "nodejs"), need(t, "chromium", "chromium")
	for _, module := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat("../../web/console/node_modules/" + module); err != nil {
			t.Fatalf("%s is missing: make build (or npm ci in web/console)", module)
		}
	}
	artifacts, err := filepath.Abs("../../artifacts/console")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	leavesVoicemail(h)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test", "--test-concurrency=1", "console/console.test.mjs", "console/team.test.mjs", "console/access.test.mjs")
	cmd.Env = append(os.Environ(), "HOTLINE_URL="+h.http, "HOTLINE_LOGIN=admin", "HOTLINE_PASSWORD="+h.password["admin"],
		"HOTLINE_ARTIFACTS="+artifacts, "HOTLINE_SIP="+h.sip, "HOTLINE_BINARY="+product(t), "HOTLINE_CHROMIUM="+browser)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the console: %v\n%s", err, tail(string(out), 20_000))
	}
}
