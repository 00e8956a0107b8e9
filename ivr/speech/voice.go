package speech

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"hotline/media"
)

// Voice keeps what a [Speaker] has spoken.
type Voice struct {
	speaker Speaker
	dir     string
	mu      sync.Mutex
	kept    map[string]*media.Prompt
}

// Text is something to be spoken.
type Text struct{ Language, Words string }

// NewVoice keeps sound below dir, which is made when it is not there. It may be emptied at any time.
func NewVoice(speaker Speaker, dir string) (*Voice, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for spoken prompts: %w", err)
	}
	return &Voice{speaker: speaker, dir: dir, kept: map[string]*media.Prompt{}}, nil
}

func (v *Voice) key(t Text) string {
	sum := sha256.Sum256([]byte(v.speaker.Name() + "\x00" + t.Language + "\x00" + t.Words))
	return hex.EncodeToString(sum[:])
}

// Ready returns the sound of a text that is at hand. It never waits.
func (v *Voice) Ready(t Text) (*media.Prompt, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p, ok := v.kept[v.key(t)]
	return p, ok
}

// Prepare returns the sounds of texts. Those that were not spoken before are spoken now.
func (v *Voice) Prepare(ctx context.Context, texts []Text) (map[Text]*media.Prompt, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(speakers)
	sounds := make([]*media.Prompt, len(texts))
	for i, t := range texts {
		if p, ok := v.Ready(t); ok {
			sounds[i] = p
			continue
		}
		g.Go(func() (err error) {
			sounds[i], err = v.Prompt(ctx, t)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	said := make(map[Text]*media.Prompt, len(texts))
	for i, t := range texts {
		said[t] = sounds[i]
	}
	return said, nil
}

// Prompt returns the sound of a text: from memory, from disk, or spoken now.
func (v *Voice) Prompt(ctx context.Context, t Text) (*media.Prompt, error) {
	if p, ok := v.Ready(t); ok {
		return p, nil
	}
	p, err := v.Speak(ctx, t)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if other, ok := v.kept[v.key(t)]; ok {
		return other, nil
	}
	v.kept[v.key(t)] = p
	return p, nil
}

// Speak returns the sound of a text from disk, or spoken now. It is not kept in memory: for texts that are tried out.
func (v *Voice) Speak(ctx context.Context, t Text) (*media.Prompt, error) {
	file := filepath.Join(v.dir, v.key(t)+".wav")
	if p := load(file); p != nil {
		return p, nil
	}
	pcm, err := v.speaker.Speak(ctx, t.Words, t.Language)
	if err != nil {
		return nil, err
	}
	v.save(file, pcm) // without it the text is spoken again after a restart; nothing else is lost
	return media.NewPrompt(pcm), nil
}

// Forget drops from memory what is not among texts.
func (v *Voice) Forget(except []Text) {
	keep := make(map[string]bool, len(except))
	for _, t := range except {
		keep[v.key(t)] = true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for k := range v.kept {
		if !keep[k] {
			delete(v.kept, k)
		}
	}
}

// load returns nil for a file that is not there or not whole.
func load(file string) *media.Prompt {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	wav, err := media.ReadWAV(f)
	if err != nil || wav.Rate != media.SampleRate || len(wav.PCM) == 0 {
		return nil
	}
	return media.NewPrompt(media.Mono(wav))
}

// save writes beside the place and renames, so that half a file is never found.
func (v *Voice) save(file string, pcm []int16) error {
	f, err := os.CreateTemp(v.dir, "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := media.WriteWAV(f, media.WAV{Rate: media.SampleRate, Channels: 1, PCM: pcm}); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
