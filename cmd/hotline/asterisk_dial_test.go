package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/postgres/pgtest"
	"hotline/trunks"
	"hotline/trunks/routes"
)

// ear hears what is sent to a trunk of the native edge.
type ear struct {
	*net.UDPConn
	t *testing.T
}

func listenAt(t *testing.T) ear {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return ear{c, t}
}

// invited waits for an INVITE, refuses it, and returns who is called.
func (p ear) invited(status string) string {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	for {
		n, from, err := p.ReadFromUDP(buf)
		if err != nil {
			p.t.Fatal(err)
		}
		if rest, ok := strings.CutPrefix(string(buf[:n]), "INVITE sip:"); ok {
			user, _, _ := strings.Cut(rest, "@")
			busy := []string{"SIP/2.0 " + status}
			for line := range strings.SplitSeq(string(buf[:n]), "\r\n") {
				switch name, _, _ := strings.Cut(line, ":"); name {
				case "Via", "From", "Call-ID", "CSeq":
					busy = append(busy, line)
				case "To":
					busy = append(busy, line+";tag=busy")
				}
			}
			if _, err := p.WriteToUDP([]byte(strings.Join(append(busy, "Content-Length: 0", "", ""), "\r\n")), from); err != nil {
				p.t.Error(err)
			}
			return user
		}
	}
}

// TestDialByEitherEdge: a named trunk is dialled by the edge that carries it; when the routes decide and Asterisk is away, the trunks of
// the native edge are tried.
func TestDialByEitherEdge(t *testing.T) {
	c, err := loadConfig("", []string{
		"HOTLINE_DATABASE_URL=" + pgtest.NewURL(t), "HOTLINE_DATA_DIR=" + t.TempDir(), "HOTLINE_HTTP_ADDR=127.0.0.1:0", "HOTLINE_SIP_ADDR=127.0.0.1:0",
		"HOTLINE_WEBRTC_ADDR=127.0.0.1:0", "HOTLINE_ASTERISK=gone=http://127.0.0.1:9", "HOTLINE_ASTERISK_PASSWORD=b6d4c1f09a7e4e52",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h, err := build(ctx, c, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	down := make(chan error, 1)
	go func() { down <- h.run(ctx, ctx) }()
	defer func() {
		cancel()
		if err := <-down; err != nil {
			t.Error(err)
		}
		h.close()
	}()
	native := listenAt(t)
	at := native.LocalAddr().(*net.UDPAddr)
	trunk := func(name string, s trunks.TrunkSettings) string {
		t.Helper()
		made, err := h.directory.CreateTrunk(ctx, trunks.Trunk{Name: name, Enabled: true, Settings: s})
		if err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	pbx := trunk("pbx", trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, Host: "192.0.2.1"})
	sip := trunk("sip", trunks.TrunkSettings{Host: "127.0.0.1", Port: at.Port})
	if _, err := h.routes.CreateRoute(ctx, routes.Route{Name: "out", Enabled: true, Trunks: []string{pbx, sip}, Settings: routes.Settings{Prefixes: []string{"5"}}}); err != nil {
		t.Fatal(err)
	}
	dial := func(trunkID, to string) (call.Leg, error) {
		return h.edges.Dial(ctx, call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), TrunkID: trunkID, To: to, Mailbox: call.NewMailbox(), Timeout: time.Minute})
	}
	if _, err := dial(pbx, "5001"); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("by the trunk of an Asterisk that is away: %v", err)
	}
	for trunkID, to := range map[string]string{sip: "5002", "": "5003"} {
		leg := (call.Leg)(nil)
		again := time.NewTicker(20 * time.Millisecond) // the address of a new trunk is looked up in the background
		for deadline := time.Now().Add(20 * time.Second); leg == nil; <-again.C {
			if leg, err = dial(trunkID, to); err != nil && time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		again.Stop()
		if got := native.invited("486 Busy Here"); got != to || leg.Info().Edge != "sip" {
			t.Errorf("%s was dialled as %s by %s", to, got, leg.Info().Edge)
		}
	}
	if _, err := dial("", "6001"); hotline.KindOf(err) != hotline.Denied {
		t.Errorf("a number that no route has: %v", err)
	}
}
