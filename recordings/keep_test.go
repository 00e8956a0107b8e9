package recordings

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"hotline"
	"hotline/media"
)

// A message that was taken elsewhere is kept whole, whatever its length.
func TestKeep(t *testing.T) {
	b := newBench(t, nil)
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	for _, samples := range []int{blockFrames / 2, blockFrames, 3*blockFrames + 77, 20 * media.SampleRate} {
		pcm := media.Tone(600, time.Minute, 0.4).PCM()[:samples]
		rec, err := b.Keep(t.Context(), Taken{CallID: b.callID, LegID: hotline.NewID(), At: at, PCM: pcm})
		if err != nil {
			t.Fatal(err)
		}
		b.flush(t)
		want := int64(samples) * 1000 / media.SampleRate
		if rec.State != Complete || rec.Kind != Voicemail || rec.Channels != 1 || rec.DurationMS != want || !rec.StartedAt.Equal(at) || len(rec.Waveform) != 1 || len(rec.Waveform[0]) == 0 {
			t.Errorf("%d samples: %+v", samples, rec)
		}
		audio, row, err := b.Audio(t.Context(), rec.ID)
		if err != nil {
			t.Fatal(err)
		}
		wav, err := media.ReadWAV(audio)
		audio.Close()
		if err != nil || len(wav.PCM) != samples || media.Goertzel(wav.PCM, media.SampleRate, 600) < 0.01 {
			t.Errorf("%d samples became %d, %v", samples, len(wav.PCM), err)
		}
		if row.DurationMS != rec.DurationMS || row.CallID != b.callID {
			t.Errorf("row %+v", row)
		}
	}
}

// A disk that does not take all of it leaves nothing.
func TestKeepFails(t *testing.T) {
	b := newBench(t, nil)
	room := 2
	b.writeAt = func(f *os.File, p []byte, off int64) error {
		if room--; room < 0 {
			return errors.New("no space left on device")
		}
		return writeAt(f, p, off)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.Keep(ctx, Taken{CallID: b.callID, At: time.Now(), PCM: media.Tone(600, 5*time.Second, 0.4).PCM()}); err == nil {
		t.Fatal("half a message is kept")
	}
	b.flush(t)
	if left, err := b.ForCall(t.Context(), b.callID); err != nil || len(left) > 0 {
		t.Errorf("rows %+v, %v", left, err)
	}
	if err := b.measure(); err != nil || b.used.Load() != 0 {
		t.Errorf("%d bytes left, %v", b.used.Load(), err)
	}
}
