package recordings

import (
	"context"
	"errors"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
)

// Taken is a message that was recorded elsewhere.
type Taken struct {
	CallID string
	LegID  string
	At     time.Time // when it began
	PCM    []int16   // 8 kHz, one channel
}

// Keep stores a message that was recorded elsewhere. It is whole on the disk and filed when Keep returns, or there is nothing of it.
func (s *Store) Keep(ctx context.Context, what Taken) (Recording, error) {
	if err := s.roomLeft(); err != nil {
		s.trouble(err)
		return Recording{}, err
	}
	r, err := s.begin(label{ID: hotline.NewID(), CallID: what.CallID, LegID: what.LegID, Kind: Voicemail, StartedAt: what.At.UTC()}, 1)
	if err != nil {
		s.trouble(err)
		return Recording{}, err
	}
	r.end() // nothing more comes, and a disk that refuses is not waited for long
	for pcm := what.PCM; len(pcm) > 0 && ctx.Err() == nil && !r.writer.lost; {
		k := min(len(pcm), blockFrames)
		block := make([]byte, k)
		media.PCMU.Encode(block, pcm[:k])
		for i := 0; i < k; i += media.SampleRate / 50 {
			r.waves[0].add(pcm[i:min(i+media.SampleRate/50, k)])
		}
		pcm = pcm[k:]
		if len(pcm) == 0 && k < blockFrames {
			r.fresh = append(r.fresh, block...) // finish writes the last block
			break
		}
		r.put(block, false)
	}
	if err := ctx.Err(); err != nil || r.writer.lost {
		return Recording{}, errors.Join(err, r.writer.err, r.file.Close(), s.forget(r.part, r.writer.offset))
	}
	r.finish()
	rec := fromRow(r.row())
	if rec.State != Complete {
		err := errors.Join(unavailable(errStuck), s.forget(r.name, r.writer.offset))
		return Recording{}, errors.Join(err, s.cfg.Journal.File(what.CallID, call.FactRecordingGone, call.RecordingGone{ID: rec.ID}))
	}
	return rec, nil
}

// forget removes a file that is not worth keeping.
func (s *Store) forget(name string, size int64) error {
	s.used.Add(-size)
	return s.root.Remove(name)
}
