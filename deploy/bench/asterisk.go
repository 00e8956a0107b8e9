package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"hotline/media"
)

// dialplan is the peer for whole calls: plain Asterisk, whose dialplan does what our product does with the same calls.
const dialplan = "asterisk-dialplan"

//go:embed peer/*.conf
var peerConfig embed.FS

// asterisk is a running Asterisk.
type asterisk struct {
	*process
	root, dir, modules string
	sip                string
}

// asteriskRoot unpacks Asterisk where it is not yet.
func asteriskRoot(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "deploy/asterisk/fetch.sh")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("deploy/asterisk/fetch.sh: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// startAsterisk makes the folders of an Asterisk, has its configuration written, and starts it.
func startAsterisk(ctx context.Context, root string, configure func(*asterisk) error) (*asterisk, error) {
	dir, err := os.MkdirTemp("", "asterisk-") // short: the path of its socket may have 107 bytes
	if err != nil {
		return nil, err
	}
	a := &asterisk{root: root, dir: dir, sip: freeAddr()}
	found, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/asterisk/modules"))
	if len(found) != 1 {
		return nil, fmt.Errorf("no modules of Asterisk below %s", root)
	}
	a.modules = found[0]
	for _, folder := range []string{"etc", "lib/keys", "data/sounds/en", "data/music", "spool/monitor", "spool/recording", "run", "log/cdr-csv"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, folder), 0o755))
	}
	for _, folder := range []string{"documentation", "rest-api"} { // the types of its options, and of ARI, stand there
		err = errors.Join(err, os.Symlink(filepath.Join(root, "usr/share/asterisk", folder), filepath.Join(dir, "data", folder)))
	}
	if err == nil {
		err = configure(a)
	}
	if err == nil {
		err = a.start(ctx)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return a, nil
}

// asDialplan writes what the peer reads. Its sounds are what the product's callers hear too, in the format of the calls, so that
// nothing is transcoded.
func (a *asterisk) asDialplan() error {
	fill := strings.NewReplacer("RUN", a.dir, "MODULES", a.modules, "= SIP", "= "+a.sip)
	files, err := fs.Glob(peerConfig, "peer/*.conf")
	if err != nil {
		return err
	}
	for _, name := range files {
		raw, err := peerConfig.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(a.dir, "etc", path.Base(name)), []byte(fill.Replace(string(raw))), 0o644); err != nil {
			return err
		}
	}
	for name, sound := range map[string][]int16{
		"sounds/en/tone":  tonePCM(1000, time.Minute),
		"sounds/en/quiet": tonePCM(0, 10*time.Second),
		"music/music":     tonePCM(440, time.Minute),
	} {
		coded := make([]byte, len(sound))
		media.PCMU.Encode(coded, sound)
		if err := os.WriteFile(filepath.Join(a.dir, "data", name+".ulaw"), coded, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// start runs Asterisk and waits until it takes calls.
func (a *asterisk) start(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "deploy/asterisk/run.sh", a.root, a.dir)
	cmd.Stderr = os.Stderr
	p, _, err := launch(cmd, "\x00")
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if out, err := a.cli(limited, "core waitfullybooted"); err == nil && bytes.Contains(out, []byte("fully booted")) {
			a.process = p
			return nil
		}
		select {
		case <-p.done:
			said, _ := os.ReadFile(filepath.Join(a.dir, "log/messages"))
			return fmt.Errorf("an Asterisk stopped at its start: %s", said)
		case <-time.After(50 * time.Millisecond):
		case <-limited.Done():
			p.stop()
			return fmt.Errorf("an Asterisk was not ready within a minute: %w", limited.Err())
		}
	}
}

// cli asks the console of the running Asterisk.
func (a *asterisk) cli(ctx context.Context, command string) ([]byte, error) {
	return exec.CommandContext(ctx, "deploy/asterisk/run.sh", a.root, a.dir, "-rx", command).CombinedOutput()
}

func (a *asterisk) close() {
	a.stop()
	os.RemoveAll(a.dir)
}
