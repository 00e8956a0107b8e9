package caller

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"hotline"
	"hotline/media"
	"hotline/testport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sipp starts a real SIP program that plays a scenario, and returns the port it listens on. Its RTP comes back as an echo.
func sipp(t *testing.T, args ...string) int {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is needed: apt-get install sip-tester")
	}
	port, rtp := testport.Free(t), testport.Free(t)
	cmd := exec.Command(path, append([]string{"-i", "127.0.0.1", "-p", fmt.Sprint(port), "-mp", fmt.Sprint(rtp &^ 1), "-rtp_echo", "-nostdin", "-timeout", "40s"}, args...)...)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return port
}

func scenario(t *testing.T, xml string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scenario.xml")
	if err := os.WriteFile(file, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newClient(t *testing.T) *Client {
	t.Helper()
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCallHearsItsOwnToneFromSipp(t *testing.T) {
	port := sipp(t, "-sn", "uas")
	c := newClient(t)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	call, err := c.Call(ctx, Invite{To: fmt.Sprintf("sip:4000@127.0.0.1:%d", port), From: "+8613800138000"})
	if err != nil {
		t.Fatal(err)
	}
	ear := NewEar(16000)
	defer call.Stream().Tap(ear)()
	call.Stream().Play(media.Tone(440, 3*time.Second, 0.5), media.PlayOptions{})
	for heard := (Heard{}); heard.Sound != Tone; {
		select {
		case heard = <-ear.C:
			if heard.Sound == Tone && math.Abs(heard.Freq-440) > 5 {
				t.Fatalf("heard %v, want 440 Hz", heard)
			}
		case <-ctx.Done():
			t.Fatalf("no tone came back; last: %v", ear.Now())
		}
	}
	call.Hangup(ctx)
	if byPeer, _ := call.Why(); byPeer {
		t.Error("we hung up, not the peer")
	}
	if q := call.Stream().Quality(); q.PacketsReceived == 0 {
		t.Error("no packets counted")
	}
}

func TestRefusalSaysWhy(t *testing.T) {
	port := sipp(t, "-sf", scenario(t, `<?xml version="1.0"?><scenario name="busy">
<recv request="INVITE"/>
<send><![CDATA[
SIP/2.0 486 Busy Here
[last_Via:]
[last_From:]
[last_To:];tag=x
[last_Call-ID:]
[last_CSeq:]
Reason: Q.850;cause=17;text="lunch"
Content-Length: 0

]]></send>
<recv request="ACK"/></scenario>`))
	c := newClient(t)
	_, err := c.Call(t.Context(), Invite{To: fmt.Sprintf("sip:4000@127.0.0.1:%d", port), From: "1"})
	var f *Failed
	if !errors.As(err, &f) || f.Status != 486 || !strings.Contains(err.Error(), "lunch") {
		t.Fatalf("got %v, want 486 with its reason", err)
	}
}

func TestCancelWhileRinging(t *testing.T) {
	port := sipp(t, "-sf", scenario(t, `<?xml version="1.0"?><scenario name="ring">
<recv request="INVITE" rrs="true"><action><ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="1"/></action></recv>
<send><![CDATA[
SIP/2.0 180 Ringing
[last_Via:]
[last_From:]
[last_To:];tag=x
[last_Call-ID:]
CSeq:[$1]
Content-Length: 0

]]></send>
<recv request="CANCEL"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=x
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<send><![CDATA[
SIP/2.0 487 Request Terminated
[last_Via:]
[last_From:]
[last_To:];tag=x
[last_Call-ID:]
CSeq:[$1]
Content-Length: 0

]]></send>
<recv request="ACK"/></scenario>`))
	c := newClient(t)
	gaveUp := errors.New("gave up")
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	_, err := c.Call(ctx, Invite{To: fmt.Sprintf("sip:4000@127.0.0.1:%d", port), From: "1", OnProgress: func(p Progress) {
		if p.Status == 180 {
			stop(gaveUp)
		}
	}})
	var f *Failed
	if !errors.Is(err, gaveUp) && !(errors.As(err, &f) && f.Status == 487) {
		t.Fatalf("got %v, want our reason or 487", err)
	}
}

func TestNobodyThere(t *testing.T) {
	c := newClient(t)
	_, err := c.Call(t.Context(), Invite{To: fmt.Sprintf("sip:4000@127.0.0.1:%d;transport=tcp", testport.Free(t)), From: "1"})
	if hotline.KindOf(err) != hotline.Unavailable || !strings.HasPrefix(err.Error(), "nobody listens at 127.0.0.1:") {
		t.Fatalf("got %v, want that nobody listens", err)
	}
	// Over UDP the host says so as well, by ICMP: long before timer B, of 32 s.
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	at := fmt.Sprintf("127.0.0.1:%d", testport.Free(t))
	if _, err = c.Call(ctx, Invite{To: "sip:4000@" + at, From: "1"}); err == nil || err.Error() != "nobody listens at "+at+" over UDP" {
		t.Fatalf("got %v, want that nobody listens", err)
	}
}

func TestJudge(t *testing.T) {
	for _, f := range []float64{200, 350, 440, 1000, 2100, 3000} {
		if h := Judge(media.Tone(f, 200*time.Millisecond, 0.3).PCM()); h.Sound != Tone || math.Abs(h.Freq-f) > 5 {
			t.Errorf("%v Hz was heard as %v", f, h)
		}
	}
	if h := Judge(make([]int16, window)); h.Sound != Silence {
		t.Errorf("nothing was heard as %v", h)
	}
	two := media.Tone(700, 200*time.Millisecond, 0.3).PCM()
	for i, v := range media.Tone(1100, 200*time.Millisecond, 0.3).PCM() {
		two[i] += v
	}
	if h := Judge(two); h.Sound != Speech {
		t.Errorf("two voices were heard as %v", h)
	}
}

func TestParseScript(t *testing.T) {
	steps, err := ParseScript("1, w2,5#,quiet,beep,say,w0.5,*a")
	if err != nil || len(steps) != 8 || steps[0].Digits != "1" || steps[1].Wait != 2*time.Second || !steps[5].Say || steps[7].Digits != "*A" {
		t.Fatalf("got %+v, %v", steps, err)
	}
	for _, bad := range []string{"x", "w", "w-1", "1 2", "wNaN", "5,hello"} {
		if _, err := ParseScript(bad); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%q: got %v, want invalid", bad, err)
		}
	}
}

func TestHeadersCannotBeInjected(t *testing.T) {
	c := &Client{local: netip.MustParseAddrPort("127.0.0.1:5")}
	req, _, err := c.request(Invite{To: "sip:1@127.0.0.1", From: "1\r\nX-A: 1", Name: "a\r\nX-B: 1\"", Headers: []string{"Subject: a\r\nX-C: 1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"X-A", "X-B", "X-C"} {
		if req.GetHeader(name) != nil || strings.Contains(req.String(), "\n"+name) {
			t.Errorf("%s was injected:\n%s", name, req)
		}
	}
}
