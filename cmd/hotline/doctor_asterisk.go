package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/asterisk/ari"
	"hotline/trunks"
)

// examineAsterisk asks each Asterisk who it is and looks whether calls could come from it. Passwords that are too weak were refused
// when the configuration was read.
func examineAsterisk(ctx context.Context, c config) []finding {
	var found []finding
	if len(c.Asterisk.Nodes) > 0 {
		found = append(found, fine("the ARI password is neither empty, short nor well known"))
	}
	serving := running(ctx, c)
	for _, n := range c.asterisks(nil) {
		found = append(found, examineNode(ctx, c, n, serving)...)
	}
	return found
}

func examineNode(ctx context.Context, c config, n ari.Config, serving bool) []finding {
	if n.URL == "" {
		return []finding{fine("Asterisk %s connects to Hotline; give its URL too, and Hotline looks after callers and messages when it was away", n.Name)}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := ari.NewRequester(n)
	if err != nil {
		return []finding{{err.Error(), "mend the key asterisk", true}}
	}
	defer r.Close()
	began := time.Now()
	info, err := r.Asterisk(ctx)
	if err != nil {
		return []finding{{fmt.Sprintf("Asterisk %s at %s: %v", n.Name, n.URL, err),
			"is it running, is http.conf enabled at that address, and are user and password those of ari.conf? hotline asterisk config writes both", true}}
	}
	found := []finding{fine("Asterisk %s at %s answers in %s: version %s", n.Name, n.URL, time.Since(began).Round(100*time.Microsecond), info.Version)}
	for _, w := range info.Warnings {
		found = append(found, finding{what: fmt.Sprintf("Asterisk %s, version %s: %s", n.Name, info.Version, w.Code), mend: w.Text})
	}
	found = append(found, examineClock(ctx, n.Name, r)...)
	found = append(found, examineMediaAddr(c, n)...)
	if serving {
		if _, err := r.Application(ctx); err != nil {
			found = append(found, finding{fmt.Sprintf("Asterisk %s does not know the application %s although Hotline runs: %v", n.Name, n.App, err), "look into Hotline's log, and at Set-up, Asterisks in the console", true})
		}
	}
	return append(found, examineEndpoints(ctx, c, n.Name, r)...)
}

// examineClock compares the clocks: times of calls and messages come from both.
func examineClock(ctx context.Context, name string, r *ari.Requester) []finding {
	epoch, err := r.GetVariable(ctx, "EPOCH")
	seconds, bad := strconv.ParseInt(epoch, 10, 64)
	if err != nil || bad != nil {
		return nil
	}
	if off := time.Since(time.Unix(seconds, 0)); off > 3*time.Second || off < -2*time.Second {
		return []finding{{what: fmt.Sprintf("the clock of Asterisk %s differs by %s", name, off.Round(time.Second)), mend: "let chrony or systemd-timesyncd set both clocks"}}
	}
	return []finding{fine("the clock of Asterisk %s is ours", name)}
}

// examineMediaAddr looks whether Asterisk can send audio to where Hotline listens.
func examineMediaAddr(c config, n ari.Config) []finding {
	u, err := url.Parse(n.URL)
	if err != nil || loopback(net.JoinHostPort(u.Hostname(), "0")) {
		return nil
	}
	host, _, _ := net.SplitHostPort(c.SIP.Addr)
	bind, _ := netip.ParseAddr(host)
	if c.Asterisk.MediaAddr.IsLoopback() || bind.IsLoopback() {
		return []finding{{what: fmt.Sprintf("Asterisk %s is on another machine, and Hotline's audio is bound to %s (sip_addr)", n.Name, bind),
			mend: "set sip_addr to an address that Asterisk reaches, or to 0.0.0.0:5060, and asterisk_media_addr if the machine has several", fail: true}}
	}
	return nil
}

// examineEndpoints looks whether Asterisk has loaded the trunks that it is to carry.
func examineEndpoints(ctx context.Context, c config, name string, r *ari.Requester) []finding {
	if c.DatabaseURL == "" {
		if _, err := os.Stat(c.DataDir + "/postgres"); err != nil {
			return nil // no database yet, no trunks
		}
	}
	endpoints, err := r.Endpoints(ctx)
	if err != nil {
		return nil // said above
	}
	known := map[string]bool{}
	for _, e := range endpoints {
		known[e.Resource] = true
	}
	var missing []string
	carried := 0
	err = withDatabase(ctx, c, func(pool *pgxpool.Pool) error {
		d, err := trunks.Open(ctx, pool, nil)
		if err != nil {
			return err
		}
		for _, t := range d.Snapshot().Trunks() {
			if t.Enabled && t.Settings.OnAsterisk() && t.HasEndpoint() {
				carried++
				if !known[t.Endpoint()] {
					missing = append(missing, t.Name)
				}
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil // examineDatabase says it
	case len(missing) > 0:
		return []finding{{fmt.Sprintf("Asterisk %s does not know the trunks %s", name, strings.Join(missing, ", ")), "load what hotline asterisk config writes: pjsip.conf, then asterisk -rx 'core reload'", true}}
	}
	return []finding{fine("Asterisk %s knows the %d trunks that it is to carry", name, carried)}
}
