package web

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline/media"
	"hotline/web/login"
)

func (o *office) audited(action, recording string) (n int) {
	o.t.Helper()
	err := o.pool.QueryRow(o.t.Context(), "select count(*) from audit where action = $1 and subject = $2", action, "recording:"+recording).Scan(&n)
	if err != nil {
		o.t.Fatal(err)
	}
	return n
}

func TestListening(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	audio := "/api/v1/recordings/" + w.recordingID + "/audio"
	anna := o.logIn("anna", login.Agent)
	o.enlist(anna, "", "support")
	whole := anna.do(ask{method: "GET", path: audio})
	if whole.StatusCode != http.StatusOK || whole.media() != "audio/wav" || whole.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d %v", whole.StatusCode, whole.Header)
	}
	if c := whole.Header.Get("Cache-Control"); c != "private, no-store" {
		t.Errorf("Cache-Control %q lets others keep it", c)
	}
	if d := whole.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "inline; filename=") {
		t.Errorf("Content-Disposition %q", d)
	}
	wav, err := media.ReadWAV(bytes.NewReader(whole.body))
	if err != nil || wav.Channels != 2 || len(wav.PCM) < 2*8000*4 {
		t.Fatalf("WAV of %d channels, %d samples: %v", wav.Channels, len(wav.PCM), err)
	}
	left := make([]int16, 0, len(wav.PCM)/2)
	for i := 0; i < len(wav.PCM); i += 2 {
		left = append(left, wav.PCM[i])
	}
	if tone, other := media.Goertzel(left, wav.Rate, 440), media.Goertzel(left, wav.Rate, 1000); tone < 100*other {
		t.Errorf("the caller's tone is not to be heard: %g at 440 Hz, %g at 1000 Hz", tone, other)
	}
	for _, span := range []struct{ from, to int }{{0, 1}, {100, 299}, {44, 20000}, {len(whole.body) - 10, len(whole.body) - 1}} {
		rangeOf := "bytes=" + strconv.Itoa(span.from) + "-" + strconv.Itoa(span.to)
		part := anna.do(ask{method: "GET", path: audio, header: map[string]string{"Range": rangeOf}})
		if part.StatusCode != http.StatusPartialContent || !bytes.Equal(part.body, whole.body[span.from:span.to+1]) {
			t.Errorf("%s: %d, %d bytes that are not those of the whole", rangeOf, part.StatusCode, len(part.body))
		}
	}
	if res := anna.do(ask{method: "GET", path: audio, header: map[string]string{"Range": "bytes=999999999-"}}); res.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d", res.StatusCode)
	}
	if n := o.audited("recording.play", w.recordingID); n != 1 {
		t.Errorf("one listening by ranges is %d times in the audit", n)
	}
	o.server.listenings.now = func() time.Time { return time.Now().Add(listeningPause + time.Second) }
	anna.do(ask{method: "GET", path: audio, header: map[string]string{"Range": "bytes=500-600"}})
	if n := o.audited("recording.play", w.recordingID); n != 2 {
		t.Errorf("a second listening, from its middle: %d in the audit", n)
	}
	o.do(ask{method: "GET", path: audio, token: o.token(login.Engineer)})
	if n := o.audited("recording.play", w.recordingID); n != 3 {
		t.Errorf("somebody else: %d in the audit", n)
	}
	wantProblem(t, o.do(ask{method: "GET", path: audio, header: map[string]string{"Range": "bytes=0-1"}}), http.StatusUnauthorized, "login.required")
}

func TestDownloading(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	download := "/api/v1/recordings/" + w.recordingID + "/audio?download=1"
	for _, role := range []login.Role{login.Agent, login.Engineer} {
		wantProblem(t, o.do(ask{method: "GET", path: download, token: o.token(role)}), http.StatusForbidden, "recording.download")
	}
	if n := o.audited("recording.download", w.recordingID); n != 0 {
		t.Errorf("%d downloads in the audit, none was allowed", n)
	}
	res := o.do(ask{method: "GET", path: download, token: o.token(login.Supervisor)})
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment; filename=") {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Content-Disposition"))
	}
	if n := o.audited("recording.download", w.recordingID); n != 1 {
		t.Errorf("%d downloads in the audit", n)
	}
}

// Nothing is heard that is not in the audit.
func TestNoAuditNoListening(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	token := o.token(login.Agent)
	if _, err := o.pool.Exec(t.Context(), "alter table audit add constraint broken check (action <> 'recording.play')"); err != nil {
		t.Fatal(err)
	}
	res := o.do(ask{method: "GET", path: "/api/v1/recordings/" + w.recordingID + "/audio", token: token})
	wantProblem(t, res, http.StatusInternalServerError, "internal")
	if bytes.Contains(res.body, []byte("broken")) || bytes.Contains(res.body, []byte("RIFF")) {
		t.Errorf("the answer says %s", res.short())
	}
	if _, err := o.pool.Exec(t.Context(), "alter table audit drop constraint broken"); err != nil {
		t.Fatal(err)
	}
	o.do(ask{method: "GET", path: "/api/v1/recordings/" + w.recordingID + "/audio", token: token})
	if n := o.audited("recording.play", w.recordingID); n != 1 {
		t.Errorf("the listening that worked is %d times in the audit", n)
	}
}

func TestRecordingHasAWaveform(t *testing.T) {
	o := openOffice(t)
	w := o.populate()
	res := o.do(ask{method: "GET", path: "/api/v1/recordings/" + w.recordingID, token: o.token(login.Agent)})
	r := decode[struct {
		CallID   string  `json:"call_id"`
		Waveform [][]int `json:"waveform"`
		Ticket   int64   `json:"ticket"`
	}](t, res)
	if r.CallID != w.callID || len(r.Waveform) != 2 || len(r.Waveform[0]) == 0 || r.Waveform[0][0] == 0 || r.Ticket != w.ticket {
		t.Errorf("%s", res.short())
	}
}

func TestListeningsAreBounded(t *testing.T) {
	l := &listenings{last: map[listening]time.Time{}, now: time.Now}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range maxListenings {
				l.begin(listening{who: string(binary.AppendVarint(nil, int64(i*4+g)))})
			}
		})
	}
	wg.Wait()
	if len(l.last) > maxListenings {
		t.Errorf("%d are remembered", len(l.last))
	}
}
