//go:build e2e

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaults does to one product, one after the other, what befalls it in the field. Each restart is on the same data folder.
func TestFaults(t *testing.T) {
	h := newHouse(t)
	for _, fault := range []struct {
		name string
		on   func(*house)
	}{
		{"the database does not answer for ten seconds", databaseStalls},
		{"the database is killed", databaseKilled},
		{"the process is killed", processKilled},
		{"SIGTERM drains", signalDrains},
		{"a second SIGTERM ends the calls", secondSignalStops},
	} {
		ok := t.Run(fault.name, func(t *testing.T) {
			h.t = t
			fault.on(h)
		})
		h.t = t
		if !ok {
			return // what comes next would only repeat it
		}
	}
}

// filedCall is a call with its times, as the API shows it once it has ended.
type filedCall struct {
	Phase      string     `json:"phase"`
	Result     string     `json:"result"`
	Ticket     int64      `json:"ticket"`
	StartedAt  time.Time  `json:"started_at"`
	AnsweredAt *time.Time `json:"answered_at"`
	EndedAt    *time.Time `json:"ended_at"`
	DurationMS *int64     `json:"duration_ms"`
	Segments   []struct {
		Kind       string    `json:"kind"`
		Queue      string    `json:"queue"`
		Reason     string    `json:"reason"`
		StartedAt  time.Time `json:"started_at"`
		EndedAt    time.Time `json:"ended_at"`
		DurationMS int64     `json:"duration_ms"`
	} `json:"segments"`
	Legs []struct {
		AnsweredAt *time.Time     `json:"answered_at"`
		EndedAt    *time.Time     `json:"ended_at"`
		Cause      map[string]any `json:"cause"`
	} `json:"legs"`
	Recordings []recordingRow `json:"recordings"`
}

func (h *house) filed(from string) (string, filedCall) {
	h.t.Helper()
	row := h.ended(from)
	var c filedCall
	h.api("GET", "/api/v1/calls/"+row.ID, nil, &c)
	return row.ID, c
}

// reaches waits until the one open call of a caller is in a phase.
func (h *house) reaches(from, phase string) {
	h.t.Helper()
	h.eventually(30*time.Second, from+" is in the phase "+phase, func() bool {
		for _, c := range h.calls(from) {
			if c.EndedAt == nil {
				return c.Phase == phase
			}
		}
		return false
	})
}

// wholly checks that a call was filed with everything that belongs to it: times, segments, legs, ticket, SIP messages, recording.
func (h *house) wholly(from, result, digits string) {
	h.t.Helper()
	id, c := h.filed(from)
	if c.Result != result || c.Phase != "ended" {
		h.t.Errorf("%s: result %q, phase %q; wanted %q, path %s", from, c.Result, c.Phase, result, h.call(id).path())
	}
	if got := h.call(id).digits(); !strings.HasPrefix(got, digits) {
		h.t.Errorf("%s: digits %q are filed, pressed were %q", from, got, digits)
	}
	h.timesFit(from, c)
	if h.ticket(c.Ticket).Number == 0 {
		h.t.Errorf("%s: no ticket", from)
	}
	h.traced(from, id, "INVITE", "200", "BYE")
	if len(c.Recordings) == 0 || c.Recordings[0].DurationMS < 1000 {
		h.t.Errorf("%s: recordings %+v", from, c.Recordings)
		return
	}
	if _, heard := h.sound(c.Recordings[0].ID); loudest(heard) < 500 {
		h.t.Errorf("%s: nothing of what the caller heard is in the recording", from)
	}
}

// timesFit checks that the times of a call, of its legs and of its segments are there and in order.
func (h *house) timesFit(from string, c filedCall) {
	h.t.Helper()
	if c.AnsweredAt == nil || c.EndedAt == nil || c.AnsweredAt.Before(c.StartedAt) || c.EndedAt.Before(*c.AnsweredAt) {
		h.t.Errorf("%s: started %v, answered %v, ended %v", from, c.StartedAt, c.AnsweredAt, c.EndedAt)
		return
	}
	if c.DurationMS == nil || *c.DurationMS <= 0 {
		h.t.Errorf("%s: the call has no duration", from)
	}
	for _, l := range c.Legs {
		if l.AnsweredAt == nil || l.EndedAt == nil || l.EndedAt.Before(*l.AnsweredAt) {
			h.t.Errorf("%s: leg %+v", from, l)
		}
	}
	if len(c.Segments) == 0 || len(c.Legs) == 0 {
		h.t.Fatalf("%s: %d segments, %d legs", from, len(c.Segments), len(c.Legs))
	}
	at := c.StartedAt
	for _, s := range c.Segments {
		if s.EndedAt.Before(s.StartedAt) || s.StartedAt.Before(at.Add(-5*time.Millisecond)) {
			h.t.Errorf("%s: segment %+v begins before %v", from, s, at)
		}
		at = s.EndedAt
	}
	if gap := c.EndedAt.Sub(at); gap < -time.Second || gap > time.Second {
		h.t.Errorf("%s: the last segment ends %v before the call", from, gap)
	}
}

// traced checks that the SIP messages of a call are kept.
func (h *house) traced(from, id string, wanted ...string) {
	h.t.Helper()
	var summaries string
	ok := soon(10*time.Second, func() bool {
		var p page[struct {
			Summary string `json:"summary"`
		}]
		h.api("GET", "/api/v1/calls/"+id+"/trace", nil, &p)
		summaries = ""
		for _, m := range p.Items {
			summaries += m.Summary + "; "
		}
		for _, w := range wanted {
			if !strings.Contains(summaries, w) {
				return false
			}
		}
		return true
	})
	if !ok {
		h.t.Errorf("%s: the trace lacks one of %v: %s", from, wanted, summaries)
	}
}

