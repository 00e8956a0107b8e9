package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"hotline"
	"hotline/asterisk"
	"hotline/asterisk/ari"
	"hotline/asterisk/away"
	"hotline/ivr/pickup"
	"hotline/sip"
	"hotline/trunks/callout"
)

// asteriskConfig is which Asterisks carry calls for us, and how they are reached.
type asteriskConfig struct {
	Nodes     []asteriskNode
	User      string
	Password  string
	App       string
	Transport ari.Transport
	MediaAddr netip.Addr
}

// asteriskNode is one of them.
type asteriskNode struct{ Name, URL string }

var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// setAsterisks reads name=url, name=url …; a URL alone is named by its host.
func setAsterisks(c *config, v string) error {
	c.Asterisk.Nodes = nil
	seen := map[string]bool{}
	for _, item := range splitList(v) {
		name, address, named := strings.Cut(item, "=")
		if !named {
			u, err := url.Parse(item)
			if err != nil || u.Hostname() == "" {
				return fmt.Errorf("%q is neither name=url nor a URL; give pbx1=http://10.0.0.5:8088", item)
			}
			name, address = strings.ReplaceAll(u.Hostname(), ":", "-"), item
		}
		name, address = strings.TrimSpace(name), strings.TrimSpace(address)
		if !nodeName.MatchString(name) {
			return fmt.Errorf("%q cannot be the name of an Asterisk; use letters, digits, dots, - and _", name)
		}
		if seen[name] {
			return fmt.Errorf("two Asterisks are named %s; give each a name of its own, as in pbx1=http://10.0.0.5:8088", name)
		}
		seen[name] = true
		c.Asterisk.Nodes = append(c.Asterisk.Nodes, asteriskNode{name, strings.TrimSuffix(address, "/")})
	}
	return nil
}

func setAsteriskTransport(c *config, v string) error {
	switch ari.Transport(v) {
	case ari.HTTP, ari.Websocket, ari.Dialled:
		c.Asterisk.Transport = ari.Transport(v)
		return nil
	}
	return errors.New("give http, websocket, or dialled (Asterisk connects to Hotline)")
}

// setAsteriskPasswordFile reads the password from a file, as systemd and containers hand over secrets.
func setAsteriskPasswordFile(c *config, v string) error {
	if v == "" {
		return nil
	}
	raw, err := os.ReadFile(v)
	if err != nil {
		return fmt.Errorf("the file cannot be read (%v); give one that holds the password of ari.conf and nothing else", errors.Unwrap(err))
	}
	c.Asterisk.Password = strings.TrimSpace(string(raw))
	return nil
}

// asterisks returns how each Asterisk is reached.
func (c *config) asterisks(log *slog.Logger) []ari.Config {
	var out []ari.Config
	for _, n := range c.Asterisk.Nodes {
		out = append(out, ari.Config{
			Name: n.Name, URL: n.URL, User: c.Asterisk.User, Password: c.Asterisk.Password, App: c.Asterisk.App, Transport: c.Asterisk.Transport, Log: log,
		})
	}
	return out
}

// guarded returns the same for the guardian, which comes by HTTP.
func (c *config) guarded() []away.Node {
	var out []away.Node
	for _, n := range c.Asterisk.Nodes {
		if n.URL != "" {
			out = append(out, away.Node{Name: n.Name, URL: n.URL, User: c.Asterisk.User, Password: c.Asterisk.Password})
		}
	}
	return out
}

// checkAsterisk refuses to start with an ARI that lets strangers in, or that cannot work.
func (c *config) checkAsterisk() error {
	for _, n := range c.asterisks(nil) {
		if err := ari.Check(n); err != nil {
			var e *hotline.Error
			if errors.As(err, &e) {
				key := map[string]string{"password": "asterisk_password", "url": "asterisk", "app": "asterisk_app", "user": "asterisk_user", "transport": "asterisk_transport"}[e.Field]
				return &hotline.Error{Kind: e.Kind, Code: e.Code, Field: key, Message: fmt.Sprintf("%s (%s, HOTLINE_%s)", e.Message, key, strings.ToUpper(key))}
			}
			return err
		}
	}
	return nil
}

// edges are what carries calls: SIP of our own, and Asterisk where one is configured.
type edges struct {
	*callout.Dialer // by both
	sip             *sip.Edge
	asterisk        *asterisk.Edge // nil: none is configured
	keeper          *away.Keeper
	spool           *away.Spool
	picker          *pickup.Picker // of messages that Asterisk took while Hotline was away
}

// openAsterisk makes the edge to Asterisk, if one is configured.
func (h *house) openAsterisk(ctx context.Context, c config, _ bool) (err error) {
	if len(c.Asterisk.Nodes) == 0 {
		for _, t := range h.directory.Snapshot().Trunks() {
			if t.Enabled && t.Settings.OnAsterisk() {
				h.log.Warn("a trunk is to be carried by Asterisk, and none is configured (key asterisk)", "event", "alarm", "trunk", t.Name)
			}
		}
		return nil
	}
	h.edges.asterisk, err = asterisk.Open(ctx, asterisk.Config{
		Nodes: c.asterisks(h.log), Engine: h.engine, MediaAddr: c.Asterisk.MediaAddr, Acceptor: h.board, Directory: h.directory, Pool: h.pool, Log: h.log,
		MaxCalls: c.MaxCalls,
	})
	if err != nil {
		return err
	}
	h.resume.Register(asterisk.Name, h.edges.asterisk)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	h.edges.keeper, err = away.Keep(away.Config{
		App: c.Asterisk.App, Nodes: c.guarded(), Claim: h.edges.asterisk.Asks(), Command: []string{self, "guard"}, Mark: filepath.Join(c.DataDir, "guard"), Log: h.log,
	})
	if err != nil {
		return err
	}
	if h.edges.spool, err = away.OpenSpool(c.guarded()); err != nil {
		return err
	}
	h.edges.picker = pickup.New(pickup.Config{
		Spool: h.edges.spool, Pool: h.pool, Journal: h.journal, Recordings: h.recordings, Directory: h.directory, Node: h.node,
		Broken: filepath.Join(c.DataDir, "away"), Log: h.log,
	})
	return nil
}

// parts adds what runs for Asterisk.
func (e *edges) parts(all map[string]func(context.Context) error) map[string]func(context.Context) error {
	if e.asterisk != nil {
		all["Asterisk"], all["guardian"] = e.asterisk.Run, e.keeper.Run
	}
	return all
}

// openDialer joins the edges for calls out.
func (h *house) openDialer(context.Context, config, bool) (err error) {
	all := callout.Config{Directory: h.directory, Routes: h.routes, Engine: h.engine, SIP: h.edges.sip, Log: h.log}
	if h.edges.asterisk != nil {
		all.Asterisk = h.edges.asterisk
	}
	h.edges.Dialer, err = callout.New(all)
	return err
}
