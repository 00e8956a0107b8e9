package sip

import (
	"bytes"
	"fmt"
	"net"
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

// baresip starts a real user agent that calls or answers by itself, with a 600 Hz tone as its microphone.
func baresip(t *testing.T, account, command string) (addr string) {
	t.Helper()
	need(t, "baresip", "baresip")
	dir := t.TempDir()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = c.LocalAddr().String()
	c.Close()
	wav, err := os.Create(filepath.Join(dir, "tone.wav"))
	if err != nil {
		t.Fatal(err)
	}
	if err := media.WriteWAV(wav, media.WAV{Rate: 8000, Channels: 1, PCM: media.Tone(600, 20*time.Second, 0.5).PCM()}); err != nil {
		t.Fatal(err)
	}
	wav.Close()
	config := fmt.Sprintf(`module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
sip_listen %s
audio_player aufile,%s/heard.wav
audio_source aufile,%s/tone.wav
audio_alert aufile,%s/alert.wav
rtp_ports 41000-41999
net_interface 127.0.0.1
`, addr, dir, dir, dir)
	for name, text := range map[string]string{"config": config, "accounts": account, "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-f", dir}
	if command != "" {
		args = append(args, "-e", command)
	}
	cmd := exec.Command("baresip", args...)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("baresip:\n%s", out)
		}
	})
	return addr
}

func hears(t *testing.T, l *caught, freq float64) {
	t.Helper()
	e := &calltest.Ears{}
	defer l.Audio().Tap(e)()
	deadline := time.Now().Add(8 * time.Second)
	for time.Now().Before(deadline) {
		pcm := e.PCM()
		if n := len(pcm); n > 4000 {
			pcm = pcm[n-4000:]
			if p := media.Goertzel(pcm, 8000, freq); p > 0.01 && p > 50*media.Goertzel(pcm, 8000, freq*1.7) {
				return
			}
		}
		time.Sleep(20 * time.Millisecond) // the audio comes in real time
	}
	t.Errorf("no tone of %g Hz from the peer", freq)
}

func TestBaresipCallsUs(t *testing.T) {
	r := newRig(t)
	baresip(t, "<sip:alice@127.0.0.1>;regint=0\n", "/dial sip:4000@"+r.edge.Addr("UDP").String())
	l := r.leg()
	l.Progress(t.Context(), false)
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.next(t, call.Answered)
	hears(t, l, 600)
	if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Fatal(err)
	}
	l.next(t, call.Ended)
	r.gone() // baresip has answered the BYE
}

func TestWeCallBaresip(t *testing.T) {
	r := newRig(t)
	at := baresip(t, "<sip:4711@127.0.0.1>;regint=0;answermode=auto\n", "")
	port, _ := strconv.Atoi(at[len("127.0.0.1:"):])
	_, trunk := r.callee(func(s *TrunkSettings) { s.Port = port })
	l := r.dial(trunk, func(d *call.Dial) { d.To = "4711" })
	deadline := time.Now().Add(6 * time.Second)
	for {
		e, ok := l.box.Take()
		switch {
		case ok && e.Kind == call.Answered:
			hears(t, l, 600)
			l.Hangup(t.Context(), call.CauseNormal)
			r.gone()
			return
		case ok && e.Kind == call.Ended:
			t.Fatalf("%+v", e.Cause)
		case time.Now().After(deadline):
			t.Fatal("not answered")
		case !ok:
			time.Sleep(5 * time.Millisecond)
		}
	}
}
