// Package pickup makes tickets of the messages that Asterisk took while Hotline was away.
//
// A message becomes what it would have been had Hotline taken it: a call with a recording, on the ticket of its caller, with a task to call
// back. It does so exactly once: the ids follow from the message's name, each step is written once, and the message is deleted at its
// Asterisk when all of it is in the database. Where messages are and what their names say is the business of asterisk/away.
//
// Start at [Picker.Run].
package pickup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/asterisk/away"
	"hotline/call"
	"hotline/call/trim"
	"hotline/media"
	"hotline/recordings"
	"hotline/trunks"
)

const (
	largest  = 64 << 20 // bytes of a message: more than an hour
	shortest = time.Second
	soon     = 10 * time.Second // between looks after a start: callers may still be speaking
	later    = 2 * time.Minute
	settling = 10 * time.Minute
	patience = 2 * time.Minute  // for one message
	again    = 10 * time.Minute // the same trouble is told so often
)

// Spool is where messages are: the Asterisks ([away.Spool]).
type Spool interface {
	Messages(ctx context.Context) ([]away.Message, error)
	Audio(ctx context.Context, m away.Message) (io.ReadCloser, error)
	Delete(ctx context.Context, m away.Message) error
}

// Config of a [Picker].
type Config struct {
	Spool      Spool
	Pool       *pgxpool.Pool
	Journal    *call.Journal
	Recordings *recordings.Store
	Directory  *trunks.Directory
	Node       string // this process, as its calls name it
	Broken     string // folder for audio that cannot be read
	Log        *slog.Logger
}

// Picker fetches messages.
type Picker struct{ cfg Config }

// New makes one.
func New(cfg Config) *Picker { return &Picker{cfg: cfg} }

// Run fetches messages until ctx ends. It is to begin when the calls that the process before left open are closed or go on: what is filed
// here looks like one of those for a moment.
func (p *Picker) Run(ctx context.Context) error {
	var said string
	var saidAt time.Time
	for began := time.Now(); ; {
		n, err := p.Collect(ctx)
		if err != nil && ctx.Err() == nil {
			if what := err.Error(); what != said || time.Since(saidAt) > again {
				p.cfg.Log.Warn("messages that were left while Hotline was away cannot all be fetched yet", "error", err)
				said, saidAt = what, time.Now()
			}
		} else {
			said = ""
		}
		if n > 0 {
			p.cfg.Log.Info("messages that were left while Hotline was away are on their tickets", "messages", n)
		}
		every := later
		if time.Since(began) < settling {
			every = soon
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// Collect fetches what is there now. One message that cannot be fetched does not hold up the others.
func (p *Picker) Collect(ctx context.Context) (filed int, err error) {
	list, err := p.cfg.Spool.Messages(ctx)
	errs := []error{err}
	for _, m := range list {
		if ctx.Err() != nil {
			break
		}
		done, err := p.alone(ctx, m)
		if err != nil {
			errs = append(errs, fmt.Errorf("message %s at %s: %w", m.Name, m.Node, err))
		}
		if done {
			filed++
		}
	}
	return filed, errors.Join(errs...)
}

// alone takes care of a message unless another process does at this moment.
func (p *Picker) alone(ctx context.Context, m away.Message) (filed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := p.cfg.Pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer c.Release()
	var mine bool
	if err := c.QueryRow(ctx, `select pg_try_advisory_lock(4712016, hashtext($1))`, m.Node+"/"+m.Name).Scan(&mine); err != nil || !mine {
		return false, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, e := c.Exec(end, `select pg_advisory_unlock(4712016, hashtext($1))`, m.Node+"/"+m.Name)
		err = errors.Join(err, e)
	}()
	return p.take(ctx, m)
}

// take files a message, as far as it is not filed yet, and deletes it where it came from.
func (p *Picker) take(ctx context.Context, m away.Message) (filed bool, err error) {
	id := idOf(m, "call")
	seen, err := p.look(ctx, id)
	if err != nil {
		return false, err
	}
	if !seen.settled() {
		got, err := p.fetch(ctx, m)
		if err != nil {
			return false, err
		}
		if err := p.file(ctx, m, got, seen); err != nil {
			return false, err
		}
		if seen, err = p.look(ctx, id); err != nil {
			return false, err
		}
		if !seen.ended || got.duration > 0 && !seen.voicemail {
			return false, hotline.Errorf(hotline.Unavailable, "pickup.not_filed", "it is not in the database yet; it stays where it is")
		}
		filed = true
	}
	return filed, p.cfg.Spool.Delete(ctx, m)
}

// audio is what a message says.
type audio struct {
	pcm      []int16
	duration time.Duration // of pcm
	broken   bool          // what was recorded cannot be read
}

// fetch reads the audio and leaves the silence out. Audio that cannot be read is put aside: the call is worth a ticket all the same.
func (p *Picker) fetch(ctx context.Context, m away.Message) (audio, error) {
	r, err := p.cfg.Spool.Audio(ctx, m)
	if err != nil {
		return audio{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err = errors.Join(err, r.Close()); err != nil {
		return audio{}, err
	}
	wav, err := media.ReadWAV(bytes.NewReader(raw))
	if err == nil && len(raw) > largest {
		err = errors.New("it is too large")
	}
	if err != nil {
		return audio{broken: true}, p.putAside(m, raw, err)
	}
	return spoken(media.Resample(media.Mono(wav), wav.Rate, media.SampleRate)), nil
}

// spoken is what is said in pcm.
func spoken(pcm []int16) audio {
	var said said
	t := trim.New(&said, 0)
	const frame = media.SampleRate / 50
	for ; len(pcm) >= frame; pcm = pcm[frame:] {
		t.Frame(pcm[:frame], nil)
	}
	duration, voice := t.Finish()
	if voice == 0 || duration < shortest {
		return audio{}
	}
	return audio{pcm: said.pcm, duration: duration}
}

type said struct{ pcm []int16 }

func (s *said) Frame(in, _ []int16) { s.pcm = append(s.pcm, in...) }

// putAside keeps audio that cannot be read for somebody to look at, and tells.
func (p *Picker) putAside(m away.Message, raw []byte, why error) error {
	if err := os.MkdirAll(p.cfg.Broken, 0o700); err != nil {
		return fmt.Errorf("its audio cannot be read (%w), nor be put aside: %w", why, err)
	}
	name := filepath.Join(p.cfg.Broken, idOf(m, "call")+".wav")
	if err := os.WriteFile(name, raw[:min(len(raw), largest)], 0o600); err != nil {
		return fmt.Errorf("its audio cannot be read (%w), nor be put aside: %w", why, err)
	}
	p.cfg.Log.Error("a message that was left while Hotline was away cannot be played; there is a task to call back, and its audio is put aside",
		"node", m.Node, "message", m.Name, "file", name, "error", why)
	return nil
}

// idOf makes an id that a message always has: a UUID of version 8 (RFC 9562).
func idOf(m away.Message, what string) string {
	sum := sha256.Sum256([]byte(cmp.Or(what, "-") + "\x00" + m.Node + "\x00" + m.Name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
