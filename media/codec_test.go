package media

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func needSox(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sox"); err != nil {
		t.Fatal("this test compares with sox: apt-get install -y sox")
	}
}

// runSox converts a file and returns the result.
func runSox(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(from, in, 0o600); err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		switch a {
		case "IN":
			args[i] = from
		case "OUT":
			args[i] = to
		}
	}
	if out, err := exec.Command("sox", args...).CombinedOutput(); err != nil {
		t.Fatalf("sox %v: %v\n%s", args, err, out)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestG711AgreesWithSox(t *testing.T) {
	needSox(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for codec, name := range map[Codec]string{PCMU: "u-law", PCMA: "a-law"} {
		raw := runSox(t, all, "-t", "raw", "-r", "8000", "-c", "1", "-e", name, "IN", "-t", "raw", "-e", "signed", "-b", "16", "OUT")
		for i := range all {
			want := int16(binary.LittleEndian.Uint16(raw[2*i:]))
			var got [1]int16
			codec.Decode(got[:], all[i:i+1])
			if got[0] != want {
				t.Errorf("%v: %#02x decodes to %d, sox says %d", codec, i, got[0], want)
			}
		}
	}
}

func TestG711RoundTrip(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA} {
		for i := range 256 {
			b := byte(i)
			var pcm [1]int16
			var back [1]byte
			codec.Decode(pcm[:], []byte{b})
			codec.Encode(back[:], pcm[:])
			if back[0] != b && !(codec == PCMU && b == 0x7f) { // minus zero becomes zero
				t.Errorf("%v: %#02x decodes to %d, which encodes to %#02x", codec, b, pcm[0], back[0])
			}
		}
		last := int16(-32768)
		for v := -32768; v <= 32767; v++ {
			var b [1]byte
			var pcm [1]int16
			codec.Encode(b[:], []int16{int16(v)})
			codec.Decode(pcm[:], b[:])
			if diff := int(pcm[0]) - v; diff > 1024 || diff < -1024 || diff*diff > v*v/200+600 {
				t.Fatalf("%v: %d comes back as %d", codec, v, pcm[0])
			}
			if pcm[0] < last && last != -32768 {
				t.Fatalf("%v is not monotonic at %d", codec, v)
			}
			last = pcm[0]
		}
	}
	if PCMU.Silence() != 0xff || PCMA.Silence() != 0xd5 {
		t.Error("silence is wrong")
	}
}

func TestPromptIsEncodedOnce(t *testing.T) {
	p := Tone(440, 300*time.Millisecond, 0.5)
	if p.Duration() != 300*time.Millisecond {
		t.Errorf("the prompt lasts %v", p.Duration())
	}
	a, b := p.Encoded(PCMA), p.Encoded(PCMA)
	if &a[0] != &b[0] {
		t.Error("encoded twice")
	}
	if bytes.Equal(a, p.Encoded(PCMU)) {
		t.Error("both codecs give the same bytes")
	}
}
