package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"hotline/tickets"
	"hotline/web/login"
)

// runServe runs the product until a signal: the first drains, the second ends the calls that are left.
func runServe(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs, load := flags("serve", stderr)
	demo := fs.Bool("demo", false, "seed a demo once: numbers 4000 and 4001, a trunk that trusts this machine")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := load()
	if err != nil {
		return err
	}
	raiseFileLimit()
	defer runtime.KeepAlive(newBallast())
	log := newLog(stderr, c)
	drain, stop, release := signals(ctx)
	defer release()
	h, err := build(drain, c, *demo, log)
	if err != nil {
		return err
	}
	defer h.close()
	first, err := login.EnsureFirstAccounts(ctx, h.pool)
	if err != nil {
		return err
	}
	err = auditFirst(ctx, h.desk, first)
	if *demo && err == nil {
		if err = h.seedStaff(ctx); err != nil {
			err = fmt.Errorf("seed the demo: %w", err)
		}
	}
	banner(stdout, c, h, *demo, first) // first: the passwords are shown this once, whatever comes after
	if err != nil {
		return err
	}
	return h.run(drain, stop)
}

// auditFirst writes down that the first accounts were made, by nobody.
func auditFirst(ctx context.Context, desk *tickets.Desk, first []login.Credential) error {
	for _, who := range first {
		entry := tickets.NewAudit{Action: "account.create", Subject: "account:" + who.ID, Data: map[string]any{"login": who.Login, "role": who.Role, "first": true}}
		if err := desk.Audit(ctx, tickets.System, entry); err != nil {
			return err
		}
	}
	return nil
}

// signals returns two contexts: the first ends at the first SIGINT or SIGTERM (or with ctx), the second at the second.
func signals(ctx context.Context) (drain, stop context.Context, release func()) {
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	drain, begin := context.WithCancel(ctx)
	stop, end := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		for _, f := range []func(){begin, end} {
			select {
			case <-ch:
				f()
			case <-done:
				return
			}
		}
	}()
	return drain, stop, func() {
		signal.Stop(ch)
		close(done)
		begin()
		end()
	}
}

// banner says where everything is. First passwords are shown once, here.
func banner(w io.Writer, c config, h *house, demo bool, first []login.Credential) {
	scheme := "http"
	if c.secure() {
		scheme = "https"
	}
	fmt.Fprintf(w, "Hotline %s\n", versionText())
	fmt.Fprintf(w, "  console  %s://%s\n", scheme, h.listener.Addr())
	if c.HTTP.SelfSigned {
		fmt.Fprintf(w, "           self-signed certificate, SHA-256 %s\n", h.cert.fingerprint())
	}
	fmt.Fprintf(w, "  SIP      %s, UDP and TCP\n", c.SIP.Addr)
	udp, _ := h.staff.hub.Addrs()
	fmt.Fprintf(w, "  browsers %s, UDP and TCP, for the audio of agents\n", udp)
	if demo {
		fmt.Fprintf(w, "  dial     sip:4000@%s (4001 is closed: voicemail), or: bin/hotline call --to sip:4000@%s\n", c.SIP.Addr, c.SIP.Addr)
		fmt.Fprintln(w, "  answer   log in as agent, allow the microphone, go ready")
	}
	for _, who := range first {
		fmt.Fprintf(w, "  log in as %s with %s\n", who.Login, who.Password)
	}
	if len(first) > 0 {
		fmt.Fprintln(w, "  These passwords are shown this once; hotline user password --login NAME makes a new one.")
	}
	fmt.Fprintln(w, "Ready. Ctrl-C drains, a second Ctrl-C stops.")
}

func newLog(w io.Writer, c config) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if c.LogFormat == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	log := slog.New(handler)
	slog.SetDefault(log)
	return log
}

// raiseFileLimit takes what the system allows: a call holds up to three descriptors.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
}
