package recordings

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/call/rows"
)

// TestKill9 runs this binary as a process that records until it is killed; then the file plays up to the cut, and its length is right.
func TestKill9(t *testing.T) {
	if dir := os.Getenv("HOTLINE_TEST_RECORDING"); dir != "" {
		recordForEver(dir)
		return
	}
	b := newBench(t, nil)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill9$")
	cmd.Env = append(os.Environ(), "HOTLINE_TEST_RECORDING="+b.cfg.Dir+"/..")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, _ := out.Read(line) // 30 s of audio have been taken
	id := strings.TrimSpace(string(line[:n]))
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	if len(id) != 36 {
		t.Fatalf("the process said %q", id)
	}
	for range 2 { // repairing what is repaired changes nothing
		if err := b.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.flush(t)
	wav, rec := b.played(t, id)
	if rec.State != Partial || rec.DurationMS < 28_000 || rec.DurationMS > 31_000 || len(wav.PCM) != 2*8*int(rec.DurationMS) || rec.ExpiresAt == nil {
		t.Errorf("%+v, %d samples", rec, len(wav.PCM))
	}
	if !hears(side(wav, 0), 440) || !hears(side(wav, 1), 1000) {
		t.Error("what was said before the cut is not heard")
	}
	raw, _ := os.ReadFile(filepath.Join(b.cfg.Dir, rec.file))
	if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], rec.SHA256) {
		t.Error("the sum is not that of the repaired file")
	}
	if len(rec.Waveform) != 2 || len(rec.Waveform[0]) < 100 {
		t.Errorf("waveform: %v", rec.Waveform)
	}
}

func recordForEver(dir string) {
	j, err := rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(dir, "other-journal")})
	if err != nil {
		panic(err)
	}
	s, err := Open(Config{Dir: filepath.Join(dir, "audio"), KeyFile: filepath.Join(dir, "recordings.key"), Journal: j, MinFreeBytes: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	r, err := s.Start(context.Background(), Start{CallID: hotline.NewID(), Kind: OfCall})
	if err != nil {
		panic(err)
	}
	talkPaced(r, 30*time.Second, 440, 1000)
	for len(r.queue) > 0 {
		time.Sleep(time.Millisecond)
	}
	os.Stdout.WriteString(r.ID() + "\n")
	select {}
}

// Every length that a killed process can leave is repaired, and whatever the last bytes are.
func TestRepairOfEveryCut(t *testing.T) {
	b := newBench(t, nil)
	r := b.start(t, OfCall)
	talkPaced(r, 1700*time.Millisecond, 440, 1000)
	rec := stopped(t, r)
	b.flush(t)
	whole, err := os.ReadFile(filepath.Join(b.cfg.Dir, b.files(t)[0]))
	if err != nil {
		t.Fatal(err)
	}
	lay, err := survey(bytes.NewReader(whole), int64(len(whole)), b.key)
	if err != nil {
		t.Fatal(err)
	}
	head, sealed := len(lay.raw), int(lay.blockBytes())+overhead
	zeros := func(n int) []byte { return make([]byte, n) }
	for name, c := range map[string]cutFile{
		"only the header":        {whole[:head], 0},
		"half a block":           {whole[:head+sealed/2], 0},
		"a block":                {whole[:head+sealed], 1},
		"a block and a byte":     {whole[:head+sealed+1], 1},
		"three blocks, no end":   {whole[:head+3*sealed], 3},
		"the end torn":           {whole[:len(whole)-1], 3},
		"zeros behind":           {append(bytes.Clone(whole[:head+2*sealed]), zeros(sealed+17)...), 2},
		"zeros for all blocks":   {append(bytes.Clone(whole[:head]), zeros(4*sealed)...), 0},
		"other bytes at the end": {append(bytes.Clone(whole[:head+2*sealed]), bytes.Repeat([]byte{7}, 100)...), 2},
	} {
		t.Run(name, func(t *testing.T) { c.repair(t, b, rec.ID) })
	}
	if err := b.root.WriteFile("2026/01/01/x"+partSuffix, whole[:head-40], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Repair(t.Context()); err != nil {
		t.Errorf("half a header: %v", err)
	}
	if _, err := b.root.Stat("2026/01/01/x" + partSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a header is left lying: %v", err)
	}
}

// cutFile is what a killed process left.
type cutFile struct {
	data   []byte
	blocks int // that can be read
}

func (c cutFile) repair(t *testing.T, b *bench, id string) {
	part := "2026/01/01/" + id + partSuffix
	if err := b.root.MkdirAll("2026/01/01", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.root.WriteFile(part, c.data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	f, err := b.root.Open("2026/01/01/" + id + suffix)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	lay, err := survey(f, info.Size(), b.key)
	if err != nil || lay.last != 0 || lay.frames != int64(c.blocks*blockFrames) {
		t.Fatalf("%d frames, want %d, last block %d, %v", lay.frames, c.blocks*blockFrames, lay.last, err)
	}
	if _, err := io.Copy(io.Discard, newWave(f, lay)); err != nil {
		t.Error(err)
	}
}
