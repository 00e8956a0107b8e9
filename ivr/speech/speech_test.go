package speech

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotline"
	"hotline/media"
)

func espeak(t *testing.T) *Espeak {
	t.Helper()
	e, err := NewEspeak()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestSpeaks: both languages make sound of a plausible length, on the telephone's rate.
func TestSpeaks(t *testing.T) {
	e := espeak(t)
	for _, c := range []struct {
		text, language string
		low, high      time.Duration
	}{
		{"您好，欢迎致电。", "zh-CN", time.Second, 5 * time.Second},
		{"Hello, and welcome.", "en", 700 * time.Millisecond, 4 * time.Second},
		{"七", "zh-CN", 100 * time.Millisecond, time.Second},
		{"请发送邮件到 support 邮箱，或按 2。", "zh-CN", 2 * time.Second, 9 * time.Second},
		{"-f /etc/passwd --help", "en", 500 * time.Millisecond, 6 * time.Second},
		{"[[h@l'oU]] <break time='9s'/>", "en", 300 * time.Millisecond, 9 * time.Second},
	} {
		pcm, err := e.Speak(t.Context(), c.text, c.language)
		if err != nil {
			t.Fatal(err)
		}
		if d := media.NewPrompt(pcm).Duration(); d < c.low || d > c.high {
			t.Errorf("%q lasts %s", c.text, d)
		}
		if l := media.Level(pcm); l < -35 || l > -5 {
			t.Errorf("%q is spoken at %.0f dBFS", c.text, l)
		}
	}
	for _, text := range []string{"", "   ", "。"} {
		if _, err := e.Speak(t.Context(), text, "en"); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := e.Speak(t.Context(), "x", "fr"); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("a language without a voice: %v", err)
	}
}

// TestMandarinIsMandarin: the voice named cmn of espeak-ng 1.51 falls back to English letters for most characters.
func TestMandarinIsMandarin(t *testing.T) {
	for _, text := range []string{"您好", "一二三四五六七八九十", "欢迎致电技术支持", "幺两零百千万亿", "工单正在处理中"} {
		out, err := exec.Command("espeak-ng", "-q", "-x", "-v", voices["zh-CN"], text).Output()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "(en)") {
			t.Errorf("%s is spelled in English: %s", text, out)
		}
	}
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		text, language string
		want           []run
	}{
		{"您好", "zh-CN", []run{{"您好", "zh-CN"}}},
		{"请按 1，或 OK。再见", "zh-CN", []run{{"请按 1，或 ", "zh-CN"}, {"OK。", "en"}, {"再见", "zh-CN"}}},
		{"12 apples", "en", []run{{"12 apples", "en"}}},
		{"12 apples", "zh-CN", []run{{"12 ", "zh-CN"}, {"apples", "en"}}},
		{"42", "zh-CN", []run{{"42", "zh-CN"}}},
		{"Say 你好 twice", "en", []run{{"Say ", "en"}, {"你好 ", "zh-CN"}, {"twice", "en"}}},
	} {
		if got := runs(c.text, c.language); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}

func TestMissingProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := NewEspeak()
	if hotline.KindOf(err) != hotline.Unavailable || !strings.Contains(err.Error(), "apt-get install espeak-ng") {
		t.Errorf("got %v", err)
	}
}

// TestHungProgram: a program that does not end is stopped.
func TestHungProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "espeak-ng"), []byte("#!/bin/sh\nexec /bin/sleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := espeak(t).Speak(ctx, "hello", "en"); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

// counting counts what is spoken; it is a voice of the tests' own, not a stand-in for the real one.
type counting struct{ spoken atomic.Int32 }

func (c *counting) Name() string { return "counting" }
func (c *counting) Speak(_ context.Context, text, _ string) ([]int16, error) {
	c.spoken.Add(1)
	if text == "bad" {
		return nil, errors.New("cannot be spoken")
	}
	return media.Tone(400, 200*time.Millisecond, 0.2).PCM(), nil
}

// TestKept: a text is spoken once, also over restarts; half a file is not believed.
func TestKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "speech")
	speaker := &counting{}
	open := func() *Voice {
		v, err := NewVoice(speaker, dir)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	texts := []Text{{"en", "one"}, {"en", "two"}, {"zh-CN", "one"}}
	v := open()
	for range 2 {
		if _, err := v.Prepare(t.Context(), texts); err != nil {
			t.Fatal(err)
		}
	}
	if n := speaker.spoken.Load(); n != 3 {
		t.Errorf("spoken %d times", n)
	}
	v.Forget(texts[:1])
	if _, ok := v.Ready(texts[0]); !ok {
		t.Error("forgot what was to stay")
	}
	if _, ok := v.Ready(texts[1]); ok {
		t.Error("did not forget")
	}
	if p, err := open().Prompt(t.Context(), texts[1]); err != nil || p.Duration() != 200*time.Millisecond || speaker.spoken.Load() != 3 {
		t.Errorf("after a restart: %v, spoken %d times", err, speaker.spoken.Load())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.wav"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		if err := os.Truncate(f, 20); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open().Prepare(t.Context(), texts); err != nil || speaker.spoken.Load() != 6 {
		t.Errorf("torn files: %v, spoken %d times", err, speaker.spoken.Load())
	}
	if _, err := v.Prepare(t.Context(), []Text{{"en", "bad"}}); err == nil {
		t.Error("a text that cannot be spoken is no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "new-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
