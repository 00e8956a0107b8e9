//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/testport"
)

// TestCallers are the journeys of the demo, each by a caller of its own on one running product.
func TestCallers(t *testing.T) {
	h := newHouse(t)
	for name, journey := range map[string]func(*house){
		"gives up in the queue":       givesUpInQueue,
		"leaves a voicemail":          leavesVoicemail,
		"asks for a call-back":        asksForCallback,
		"calls over TCP":              callsOverTCP,
		"calls with baresip":          callsWithBaresip,
		"dials what is not there":     dialsUnassigned,
		"hangs up at once":            hangsUpAtOnce,
		"rings again on his ticket":   ringsAgain,
		"keeps a key out of the path": func(h *house) { followsTicketStatus(h) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := *h
			mine.t = t
			journey(&mine)
		})
	}
}

// givesUpInQueue is a sipp caller who chooses English, then support, waits with a tone of his own, and hangs up.
func givesUpInQueue(h *house) {
	const from = "+8613800000001"
	parts := append([]audio{quiet(time.Second)}, digits("21", 1500*time.Millisecond)...)
	parts = append(parts, tone(600, 8*time.Second))
	h.sipp(sippCall{number: "4000", from: from, audio: parts, hold: 13 * time.Second})
	c := h.ended(from)
	if c.digits() != "21" || c.Queue != "support" || c.Result != "abandoned" {
		h.t.Errorf("digits %q, queue %q, result %q; path %s", c.digits(), c.Queue, c.Result, c.path())
	}
	queued := false
	for _, s := range c.Segments {
		queued = queued || (s.Kind == "queue" && s.Reason == "abandoned" && s.DurationMS > 5000)
	}
	if !queued {
		h.t.Errorf("no queue segment that ends as abandoned: %+v", c.Segments)
	}
	ticket := h.ticket(c.Ticket)
	if len(ticket.Tasks) != 1 || ticket.Tasks[0].Reason != "abandoned" || ticket.Tasks[0].Phone != from {
		h.t.Errorf("tasks of ticket %d: %+v", ticket.Number, ticket.Tasks)
	}
	caller, other := h.sound(h.recording(c).ID)
	if share := bestTone(caller, 600); share < 0.8 {
		h.t.Errorf("the caller's tone is %.2f of the left side", share)
	}
	if share := bestTone(other, 600); share > 0.2 {
		h.t.Errorf("the caller's tone is on the right side too (%.2f)", share)
	}
	if loudest(other) < 500 {
		h.t.Error("nothing of what the caller heard is on the right side")
	}
}

// recording returns the one complete recording of a call.
func (h *house) recording(c callRow) recordingRow {
	h.t.Helper()
	var found recordingRow
	h.eventually(10*time.Second, "the recording of the call is complete", func() bool {
		for _, r := range h.call(c.ID).Recordings {
			if r.State == "complete" {
				found = r
				return true
			}
		}
		return false
	})
	return found
}

// leavesVoicemail calls the closed number, waits for the beep and plays a tone as the message.
func leavesVoicemail(h *house) {
	const from = "+8613800000002"
	wav := filepath.Join(h.t.TempDir(), "message.wav")
	sox := need(h.t, "sox", "sox")
	if out, err := exec.Command(sox, "-n", "-r", "8000", "-b", "16", "-c", "1", wav, "synth", "4", "sine", "900", "vol", "0.4").CombinedOutput(); err != nil {
		h.t.Fatalf("sox: %v %s", err, out)
	}
	out := h.caller("--to", "sip:4001@"+h.sip, "--from", from, "--play", wav, "--send", "beep,say,w1,#,w4,1,w2", "--duration", "80s")
	c := h.ended(from)
	if c.Result != "voicemail" {
		h.t.Fatalf("result %q; path %s\n%s", c.Result, c.path(), out)
	}
	var message recordingRow
	for _, r := range h.call(c.ID).Recordings {
		if r.Kind == "voicemail" {
			message = r
		}
	}
	if message.DurationMS < 3500 || message.DurationMS > 7000 {
		h.t.Errorf("the message of 4 s is %d ms long", message.DurationMS)
	}
	said, _ := h.sound(message.ID)
	if share := bestTone(said, 900); share < 0.8 {
		h.t.Errorf("the tone is %.2f of the message", share)
	}
	var timeline page[struct {
		Kind string `json:"kind"`
	}]
	h.api("GET", fmt.Sprintf("/api/v1/tickets/%d/timeline", c.Ticket), nil, &timeline)
	kinds := ""
	for _, e := range timeline.Items {
		kinds += e.Kind + " "
	}
	if !strings.Contains(kinds, "call ") || !strings.Contains(kinds, "voicemail ") {
		h.t.Errorf("timeline of ticket %d: %s", c.Ticket, kinds)
	}
}

