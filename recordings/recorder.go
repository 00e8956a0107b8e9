package recordings

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"strings"
	"sync"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
)

const (
	queueBlocks = 20              // 10 s of audio may wait for a slow disk
	retryEvery  = time.Second     // a disk that refuses is asked again
	stopTimeout = 3 * time.Second // so long a disk may take for what waits when a recording stops
)

// Recorder writes one recording. It is a media.Tap.
//
// The clock hands frames over by [Recorder.Frame], which encodes them into a block and never waits: blocks go through a queue of
// bounded length to a goroutine that encrypts and writes. When the disk is too slow or full and the queue overflows, blocks are left
// out, silence of the same length takes their place, and the recording is partial.
type Recorder struct {
	store  *Store
	head   header
	file   *os.File
	part   string // name while it is written
	name   string // name when it is done
	queue  chan block
	stop   chan struct{} // closed by Stop
	done   chan struct{} // closed when the writer has ended
	once   sync.Once
	writer writer // the goroutine's own until done is closed

	mu     sync.Mutex
	fresh  []byte // the block that is being filled
	left   int    // blocks that were left out before the next
	gap    bool   // some block was left out
	paused int
	ended  bool
	waves  []*peaks
}

// block is half a second of samples, with the number of blocks that were left out before it.
type block struct {
	samples []byte
	left    int
	last    bool
}

// writer is what the goroutine of a recorder knows.
type writer struct {
	next   int64 // number of the next block
	offset int64
	frames int64
	sum    hash.Hash
	err    error // the disk's last word
	lost   bool  // something could not be written
	closed bool  // the last block is written
}

// ID of the recording.
func (r *Recorder) ID() string { return r.head.ID }

// Frame takes 20 ms of both sides. It never blocks.
func (r *Recorder) Frame(in, out []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	sides := [2][]int16{in, out}
	n := len(in)
	for ch := range r.waves {
		if r.paused == 0 {
			r.waves[ch].add(sides[ch])
		} else {
			r.waves[ch].add(silentFrame[:min(n, len(silentFrame))])
		}
	}
	for len(sides[0]) > 0 {
		k := min(len(sides[0]), (cap(r.fresh)-len(r.fresh))/r.head.channels)
		r.encode(sides[0][:k], sides[1][:min(k, len(sides[1]))])
		sides[0], sides[1] = sides[0][k:], sides[1][min(k, len(sides[1])):]
		if len(r.fresh) == cap(r.fresh) {
			r.hand(block{samples: r.fresh, left: r.left})
		}
	}
}

var silentFrame [480]int16

// encode appends sample frames to the fresh block. r.mu is held.
func (r *Recorder) encode(in, out []int16) {
	at := len(r.fresh)
	r.fresh = r.fresh[:at+len(in)*r.head.channels]
	to := r.fresh[at:]
	if r.paused > 0 {
		fillSilence(to)
		return
	}
	if r.head.channels == 1 {
		media.PCMU.Encode(to, in)
		return
	}
	var left, right [480]byte
	for len(in) > 0 {
		k := min(len(in), len(left))
		media.PCMU.Encode(left[:k], in[:k])
		m := media.PCMU.Encode(right[:k], out[:min(k, len(out))])
		fillSilence(right[m:k])
		for i := range k {
			to[2*i], to[2*i+1] = left[i], right[i]
		}
		in, out, to = in[k:], out[m:], to[2*k:]
	}
}

func fillSilence(b []byte) {
	for i := range b {
		b[i] = media.PCMU.Silence()
	}
}

// hand gives a block to the writer, or leaves it out. r.mu is held.
func (r *Recorder) hand(b block) {
	select {
	case r.queue <- b:
		r.left = 0
		r.fresh = make([]byte, 0, r.head.blockBytes())
	default:
		r.left++
		r.gap = true
		r.fresh = r.fresh[:0]
		r.store.trouble(fmt.Errorf("the disk is too slow: recording %s leaves out audio", r.head.ID))
	}
}

// Pause writes silence in place of what is said, so that the clock of the recording goes on. Pauses nest.
func (r *Recorder) Pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused++
}

// Resume ends a pause.
func (r *Recorder) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = max(r.paused-1, 0)
}

// Stop closes the file and files the recording. A second Stop returns the same. It waits for the disk, but not for long: what the
// disk does not take then is missing, and the recording is partial.
func (r *Recorder) Stop(ctx context.Context) (Recording, error) {
	r.end()
	ctx, cancel := context.WithTimeoutCause(ctx, 2*stopTimeout, errStuck)
	defer cancel()
	select {
	case <-r.done:
		return fromRow(r.row()), nil
	case <-ctx.Done():
		return Recording{}, unavailable(context.Cause(ctx)) // the writer files it when the disk lets it
	}
}

func (r *Recorder) end() {
	r.once.Do(func() {
		r.mu.Lock()
		r.ended = true
		r.mu.Unlock()
		close(r.stop)
	})
}

