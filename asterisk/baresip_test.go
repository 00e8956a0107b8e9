package asterisk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"hotline/media"
)

// softphone is baresip, a real user agent, whose microphone is a tone of 600 Hz.
type softphone struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// hum writes 20 s of 600 Hz.
func hum(t testing.TB, file string) {
	t.Helper()
	wav, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := media.WriteWAV(wav, media.WAV{Rate: 8000, Channels: 1, PCM: media.Tone(600, 20*time.Second, 0.5).PCM()}); err != nil {
		t.Fatal(err)
	}
	if err := wav.Close(); err != nil {
		t.Fatal(err)
	}
}

func newSoftphone(t testing.TB, account string) *softphone {
	t.Helper()
	if _, err := exec.LookPath("baresip"); err != nil {
		t.Fatal("baresip is missing: apt-get install baresip")
	}
	dir, sip, ctrl := t.TempDir(), freePort(t), freePort(t)
	hum(t, filepath.Join(dir, "tone.wav"))
	config := fmt.Sprintf(`module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %s
sip_listen %s
audio_player aufile,%[3]s/heard.wav
audio_source aufile,%[3]s/tone.wav
audio_alert aufile,%[3]s/alert.wav
rtp_ports 41000-41999
net_interface 127.0.0.1
`, ctrl, sip, dir)
	for name, text := range map[string]string{"config": config, "accounts": account, "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("baresip", "-f", dir)
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("baresip:\n%s", out)
		}
	})
	s := &softphone{t: t}
	var err error
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(20 * time.Millisecond) {
		if s.conn, err = net.Dial("tcp", ctrl.String()); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("baresip does not start: %v", err)
		}
	}
	t.Cleanup(func() { s.conn.Close() })
	s.r = bufio.NewReader(s.conn)
	return s
}

// does gives it a command.
func (s *softphone) does(command, params string) {
	s.t.Helper()
	b, _ := json.Marshal(map[string]string{"command": command, "params": params, "token": "t"})
	if _, err := s.conn.Write([]byte(strconv.Itoa(len(b)) + ":" + string(b) + ",")); err != nil {
		s.t.Fatal(err)
	}
}

// told waits for an event of a type and returns its parameter.
func (s *softphone) told(kind string) string {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	for {
		size, err := s.r.ReadString(':')
		if err != nil {
			s.t.Fatalf("waiting for %s of baresip: %v", kind, err)
		}
		n, _ := strconv.Atoi(size[:len(size)-1])
		b := make([]byte, n+1)
		for got := 0; got < len(b); {
			k, err := s.r.Read(b[got:])
			if err != nil {
				s.t.Fatal(err)
			}
			got += k
		}
		var ev struct{ Type, Param string }
		_ = json.Unmarshal(b[:n], &ev)
		s.t.Logf("baresip: %s", b[:n])
		if ev.Type == kind {
			return ev.Param
		}
	}
}
