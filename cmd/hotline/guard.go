package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"hotline/asterisk/away"
)

// runGuard is the guardian that serve starts: it outlives it, and what ends the group does not end it. With --now it does its work at
// once, for systemd's ExecStopPost and for hands.
func runGuard(ctx context.Context, args []string, _, stderr io.Writer) error {
	fs, load := flags("guard", stderr)
	now := fs.Bool("now", false, "Hotline is gone: give its callers to the dialplan now")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if !*now {
		signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		return away.Guard(context.WithoutCancel(ctx), os.Stdin, slog.New(slog.NewTextHandler(stderr, nil)).With("part", "guard"))
	}
	c, err := load()
	if err != nil {
		return err
	}
	return away.Rescue(ctx, c.Asterisk.App, c.guarded(), newLog(stderr, c))
}
