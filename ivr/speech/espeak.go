// Package speech makes sound of text.
//
// [Speaker] is the interface of a voice; [Espeak] is the one that comes with Hotline. [Voice] keeps what was spoken, in memory and on
// disk, so that a text is spoken once and no call waits for it. It knows no call and no flow. Start reading at [Voice.Prepare].
package speech

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"hotline"
	"hotline/media"
)

// Speaker turns text into sound: 8 kHz, mono.
type Speaker interface {
	Speak(ctx context.Context, text, language string) ([]int16, error)
	// Name identifies voice and settings: sound that was kept under another name is not used.
	Name() string
}

const (
	speakTimeout = 10 * time.Second
	speakers     = 2 // processes at a time
)

// Espeak speaks by the program espeak-ng.
type Espeak struct {
	program string
	slots   chan struct{}
}

// voices of espeak-ng. Its voice "cmn" of version 1.51 spells most characters as Latin letters with an English accent ("nín" becomes
// "n-i-n-two"); "cmn-latn-pinyin" speaks them.
var voices = map[string]string{"zh-CN": "cmn-latn-pinyin", "en": "en-us"}

// NewEspeak finds the program. Without it the error says which package to install.
func NewEspeak() (*Espeak, error) {
	program, err := exec.LookPath("espeak-ng")
	if err != nil {
		return nil, hotline.Errorf(hotline.Unavailable, "speech.missing", "espeak-ng, which speaks prompts, is not installed: run apt-get install espeak-ng (%w)", err)
	}
	return &Espeak{program: program, slots: make(chan struct{}, speakers)}, nil
}

// Name implements [Speaker].
func (e *Espeak) Name() string { return "espeak-ng/2" }

// Speak implements [Speaker]. Words of the other language inside a text are spoken by the voice of that language.
func (e *Espeak) Speak(ctx context.Context, text, language string) ([]int16, error) {
	if voices[language] == "" {
		return nil, hotline.Errorf(hotline.Invalid, "speech.language", "there is no voice for %q", language)
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, speakTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "hotline-speech-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var pcm []int16
	for i, r := range runs(text, language) {
		part, err := e.speakRun(ctx, filepath.Join(dir, "out.wav"), r)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			pcm = append(pcm, make([]int16, media.SampleRate/20)...)
		}
		pcm = append(pcm, trim(part)...)
	}
	if len(pcm) == 0 {
		return nil, hotline.Errorf(hotline.Invalid, "speech.nothing", "nothing in %q can be spoken", text)
	}
	return pcm, nil
}

func (e *Espeak) speakRun(ctx context.Context, file string, r run) ([]int16, error) {
	// The text goes by standard input: it is no option and no file name. "[[" would switch to phonemes.
	cmd := exec.CommandContext(ctx, e.program, "-v", voices[r.language], "-s", "160", "-b", "1", "--stdin", "-w", file)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(r.text, "[[", "[ ["))
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return nil, hotline.Errorf(hotline.Unavailable, "speech.failed", "espeak-ng failed: %w: %.200s", err, out)
	}
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing audible in the text
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer os.Remove(file)
	wav, err := media.ReadWAV(f)
	if err != nil {
		return nil, err
	}
	return media.Resample(media.Mono(wav), wav.Rate, media.SampleRate), nil
}

// run is a stretch of text in one language.
type run struct{ text, language string }

// runs splits text where the script changes. Digits and punctuation belong to what stands before them.
func runs(text, language string) []run {
	var out []run
	current, begin := "", 0
	for i, r := range text {
		l := ""
		switch {
		case unicode.Is(unicode.Han, r):
			l = "zh-CN"
		case unicode.IsLetter(r):
			l = "en"
		}
		if l == "" || l == current {
			continue
		}
		if current != "" {
			out = append(out, run{text[begin:i], current})
			begin = i
		} else if l != language && strings.TrimSpace(text[:i]) != "" { // digits at the beginning are in the language of the text
			out = append(out, run{text[:i], language})
			begin = i
		}
		current = l
	}
	if current == "" {
		current = language
	}
	return append(out, run{text[begin:], current})
}

// trim takes the silence off both ends, so that words can be joined, and leaves a breath at the end.
func trim(pcm []int16) []int16 {
	const floor, breath = 160, media.SampleRate / 16
	first, last := 0, len(pcm)
	for first < last && pcm[first] < floor && pcm[first] > -floor {
		first++
	}
	for last > first && pcm[last-1] < floor && pcm[last-1] > -floor {
		last--
	}
	if first == last {
		return nil
	}
	return pcm[max(first-40, 0):min(last+breath, len(pcm))]
}