// Discard stops and deletes what was recorded: a message that was too short, or is spoken again.
func (r *Recorder) Discard(ctx context.Context) error {
	if _, err := r.Stop(ctx); err != nil {
		return err
	}
	if err := r.store.root.Remove(r.name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	r.store.used.Add(-r.writer.offset)
	return r.store.cfg.Journal.File(r.head.CallID, call.FactRecordingGone, call.RecordingGone{ID: r.head.ID})
}

// run is the writer's goroutine.
func (r *Recorder) run() {
	defer close(r.done)
	for {
		select {
		case b := <-r.queue:
			r.write(b)
		case <-r.stop:
			r.finish()
			return
		}
	}
}

// write puts a block, and silence for what was left out before it, into the file.
func (r *Recorder) write(b block) {
	if b.left > 0 {
		silence := make([]byte, r.head.blockBytes())
		fillSilence(silence)
		for range b.left {
			r.put(silence, false)
		}
	}
	r.put(b.samples, b.last)
}

// put seals and writes one block, asking again while the disk refuses. A sealed block is written as it is or not at all: sealing
// other samples under its number would break the encryption.
func (r *Recorder) put(samples []byte, last bool) {
	w := &r.writer
	if w.lost && w.err != nil {
		return // given up
	}
	sealed := r.head.seal(w.next, last, samples)
	var deadline <-chan time.Time
	stop := r.stop
	for {
		if w.err = r.tryWrite(sealed); w.err == nil {
			break
		}
		r.store.trouble(w.err)
		select {
		case <-stop:
			stop = nil
			deadline = time.After(stopTimeout)
		case <-time.After(retryEvery):
		case <-deadline:
			w.lost = true
			return
		}
	}
	r.store.recovered()
	w.next++
	w.offset += int64(len(sealed))
	w.frames += int64(len(samples) / r.head.channels)
	w.sum.Write(sealed)
	w.closed = last
	r.store.used.Add(int64(len(sealed)))
}

func (r *Recorder) tryWrite(sealed []byte) error {
	if err := r.store.roomLeft(); err != nil {
		return err
	}
	return r.store.writeAt(r.file, sealed, r.writer.offset)
}

// finish writes what is left, closes the file and files the recording.
func (r *Recorder) finish() {
	for len(r.queue) > 0 {
		r.write(<-r.queue)
	}
	r.mu.Lock()
	rest := block{samples: r.fresh, left: r.left, last: true}
	r.mu.Unlock()
	r.write(rest)
	err := errors.Join(r.file.Sync(), r.file.Close())
	if err != nil {
		r.store.trouble(err)
	}
	r.store.end(r)
	if err := r.store.cfg.Journal.File(r.head.CallID, call.FactRecordingEnd, r.row()); err != nil {
		r.store.cfg.Log.Error("the end of a recording could not be filed", "recording", r.head.ID, "error", err)
	}
	// Renamed last: a .part file is what [Store.Repair] looks for.
	if err := r.store.root.Rename(r.part, r.name); err != nil {
		r.store.cfg.Log.Error("a recording could not be renamed; the next start will", "recording", r.head.ID, "error", err)
	}
}

// row is the recording as it stands when its writer has ended.
func (r *Recorder) row() call.RecordingRow {
	w := &r.writer
	r.mu.Lock()
	defer r.mu.Unlock()
	state := Complete
	if r.gap || w.lost || !w.closed {
		state = Partial
	}
	duration := time.Duration(w.frames) * time.Second / sampleRate
	ended := r.head.StartedAt.Add(duration)
	row := call.RecordingRow{
		ID: r.head.ID, CallID: r.head.CallID, LegID: r.head.LegID, Kind: string(r.head.Kind), State: string(state), File: r.name,
		Channels: r.head.channels, DurationMS: duration.Milliseconds(), Bytes: w.offset, SHA256: w.sum.Sum(nil),
		StartedAt: r.head.StartedAt, EndedAt: &ended, ExpiresAt: r.store.expiry(ended),
	}
	for _, p := range r.waves {
		row.Waveform = append(row.Waveform, p.list...)
	}
	return row
}

// begin opens the file of a new recording and starts its writer.
func (s *Store) begin(l label, channels int) (*Recorder, error) {
	head, err := newHeader(l, channels, s.key.Recipient())
	if err != nil {
		return nil, err
	}
	dir := l.StartedAt.UTC().Format("2006/01/02")
	if err := s.root.MkdirAll(dir, 0o700); err != nil {
		return nil, unavailable(err)
	}
	name := dir + "/" + l.ID + suffix
	r := &Recorder{
		store: s, head: head, name: name, part: strings.TrimSuffix(name, suffix) + partSuffix,
		queue: make(chan block, queueBlocks), stop: make(chan struct{}), done: make(chan struct{}),
		fresh: make([]byte, 0, head.blockBytes()),
	}
	for range channels {
		r.waves = append(r.waves, newPeaks())
	}
	if r.file, err = s.root.OpenFile(r.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, unavailable(err)
	}
	if err := s.writeAt(r.file, head.raw, 0); err != nil {
		return nil, errors.Join(unavailable(err), r.file.Close(), s.root.Remove(r.part))
	}
	r.writer = writer{offset: int64(len(head.raw)), sum: sha256.New()}
	r.writer.sum.Write(head.raw)
	s.used.Add(r.writer.offset)
	return r, nil
}

var errStuck = errors.New("the disk does not answer")

func unavailable(err error) error {
	return hotline.Errorf(hotline.Unavailable, "recording.store", "the recording cannot be stored: %w", err)
}
