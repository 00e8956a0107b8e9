package ivr

import (
	"testing"
	"time"

	"hotline/call"
)

// TestDemoMenu walks through the demonstration: greeting in two languages, language, menu, voicemail by the queue's way out.
func TestDemoMenu(t *testing.T) {
	h := newHouse(t, Rules{})
	l := h.ring("demo", "+8613800138000")
	h.hears(l, h.prompt("demo-greeting", "zh-CN"), 5*time.Second)
	h.hears(l, h.prompt("demo-greeting", "en"), 8*time.Second)
	l.Phone.Press("2")
	h.hears(l, h.prompt("demo-menu", "en"), 8*time.Second)
	l.Phone.Press("1")
	h.hears(l, h.prompt("demo-queue", "en"), 5*time.Second)
	l.Phone.Press("2")
	h.hears(l, h.prompt("voicemail-greeting", "en"), 5*time.Second)
	l.HangUp()
	d := h.ended(l)
	if d.Language != "en" || d.Result != call.ResultAbandoned {
		t.Errorf("language %s, result %s", d.Language, d.Result)
	}
	t.Logf("%+v", d)
}
