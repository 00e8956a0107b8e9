package postgres

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"hotline"
)

// installation is one PostgreSQL found on this machine.
type installation struct {
	bin   string // folder of initdb and postgres
	major int
}

// errMissing is what a machine without PostgreSQL is told.
func errMissing() error {
	return hotline.Errorf(hotline.Unavailable, "postgres.missing",
		"PostgreSQL is not installed: run `apt-get install -y postgresql`, or set HOTLINE_DATABASE_URL to a server of yours")
}

// debianBins is where Debian keeps the servers, outside of PATH, several versions side by side.
var debianBins = "/usr/lib/postgresql/*/bin"

var versionOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// installations finds PostgreSQL in PATH and where Debian keeps it, newest first.
func installations(ctx context.Context) []installation {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	debian, _ := filepath.Glob(debianBins) // the pattern is well-formed
	var found []installation
	seen := map[string]bool{}
	for _, dir := range append(dirs, debian...) {
		server := filepath.Join(dir, "postgres")
		if !executable(server) || !executable(filepath.Join(dir, "initdb")) {
			continue
		}
		real, err := filepath.EvalSymlinks(server)
		if err != nil || seen[real] {
			continue
		}
		seen[real] = true
		out, err := exec.CommandContext(ctx, server, "--version").Output()
		m := versionOf.FindSubmatch(out)
		if err != nil || m == nil {
			continue
		}
		major, _ := strconv.Atoi(string(m[1])) // the pattern has digits only
		found = append(found, installation{bin: dir, major: major})
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].major > found[j].major })
	return found
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// pick chooses the installation for a cluster: the one that made it, or the newest for a new one.
func pick(found []installation, pgdata string) (installation, error) {
	if len(found) == 0 {
		return installation{}, errMissing()
	}
	raw, err := os.ReadFile(filepath.Join(pgdata, "PG_VERSION"))
	if os.IsNotExist(err) {
		return found[0], nil
	}
	if err != nil {
		return installation{}, hotline.Errorf(hotline.Unavailable, "postgres.unreadable", "the cluster at %s cannot be read: %w", pgdata, err)
	}
	made := strings.TrimSpace(string(raw))
	var have []string
	for _, i := range found {
		if strconv.Itoa(i.major) == made {
			return i, nil
		}
		have = append(have, strconv.Itoa(i.major))
	}
	return installation{}, hotline.Errorf(hotline.Conflict, "postgres.version",
		"the cluster at %s was made by PostgreSQL %s, but this machine has only %s: run `apt-get install -y postgresql-%s`, or upgrade it with pg_upgrade; nothing was changed",
		pgdata, made, strings.Join(have, ", "), made)
}
