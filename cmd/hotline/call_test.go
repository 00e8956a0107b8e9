package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/media"
	"hotline/sip/caller"
)

// echo starts a real SIP program that answers and sends our audio back.
func echo(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is needed: apt-get install sip-tester")
	}
	free := func() int {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	port := free()
	cmd := exec.Command(path, "-sn", "uas", "-i", "127.0.0.1", "-p", fmt.Sprint(port), "-mp", fmt.Sprint(free()&^1), "-rtp_echo", "-nostdin", "-timeout", "60s")
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return fmt.Sprintf("sip:4000@127.0.0.1:%d", port)
}

// A call plays a file, presses keys, says what it hears and writes it down.
func TestCallCommand(t *testing.T) {
	dir := t.TempDir()
	tone, heard := filepath.Join(dir, "tone.wav"), filepath.Join(dir, "heard.wav")
	f, err := os.Create(tone)
	if err != nil {
		t.Fatal(err)
	}
	if err := media.WriteWAV(f, media.WAV{Rate: 8000, Channels: 1, PCM: media.Tone(1000, 2*time.Second, 0.3).PCM()}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = runCall(t.Context(), []string{"--to", echo(t), "--play", tone, "--send", "w0.2,say,1#", "--hear", heard, "--once"}, &out, io.Discard)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{`calling sip:4000@`, `answered in \d+ ms, PCM[UA], audio from 127.0.0.1:`, `hears tone (995|1000|1005) Hz, -1\d dBFS`, `said 2s of audio`, `sent 1#`, `hung up`, `audio: \d\d+ packets heard, \d+ lost`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	r, err := os.Open(heard)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wav, err := media.ReadWAV(r)
	if err != nil || wav.Rate != 8000 || len(wav.PCM) < 16000 {
		t.Fatalf("heard %d samples, %v", len(wav.PCM), err)
	}
	if h := caller.Judge(wav.PCM[8000:9600]); h.Sound != caller.Tone || math.Abs(h.Freq-1000) > 5 {
		t.Errorf("the file holds %v", h)
	}
}

func TestCallCommandFails(t *testing.T) {
	t.Setenv("HOTLINE_CALL_PASSWORD", "")
	for name, args := range map[string][]string{
		"two numbers":  {"4000", "4001"},
		"bad script":   {"--send", "hello"},
		"say and play": {"--say", "a", "--play", "b"},
		"no file":      {"--play", "/nowhere.wav"},
		"bad address":  {"--to", "sip:@"},
		"bad codec":    {"--codec", "opus"},
		"bad bind":     {"--bind", "here"},
		"bad flag":     {"--nonsense"},
	} {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		if err := runCall(ctx, args, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: accepted", name)
		}
		stop()
	}
	// Nobody there: no answer at all is said as that.
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = runCall(t.Context(), []string{"--to", "sip:1@" + c.LocalAddr().String(), "--ringing", "1s"}, io.Discard, io.Discard)
	if hotline.KindOf(err) != hotline.Unavailable || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("got %v", err)
	}
}

func TestCallTarget(t *testing.T) {
	for in, want := range map[string]string{
		"4000": "sip:4000@127.0.0.1", "4000@pbx": "sip:4000@pbx", "sip:4000@pbx;transport=tcp": "sip:4000@pbx;transport=tcp", "+861062551234": "sip:+861062551234@127.0.0.1",
	} {
		if got := callTarget(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// What the help says of a flag is for people: no default that means "not given".
func TestCallHelp(t *testing.T) {
	var help strings.Builder
	if err := runCall(t.Context(), []string{"--help"}, io.Discard, &help); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(help.String(), "-1ns") || !strings.Contains(help.String(), "-duration time") {
		t.Errorf("%s", help.String())
	}
	if err := runCall(t.Context(), []string{"--duration", "-5s", "4000"}, io.Discard, io.Discard); err == nil {
		t.Error("a negative duration was taken")
	}
}