// caller runs `hotline call` and returns what it printed.
func (h *house) caller(args ...string) string {
	h.t.Helper()
	out, err := h.tryCaller(args...)
	if err != nil {
		h.t.Fatalf("hotline call %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (h *house) tryCaller(args ...string) (string, error) {
	cmd := exec.Command(product(h.t), append([]string{"call"}, args...)...)
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// asksForCallback presses 1 in the queue and confirms the number that the call came from.
func asksForCallback(h *house) {
	const from = "+8613800000003"
	out := h.caller("--to", "sip:4000@"+h.sip, "--from", from, "--send", "w1,2,w1,1,w3,1,w3,1,w9", "--once", "--duration", "60s")
	c := h.ended(from)
	if c.Result != "callback" {
		h.t.Fatalf("result %q; path %s\n%s", c.Result, c.path(), out)
	}
	tasks := h.ticket(c.Ticket).Tasks
	if len(tasks) != 1 || tasks[0].Kind != "callback" || tasks[0].Reason != "asked" || tasks[0].Phone != from {
		h.t.Errorf("tasks: %+v", tasks)
	}
}

func callsOverTCP(h *house) {
	const from = "+8613800000004"
	h.sipp(sippCall{number: "4000", from: from, audio: append([]audio{quiet(time.Second)}, digits("1", time.Second)...), hold: 4 * time.Second, transport: "t1"})
	if c := h.ended(from); c.digits() != "1" {
		h.t.Errorf("path %s", c.path())
	}
}

// callsWithBaresip lets a real soft phone call, which sends a tone and records what it hears.
func callsWithBaresip(h *house) {
	const user = "13800000005"
	program := need(h.t, "baresip", "baresip")
	dir := h.t.TempDir()
	sox := need(h.t, "sox", "sox")
	if out, err := exec.Command(sox, "-n", "-r", "8000", "-b", "16", "-c", "1", filepath.Join(dir, "tone.wav"), "synth", "60", "sine", "700", "vol", "0.4").CombinedOutput(); err != nil {
		h.t.Fatalf("sox: %v %s", err, out)
	}
	config := fmt.Sprintf("module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule_tmp account.so\nmodule_app menu.so\n"+
		"sip_listen 127.0.0.1:%d\naudio_source aufile,%s/tone.wav\naudio_player aufile,%s/heard.wav\naudio_alert aufile,%s/alert.wav\n"+
		"rtp_ports 41000-41999\nnet_interface 127.0.0.1\n", testport.Free(h.t, "udp"), dir, dir, dir)
	os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600)
	os.WriteFile(filepath.Join(dir, "accounts"), []byte("<sip:"+user+"@127.0.0.1>;regint=0;audio_codecs=pcma\n"), 0o600)
	os.WriteFile(filepath.Join(dir, "contacts"), nil, 0o600)
	cmd := exec.Command(program, "-f", dir, "-t", "12", "-e", "/dial sip:4000@"+h.sip)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	c := h.ended("+86" + user)
	if len(c.Legs) == 0 || c.Legs[0].Codec != "PCMA" {
		h.t.Errorf("legs %+v\nbaresip (%v): %s", c.Legs, err, tail(string(out), 2000))
	}
	said, heard := h.sound(h.recording(c).ID)
	if share := bestTone(said, 700); share < 0.8 {
		h.t.Errorf("baresip's tone is %.2f of the caller's side\n%s", share, tail(string(out), 2000))
	}
	if loudest(heard) < 500 {
		h.t.Error("nothing was played to baresip")
	}
}

func dialsUnassigned(h *house) {
	out, err := h.tryCaller("--to", "sip:4999@"+h.sip, "--from", "+8613800000006", "--duration", "5s")
	if err == nil || !strings.Contains(out, "404") {
		h.t.Errorf("a number that is not there: err %v, output %s", err, out)
	}
	if calls := h.calls("+8613800000006"); len(calls) != 0 {
		h.t.Errorf("%d calls were filed", len(calls))
	}
}

// hangsUpAtOnce leaves a call that was answered and ended within a moment: still a ticket.
func hangsUpAtOnce(h *house) {
	const from = "+8613800000007"
	h.sipp(sippCall{number: "4000", from: from, audio: []audio{quiet(100 * time.Millisecond)}, hold: 100 * time.Millisecond})
	if c := h.ended(from); c.Ticket == 0 || c.Result != "abandoned" {
		h.t.Errorf("ticket %d, result %q", c.Ticket, c.Result)
	}
}

// ringsAgain calls twice: the second call joins the open ticket.
func ringsAgain(h *house) {
	const from = "+8613800000008"
	call := sippCall{number: "4000", from: from, audio: []audio{quiet(time.Second)}, hold: time.Second}
	h.sipp(call)
	first := h.ended(from)
	h.sipp(call)
	h.eventually(10*time.Second, "two ended calls", func() bool {
		calls := h.calls(from)
		return len(calls) == 2 && calls[0].EndedAt != nil
	})
	if second := h.calls(from)[0]; second.Ticket != first.Ticket || second.ID == first.ID {
		h.t.Errorf("first call on ticket %d, second on %d", first.Ticket, second.Ticket)
	}
}

// followsTicketStatus hears the state of a ticket after typing its number.
func followsTicketStatus(h *house) {
	const from = "+8613800000009"
	h.sipp(sippCall{number: "4000", from: from, audio: []audio{quiet(time.Second)}, hold: time.Second})
	ticket := h.ended(from).Ticket
	h.caller("--to", "sip:4000@"+h.sip, "--from", from, "--send", fmt.Sprintf("w1,2,w1,3,w5,%d#,w12", ticket), "--once", "--duration", "60s")
	h.eventually(10*time.Second, "the second call ended", func() bool {
		calls := h.calls(from)
		return len(calls) == 2 && calls[0].EndedAt != nil
	})
	c := h.call(h.calls(from)[0].ID)
	passed := ""
	for _, s := range c.Path {
		passed += s.Node + " "
	}
	if !strings.Contains(passed, "status") || strings.Contains(passed, "status-failed") {
		h.t.Errorf("path %s", c.path())
	}
}

// TestSearchFindsCallers looks a caller up by the end of the number and by a Chinese word of a note.
func TestSearchFindsCallers(t *testing.T) {
	h := newHouse(t)
	const from = "+8613812345678"
	h.sipp(sippCall{number: "4000", from: from, audio: []audio{quiet(time.Second)}, hold: time.Second})
	number := h.ended(from).Ticket
	h.api("POST", fmt.Sprintf("/api/v1/tickets/%d/notes", number), map[string]any{"body": "客户询问退款进度 refund"}, nil)
	for _, q := range []string{"12345678", "退款", "refund", fmt.Sprint(number)} {
		var found page[struct {
			Ticket int64 `json:"ticket"`
		}]
		h.eventually(5*time.Second, "search for "+q, func() bool {
			h.api("GET", "/api/v1/search?q="+url.QueryEscape(q), nil, &found)
			return len(found.Items) > 0 && found.Items[0].Ticket == number
		})
	}
}
