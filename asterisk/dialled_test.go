package asterisk

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/call"
	"hotline/media"
	"hotline/sip/caller"
)

// Asterisk connects to us, with the files that are rendered for that: whole calls both ways, and again after a restart of Asterisk.
func TestAsteriskConnectsToUs(t *testing.T) {
	p := newDirectory(t, freePort(t))
	var serves atomic.Pointer[Edge]
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e := serves.Load(); e != nil {
			e.Serve(strings.TrimPrefix(r.URL.Path, "/asterisk/"), w, r)
			return
		}
		http.Error(w, "not yet", http.StatusServiceUnavailable)
	}))
	t.Cleanup(web.Close)
	p.a = asterisktest.Start(t, asterisktest.Options{
		Trunks: p.dir.Snapshot().Trunks(), Transport: ari.Dialled, Hotline: "ws" + strings.TrimPrefix(web.URL, "http") + "/asterisk/one",
	})
	r := p.startRig(t, func(c *Config) {
		c.Nodes = []ari.Config{{Name: "one", User: p.a.User, Password: p.a.Password, App: "hotline", Transport: ari.Dialled}}
	})
	serves.Store(r.edge)
	phone := newCaller(t, caller.Config{Wait: true, Port: p.calls.Port()})
	for range 2 {
		r.until("Asterisk has connected", r.edge.Ready)
		up := p.dials(t, phone, caller.Invite{})
		l := r.leg()
		if err := l.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		next(t, l.box, call.Answered)
		c := <-up
		l.Audio().Play(media.Tone(440, 20*time.Second, 0.5), media.PlayOptions{})
		r.hears(c.Stream(), 440)
		c.Stream().Play(media.Tone(700, 20*time.Second, 0.5), media.PlayOptions{})
		r.hears(l.Audio(), 700)
		if err := c.Press(t.Context(), "5"); err != nil {
			t.Error(err)
		}
		if e := next(t, l.box, call.DigitPressed); e.Digit != '5' {
			t.Errorf("digit %c", e.Digit)
		}
		go func() { _, _ = phone.Take(t.Context(), caller.Taking{}) }()
		_, box := r.dial(call.Dial{To: "7000", TrunkID: p.trunk.ID})
		for e := (call.Event{}); e.Kind != call.Answered; {
			if e, _ = box.Next(t.Context()); e.Kind == call.Ended {
				t.Fatalf("a call out: %+v", e.Cause)
			}
		}
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
		p.a.Restart()
		if e := next(t, box, call.Ended); e.Cause.By == "hotline" {
			t.Errorf("the call that Asterisk took with it: %+v", e.Cause)
		}
	}
	r.gone()
}
