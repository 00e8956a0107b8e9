package pickup

import (
	"context"
	"fmt"
	"time"

	"hotline/asterisk/away"
	"hotline/call"
	"hotline/recordings"
	"hotline/trunks"
)

// progress is how far a message is filed.
type progress struct {
	call      bool        // its call has begun
	ended     bool        // and is closed
	result    call.Result // how
	recording string      // that is complete; "" for none
	voicemail bool        // it is on the ticket
}

// settled says that nothing is left to be done. A call that was cut while it was being filed is not.
func (s progress) settled() bool {
	return s.ended && (s.voicemail || s.result != call.ResultCutBySystem)
}

// look reads how far it is, when all that was filed before is applied.
func (p *Picker) look(ctx context.Context, callID string) (s progress, err error) {
	if err := p.cfg.Journal.Flush(ctx); err != nil {
		return s, err
	}
	err = p.cfg.Pool.QueryRow(ctx, `
		select count(c.id) > 0, coalesce(bool_or(c.ended_at is not null), false), coalesce(max(c.result), ''),
			coalesce((select r.id::text from recording r where r.call_id = $1 and r.kind = 'voicemail' and r.state = 'complete' limit 1), ''),
			exists (select from interaction i where i.call_id = $1 and i.kind = 'voicemail')
		from call c where c.id = $1`, callID).Scan(&s.call, &s.ended, &s.result, &s.recording, &s.voicemail)
	if err != nil {
		return s, fmt.Errorf("look for the call: %w", err)
	}
	return s, nil
}

// file writes what is missing.
func (p *Picker) file(ctx context.Context, m away.Message, a audio, seen progress) error {
	info := p.info(m)
	result := call.ResultAbandoned
	switch {
	case a.broken:
		result = call.ResultFailed
	case a.duration > 0:
		result = call.ResultVoicemail
	}
	if a.duration > 0 && seen.recording == "" {
		rec, err := p.cfg.Recordings.Keep(ctx, recordings.Taken{CallID: info.CallID, LegID: info.LegID, At: m.At, PCM: a.pcm})
		if err != nil {
			return err
		}
		seen.recording = rec.ID
	}
	var steps []step
	if !seen.call {
		steps = append(steps, step{call.FactCallStarted, call.CallStarted{Info: info, Node: p.cfg.Node}},
			step{call.FactCallPhase, call.CallPhase{Phase: call.PhaseVoicemail, Queue: info.Queue}})
	}
	if a.duration > 0 && !seen.voicemail {
		steps = append(steps, step{call.FactVoicemailLeft, call.VoicemailLeft{RecordingID: seen.recording, DurationMS: a.duration.Milliseconds(), Queue: info.Queue}})
	}
	if !seen.ended {
		steps = append(steps, p.ending(m, info, a, result)...)
	}
	for _, s := range steps {
		if err := p.cfg.Journal.File(info.CallID, s.kind, s.payload); err != nil {
			return err
		}
	}
	return nil
}

// step is a fact to be filed.
type step struct {
	kind    call.FactKind
	payload any
}

// ending closes the call.
func (p *Picker) ending(m away.Message, info call.Info, a audio, result call.Result) []step {
	ended := m.At.Add(max(a.duration, time.Second))
	cause, answered := call.CausePeerHangup, m.At
	reason := map[call.Result]string{call.ResultVoicemail: "left", call.ResultAbandoned: "abandoned", call.ResultFailed: "cut"}[result]
	return []step{
		{call.FactSegment, call.Segment{ID: idOf(m, "segment"), Kind: call.SegmentVoicemail, Queue: info.Queue, StartedAt: m.At, EndedAt: ended,
			DurationMS: ended.Sub(m.At).Milliseconds(), Reason: reason}},
		{call.FactLegEnded, call.LegEnded{LegID: info.LegID, AnsweredAt: &answered, EndedAt: ended, Cause: cause}},
		{call.FactCallEnded, call.CallEnded{Result: result, Cause: cause, Queue: info.Queue, Phase: call.PhaseVoicemail, Answered: true, At: ended}},
	}
}

// info is the call as it would have come in.
func (p *Picker) info(m away.Message) call.Info {
	i := call.Info{
		LegID: idOf(m, "leg"), CallID: idOf(m, "call"), Direction: call.Inbound, Edge: "asterisk", ForeignID: m.Channel,
		Caller: call.Party{Number: m.Caller, Withheld: m.Withheld}, Dialled: m.Dialled, Language: "zh-CN", ReceivedAt: m.At,
	}
	if m.Withheld {
		i.Caller.Number = ""
	}
	t, ok := p.cfg.Directory.Snapshot().Trunk(m.TrunkID)
	if !ok { // deleted meanwhile
		t = &trunks.Trunk{}
	} else {
		i.TrunkID, i.TrunkName = t.ID, t.Name
		i.Caller = t.Caller(m.Caller, "", m.Withheld)
	}
	if n, ok := p.cfg.Directory.NumberCalled(t, m.Dialled); ok {
		i.Dialled, i.Flow, i.Queue, i.Language = n.Number, n.Flow, n.Queue, n.Language
	}
	return i
}
