//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/trunks"
)

// patient is for what comes soon on an idle machine.
const patient = 30 * time.Second

// newAsteriskHouse starts the product behind n real Asterisks, pbx1 and so on, which carry the trunk "line" that calls from this machine come
// by. What h dials from then on goes to the first of them.
func newAsteriskHouse(t testing.TB, o asterisktest.Options, n int, env ...string) (*house, []*asterisktest.Asterisk) {
	t.Helper()
	h := newHouse(t, env...)
	var made struct {
		ID string `json:"id"`
	}
	body := map[string]any{"name": "line", "enabled": true, "settings": map[string]any{
		"edge": "asterisk", "match_addresses": []string{"127.0.0.1"}, "trusted_identity": true}}
	if status := h.api("POST", "/api/v1/trunks", body, &made); status != 201 {
		t.Fatalf("the trunk is not made: %d", status)
	}
	o.Trunks = append(o.Trunks, trunks.Trunk{ID: made.ID, Name: "line", Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.1"}, TrustedIdentity: true}})
	var all []*asterisktest.Asterisk
	var nodes []string
	password := rand.Text() // one for all: the product has one
	o.Extra = map[string]string{"ari.conf": "\n[product]\ntype = user\npassword = " + password + "\n"}
	for i := range n {
		a := asterisktest.Start(t, o)
		all, nodes = append(all, a), append(nodes, fmt.Sprintf("pbx%d=%s", i+1, a.URL))
	}
	h.stop()
	h.env = append(h.env, "HOTLINE_ASTERISK="+strings.Join(nodes, ","), "HOTLINE_ASTERISK_USER=product", "HOTLINE_ASTERISK_PASSWORD="+password)
	h.sip = all[0].SIPAddr.String()
	h.start()
	for _, a := range all {
		h.registered(a)
	}
	return h, all
}

// asks makes a way to look into an Asterisk.
func asks(t testing.TB, a *asterisktest.Asterisk) *ari.Requester {
	t.Helper()
	r, err := ari.NewRequester(ari.Config{Name: "test", URL: a.URL, User: a.User, Password: a.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// registered waits until the product takes calls of an Asterisk.
func (h *house) registered(a *asterisktest.Asterisk) {
	h.t.Helper()
	r := asks(h.t, a)
	if !soon(patient, func() bool { _, err := r.Application(context.Background()); return err == nil }) {
		h.t.Fatal("the product does not register with its Asterisk")
	}
}

// nothingLeft waits until an Asterisk has no channel and no bridge.
func (h *house) nothingLeft(a *asterisktest.Asterisk) {
	h.t.Helper()
	r := asks(h.t, a)
	var channels []ari.Channel
	var bridges []ari.Bridge
	if !soon(patient, func() bool {
		var err, e error
		channels, err = r.Channels(context.Background())
		bridges, e = r.Bridges(context.Background())
		return err == nil && e == nil && len(channels) == 0 && len(bridges) == 0
	}) {
		h.t.Errorf("left over at Asterisk: %+v %+v", channels, bridges)
	}
}
