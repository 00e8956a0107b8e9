package ivr

import (
	"context"
	"errors"
	"slices"
	"time"

	"hotline/call"
	"hotline/ivr/flow"
	"hotline/media"
	"hotline/recordings"
)

const (
	maxReview      = 5 * time.Minute  // what can be listened to again; longer messages are kept whole all the same
	endOfMessage   = 15 * time.Second // of silence end a message: nobody is there any more
	maxRecordTries = 5
)

// message is one recording of a voicemail, kept in memory as well, so that the caller can listen to it at once.
type message struct {
	*recordings.Recorder
	pcm []int16 // belongs to the audio's clock until the recording has ended
}

// Frame implements media.Tap.
func (m *message) Frame(in, out []int16) {
	m.Recorder.Frame(in, out)
	if len(m.pcm) < int(maxReview/time.Second)*media.SampleRate {
		m.pcm = append(m.pcm, in...)
	}
}

// voicemail takes a message. A caller who hangs up has left one, if it is long enough.
func (r *run) voicemail(ctx context.Context, s *flow.Voicemail) (passed, error) {
	out := passed{next: s.Next.Node}
	if err := r.call.Enter(ctx, call.PhaseVoicemail, s.Queue.Value); err != nil {
		return out, err
	}
	prompts := r.or(s.Say, "voicemail-greeting")
	for range maxRecordTries {
		if err := r.call.Say(ctx, prompts...); err != nil {
			return out, err
		}
		m, got, err := r.record(ctx, s)
		if err != nil {
			return out, r.cannotRecord(ctx, s, err)
		}
		if got.Voice == 0 || got.Duration < s.Min {
			r.drop(ctx, m)
			if ctx.Err() != nil || got.Reason == call.RecordHangup || got.Reason == call.RecordCut {
				return out, context.Cause(ctx)
			}
			prompts = r.phrases("voicemail-short", "voicemail-greeting")
			continue
		}
		again, err := r.review(ctx, s, m, got)
		if again && err == nil {
			r.drop(ctx, m)
			prompts = r.phrases("voicemail-greeting")
			continue
		}
		// Whatever happens now, hang-up included: what was said is kept.
		return out, errors.Join(r.file(ctx, s, m), err)
	}
	return out, nil
}

func (r *run) record(ctx context.Context, s *flow.Voicemail) (*message, call.Recorded, error) {
	rec, err := r.x.cfg.Recordings.Start(ctx, recordings.Start{CallID: r.call.ID, LegID: r.call.Info.LegID, Kind: recordings.Voicemail})
	if err != nil {
		return nil, call.Recorded{}, err
	}
	m := &message{Recorder: rec}
	got, err := r.call.Record(ctx, call.Record{Sink: m, Max: s.Max, Silence: endOfMessage})
	if err != nil {
		r.drop(ctx, m)
		return nil, got, err
	}
	return m, got, nil
}

// review lets the caller listen to the message and record it again. Doing nothing keeps it.
func (r *run) review(ctx context.Context, s *flow.Voicemail, m *message, got call.Recorded) (again bool, err error) {
	if got.Reason == call.RecordHangup || got.Reason == call.RecordCut {
		return false, context.Cause(ctx)
	}
	var first []*media.Prompt
	if got.Reason == call.RecordMax {
		first = r.phrases("voicemail-full")
	}
	if !s.Review {
		return false, r.call.Play(ctx, slices.Concat(first, r.phrases("voicemail-saved"))...)
	}
	for range 6 {
		got, err := r.call.Collect(ctx, call.Collect{Prompts: slices.Concat(first, r.phrases("voicemail-review")), Max: 1, First: 6 * time.Second})
		if err != nil {
			return false, err
		}
		first = nil
		switch got.Digits {
		case "2":
			if err := r.call.Say(ctx, media.NewPrompt(m.pcm), pause); err != nil {
				return false, err
			}
		case "3":
			return true, nil
		case "1", "":
			return false, r.call.Play(ctx, r.phrases("voicemail-saved")...)
		default:
			first = r.phrases("invalid-choice")
		}
	}
	return false, r.call.Play(ctx, r.phrases("voicemail-saved")...)
}

// file closes the recording and files the message, also when the caller is gone.
func (r *run) file(ctx context.Context, s *flow.Voicemail, m *message) error {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	rec, err := m.Stop(end)
	if err != nil {
		r.call.Log.Error("a message was not closed well", "recording", m.ID(), "error", err)
	}
	r.served(call.ResultVoicemail)
	r.call.File(call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: m.ID(), DurationMS: rec.DurationMS, Queue: s.Queue.Value})
	return nil
}

func (r *run) drop(ctx context.Context, m *message) {
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := m.Discard(end); err != nil {
		r.call.Log.Error("a message that was not wanted could not be deleted", "recording", m.ID(), "error", err)
	}
}

// cannotRecord apologises and notes a call-back: the disk may be full, and the caller must not be lost.
func (r *run) cannotRecord(ctx context.Context, s *flow.Voicemail, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.call.Log.Error("a message cannot be recorded; a call-back is noted instead", "error", err)
	now := time.Now()
	r.served(call.ResultCallback)
	r.call.File(call.FactCallbackAsked, call.CallbackAsked{Phone: r.call.Info.Caller.Number, Queue: s.Queue.Value, JoinedAt: now})
	return r.call.Play(ctx, r.phrases("voicemail-failed")...)
}
