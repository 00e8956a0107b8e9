package sip

import (
	"bytes"
	"context"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/media"
)

func need(t testing.TB, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", program, pkg)
	}
}

const sippCaller = `<?xml version="1.0"?>
<scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:4000@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Li Lei" <sip:+8613800138000@[local_ip]:[local_port]>;tag=[pid]a[call_number]
To: <sip:4000@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:li@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Li Lei" <sip:+8613800138000@[local_ip]:[local_port]>;tag=[pid]a[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<pause milliseconds="500"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Li Lei" <sip:+8613800138000@[local_ip]:[local_port]>;tag=[pid]a[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
`

// newEar is an engine for the other side of a call.
func newEar(t *testing.T) *media.Engine {
	ear, err := media.NewEngine(media.Config{BindIP: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { ear.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return ear
}

// TestSippCallHearsATone is a real call: 200, audio that the caller hears, BYE.
func TestSippCallHearsATone(t *testing.T) {
	need(t, "sipp", "sip-tester")
	for _, transport := range []string{"u1", "t1"} {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t)
			ctx, ear := t.Context(), newEar(t)
			hear, err := ear.Open(media.OpenOptions{ID: "ear"})
			if err != nil {
				t.Fatal(err)
			}
			defer hear.Close()
			scenario := filepath.Join(t.TempDir(), "caller.xml")
			// sipp says where the audio goes; a stream of our own listens there.
			xml := bytes.ReplaceAll([]byte(sippCaller), []byte("[media_port]"), []byte(strconv.Itoa(int(hear.Local().Port()))))
			if err := os.WriteFile(scenario, xml, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sipp", "-sf", scenario, "-m", "1", "-nd", "-nostdin", "-i", "127.0.0.1", "-t", transport, "-timeout", "20s", r.edge.Addr("UDP").String())
			cmd.Dir = t.TempDir()
			out := &bytes.Buffer{}
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			l := r.leg()
			if l.Info().Caller.Number != "+8613800138000" || l.Info().Dialled != "4000" || l.Info().Flow != "main" || l.Info().Language != "en" {
				t.Errorf("info %+v", l.Info())
			}
			if err := hear.Configure(media.Setup{Codec: media.PCMU, Remote: l.Audio().Local(), Direction: media.RecvOnly}); err != nil {
				t.Fatal(err)
			}
			tap := &calltest.Ears{}
			hear.Tap(tap)
			if err := l.Progress(ctx, false); err != nil {
				t.Error(err)
			}
			if err := l.Answer(ctx); err != nil {
				t.Fatal(err)
			}
			l.Audio().Play(media.Tone(1000, 2*time.Second, 0.5), media.PlayOptions{})
			l.next(t, call.Answered)
			e := l.next(t, call.Ended)
			if e.Cause.By != "peer" || e.Cause.Q850 != 16 {
				t.Errorf("cause %+v", e.Cause)
			}
			if err := cmd.Wait(); err != nil {
				t.Fatalf("sipp: %v\n%s", err, out)
			}
			if f := media.Goertzel(tap.PCM(), 8000, 1000); f < 100*math.Max(1e-9, media.Goertzel(tap.PCM(), 8000, 1700)) {
				t.Errorf("the caller did not hear the tone: power %g in %d samples", f, len(tap.PCM()))
			}
			r.gone()
		})
	}
}
