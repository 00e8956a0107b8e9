package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd"
	"hotline/ivr"
	"hotline/ivr/bundle"
	"hotline/ivr/speech"
	"hotline/sip"
	"hotline/tickets"
)

// runConfig lists the process's own keys, or moves the configuration of the database to files and back.
func runConfig(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("say what to do: hotline config keys, export DIR, plan DIR or apply DIR")
	}
	switch args[0] {
	case "keys":
		for _, s := range settings {
			fmt.Fprintf(stdout, "%-15s HOTLINE_%-15s %-16q %s\n", s.key, strings.ToUpper(s.key), s.preset, s.help)
		}
		return nil
	case "export", "plan", "apply":
		return moveConfig(ctx, args[0], args[1:], stdout, stderr)
	}
	return fmt.Errorf("there is no hotline config %s; use keys, export, plan or apply", args[0])
}

func moveConfig(ctx context.Context, what string, args []string, stdout, stderr io.Writer) error {
	fs, load := flags("config "+what, stderr)
	prune := false
	if what != "export" {
		fs.BoolVar(&prune, "prune", false, "also remove what a file of the folder does not mention")
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("name the folder: hotline config %s DIR", what)
	}
	dir := fs.Arg(0)
	c, err := load()
	if err != nil {
		return err
	}
	return withDatabase(ctx, c, func(pool *pgxpool.Pool) error {
		house, err := configHouse(ctx, c, pool)
		if err != nil {
			return err
		}
		if what == "export" {
			if err := bundle.Export(ctx, house, dir); err != nil {
				return err
			}
			_, err := fmt.Fprintln(stdout, "the configuration is in "+dir+"; passwords are left out")
			return err
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("%s is no folder; hotline config export %s makes one", dir, dir)
		}
		do := bundle.Plan
		if what == "apply" {
			do = bundle.Apply
		}
		changes, err := do(ctx, house, os.DirFS(dir), bundle.Options{Prune: prune})
		if what == "apply" {
			err = errors.Join(err, auditChanges(ctx, pool, changes))
		}
		for _, change := range changes {
			fmt.Fprintln(stdout, change)
		}
		if len(changes) == 0 && err == nil {
			fmt.Fprintln(stdout, "no changes")
		}
		return err
	})
}

// configHouse opens what is configured, as the person who runs the command.
func configHouse(ctx context.Context, c config, pool *pgxpool.Pool) (bundle.House, error) {
	quiet := slog.New(slog.DiscardHandler)
	queues, err := acd.OpenQueues(ctx, pool, quiet)
	if err != nil {
		return bundle.House{}, err
	}
	directory, err := sip.OpenDirectory(ctx, pool, quiet)
	if err != nil {
		return bundle.House{}, err
	}
	espeak, err := speech.NewEspeak()
	if err != nil {
		return bundle.House{}, err
	}
	voice, err := speech.NewVoice(espeak, filepath.Join(c.DataDir, "speech"))
	if err != nil {
		return bundle.House{}, err
	}
	rules := ivr.Rules{OutboundAllow: outbound(c.DialOut), LookupAllow: c.LookupHosts}
	return bundle.House{Store: ivr.NewStore(pool, rules, voice), Queues: queues, Directory: directory, By: commander()}, nil
}

// commander is who types the command.
func commander() string {
	if u, err := user.Current(); err == nil {
		return "command line (" + u.Username + ")"
	}
	return "command line"
}

// auditCommand writes down what was done from the command line, and by whom.
func auditCommand(ctx context.Context, pool *pgxpool.Pool, action, subject string, data map[string]any) error {
	entry := tickets.NewAudit{Action: action, Subject: subject}
	if data != nil {
		entry.Data = data
	}
	return tickets.New(pool, tickets.Config{}).Audit(ctx, tickets.Actor{ID: "command", Name: commander()}, entry)
}

func auditChanges(ctx context.Context, pool *pgxpool.Pool, changes []bundle.Change) error {
	for _, change := range changes {
		err := auditCommand(ctx, pool, change.Kind+"."+string(change.Action), change.Kind+":"+change.Name, map[string]any{"file": change.File})
		if err != nil {
			return err
		}
	}
	return nil
}