// ready asks /readyz.
func (h *house) ready() (status int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(h.http + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw)
}

func (h *house) degraded() {
	h.t.Helper()
	var status int
	var body string
	if !soon(15*time.Second, func() bool { status, body = h.ready(); return status == 503 }) {
		h.t.Fatalf("readyz says %d %s while the database is away", status, body)
	}
	if !strings.Contains(body, `"database":false`) {
		h.t.Errorf("readyz does not say that it is the database: %s", body)
	}
}

func (h *house) wellAgain(limit time.Duration) {
	h.t.Helper()
	var status int
	var body string
	if !soon(limit, func() bool { status, body = h.ready(); return status == 200 }) {
		h.t.Fatalf("readyz says %d %s", status, body)
	}
}

// metric reads one figure of /metrics; name includes its labels.
func (h *house) metric(name string) float64 {
	h.t.Helper()
	var raw []byte
	h.api("GET", "/metrics", nil, &raw)
	for line := range bytes.Lines(raw) {
		if value, ok := strings.CutPrefix(string(line), name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return v
		}
	}
	h.t.Fatalf("no %s in /metrics", name)
	return 0
}

// cluster returns the processes of the product's own PostgreSQL, the postmaster first.
func (h *house) cluster() []int {
	h.t.Helper()
	raw, err := os.ReadFile(filepath.Join(h.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	postmaster, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		h.t.Fatal(err)
	}
	pids := []int{postmaster}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == first {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// stall stops all processes of the database; the function that it returns lets them go on.
func (h *house) stall() (goOn func()) {
	pids := h.cluster()
	for _, pid := range pids { // the postmaster first: it makes no new ones
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	pids = append(pids, h.cluster()...)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	goOn = func() {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	h.t.Cleanup(goOn)
	return goOn
}

// databaseStalls: who talks goes on and is obeyed, who rings is answered, and all of it is filed when the database is back.
func databaseStalls(h *house) {
	const talking, waiting, leaving = "+8613811100001", "+8613811100002", "+8613811100003"
	up := h.rings("4000", talking, 500)
	up.hears(time.Second)
	goOn := h.stall()
	stalled := time.Now()
	up.press("21") // English, support
	queued := h.rings("4000", waiting, 500)
	queued.press("12")
	voicemail := h.rings("4001", leaving, 600)
	h.degraded()
	up.hears(time.Second)
	queued.hears(3 * time.Second)
	voicemail.stays(max(0, 10*time.Second-time.Since(stalled)))
	up.press("2") // out of the queue, to the voicemail
	up.hears(2 * time.Second)
	up.hangup()
	goOn()
	h.wellAgain(30 * time.Second)
	voicemail.hears(time.Second)
	h.voicemailLeft(voicemail, leaving)
	queued.hears(time.Second)
	queued.hangup()
	h.wholly(talking, "abandoned", "212")
	h.wholly(waiting, "abandoned", "12")
	h.settled()
}

// databaseKilled: PostgreSQL is started again by itself.
func databaseKilled(h *house) {
	const talking, ringing = "+8613811100011", "+8613811100012"
	up := h.rings("4000", talking, 500)
	up.hears(time.Second)
	postmaster := h.cluster()[0]
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		h.t.Fatal(err)
	}
	up.press("21")
	late := h.rings("4000", ringing, 600)
	late.press("22")
	up.hears(2 * time.Second)
	late.hears(2 * time.Second)
	h.eventually(60*time.Second, "the database is back", func() bool {
		status, _ := h.ready()
		return status == 200 && h.cluster()[0] != postmaster
	})
	h.reaches(talking, "queued")
	h.reaches(ringing, "queued")
	up.hangup()
	late.hangup()
	h.wholly(talking, "abandoned", "21")
	h.wholly(ringing, "abandoned", "22")
	h.settled()
}

// voicemailLeft waits for the beep of a caller to 4001, who then talks for some seconds and hangs up, and looks for the message.
func (h *house) voicemailLeft(p *phone, from string) {
	h.t.Helper()
	h.eventually(60*time.Second, "the message of "+from+" is recorded", func() bool {
		for _, c := range h.calls(from) {
			for _, r := range h.call(c.ID).Recordings {
				if r.Kind == "voicemail" {
					return true
				}
			}
		}
		return false
	})
	p.stays(5 * time.Second)
	p.hangup()
	_, c := h.filed(from)
	if c.Result != "voicemail" {
		h.t.Errorf("%s: result %q", from, c.Result)
	}
	for _, r := range c.Recordings {
		if r.Kind != "voicemail" {
			continue
		}
		said, _ := h.sound(r.ID)
		if share := bestTone(said, 600); share < 0.8 || len(said) < 3*8000 {
			h.t.Errorf("%s: the message is %d ms long, the tone %.2f of it", from, len(said)/8, share)
		}
		return
	}
	h.t.Errorf("%s: no message; recordings %+v", from, c.Recordings)
}

// settled waits until nothing of any call is left in the process.
func (h *house) settled() {
	h.t.Helper()
	for _, name := range []string{"hotline_calls", "hotline_sip_legs", "hotline_rtp_streams", "hotline_journal_depth", "hotline_quarantine"} {
		if !soon(40*time.Second, func() bool { return h.metric(name) == 0 }) {
			h.t.Errorf("%s is %v when no call is up", name, h.metric(name))
		}
	}
	// The sockets that many streams share, one a core, stay open once they were needed.
	if n := h.metric("hotline_rtp_ports_in_use"); n > float64(runtime.NumCPU()) {
		h.t.Errorf("%v RTP ports are in use when no call is up", n)
	}
	if n := h.metric("hotline_journal_degraded"); n != 0 {
		h.t.Error("the journal stays degraded")
	}
}
