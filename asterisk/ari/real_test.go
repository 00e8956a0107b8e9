package ari_test

import (
	"testing"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
)

// echo is a dialplan where a Local channel stays alive by itself.
const echo = "[echo]\nexten => _X.,1,Answer()\n same => n,Wait(600)\n"

func TestACallByEachTransport(t *testing.T) {
	a := asterisktest.Start(t, asterisktest.Options{Extra: map[string]string{"extensions.conf": echo}})
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket} {
		t.Run(string(transport), func(t *testing.T) {
			ctx := t.Context()
			e := newEar()
			c := run(t, config(a, transport), e)
			e.connected(t, 1)
			id := "hl-" + string(transport)
			if _, err := c.Create(ctx, ari.CreateChannel{ID: id, Endpoint: "Local/100@echo", Args: []string{"out", "x y+ü"}, Variables: map[string]string{"CALLERID(num)": "4930 1+ä"}}); err != nil {
				t.Fatal(err)
			}
			start := e.event(t, "StasisStart")
			t.Logf("%+v %+v", start, start.Channel)
			if err := c.Dial(ctx, id, 0); err != nil {
				t.Fatal(err)
			}
			m, err := c.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-" + id, Host: "127.0.0.1:9999", Format: "ulaw"})
			t.Logf("%+v %v", m, err)
			b, err := c.CreateBridge(ctx, "hl-b-"+id, "mixing")
			t.Logf("%+v %v", b, err)
			if err := c.AddToBridge(ctx, "hl-b-"+id, id, "hl-m-"+id); err != nil {
				t.Fatal(err)
			}
			v, err := c.Variable(ctx, id, "CALLERID(num)")
			t.Logf("%q %v", v, err)
			_, err = c.Variable(ctx, id, "NONSENSE")
			t.Logf("%v", err)
			if err := c.Hangup(ctx, id, 16); err != nil {
				t.Fatal(err)
			}
			e.event(t, "StasisEnd")
			e.event(t, "ChannelDestroyed")
			c.Hangup(ctx, "hl-m-"+id, 0)
			c.DestroyBridge(ctx, "hl-b-"+id)
			for _, ev := range e.events {
				t.Logf("%+v", ev)
			}
			t.Logf("%+v", c.State())
		})
	}
}
