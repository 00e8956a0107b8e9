package web

import (
	"context"
	"time"

	"hotline/call"
	"hotline/recordings"
	"hotline/sip"
)

// Call is a call as lists show it.
type Call struct {
	ID         string         `json:"id"`
	Direction  call.Direction `json:"direction" enum:"in,out"`
	Phase      call.Phase     `json:"phase"`
	Caller     string         `json:"caller" doc:"E.164, an extension, or empty when withheld"`
	CallerName string         `json:"caller_name"`
	Verified   bool           `json:"verified" doc:"the number was asserted by a trusted trunk"`
	Dialled    string         `json:"dialled"`
	TrunkID    Null[string]   `json:"trunk_id"`
	TrunkName  string         `json:"trunk_name"`
	Flow       string         `json:"flow"`
	Queue      string         `json:"queue"`
	Ticket     Null[int64]    `json:"ticket"`
	StartedAt  Time           `json:"started_at"`
	AnsweredAt Null[Time]     `json:"answered_at"`
	EndedAt    Null[Time]     `json:"ended_at"`
	DurationMS Null[int64]    `json:"duration_ms"`
	Result     call.Result    `json:"result"`
	Cause      call.Cause     `json:"cause"`
}

func callView(c call.Row) Call {
	return Call{
		ID: c.ID, Direction: c.Direction, Phase: c.Phase, Caller: c.Caller, CallerName: c.CallerName, Verified: c.Verified,
		Dialled: c.Dialled, TrunkID: textPtr(c.TrunkID), TrunkName: c.TrunkName, Flow: c.Flow, Queue: c.Queue, Ticket: Null[int64]{c.Ticket},
		StartedAt: Time(c.StartedAt), AnsweredAt: whenPtr(c.AnsweredAt), EndedAt: whenPtr(c.EndedAt), DurationMS: Null[int64]{c.DurationMS},
		Result: c.Result, Cause: c.Cause,
	}
}

type listCallsInput struct {
	Cursor
	Result  string    `query:"result" enum:"completed,answered,abandoned,voicemail,callback,transferred,rejected,failed,cut_by_system"`
	Queue   string    `query:"queue" maxLength:"63"`
	Caller  string    `query:"caller" maxLength:"64"`
	TrunkID string    `query:"trunk_id" format:"uuid"`
	Ticket  int64     `query:"ticket" minimum:"1"`
	From    time.Time `query:"from"`
	To      time.Time `query:"to"`
}

func (s *Server) listCalls(ctx context.Context, in *listCallsInput) (*reply[Page[Call]], error) {
	rows, next, err := call.List(ctx, s.cfg.Pool, call.Filter{
		Result: call.Result(in.Result), Queue: in.Queue, Caller: in.Caller, TrunkID: in.TrunkID, Ticket: in.Ticket, From: in.From, To: in.To,
		Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return answer(page(rows, next, callView), err)
}

func (s *Server) listLiveCalls(ctx context.Context, in *Cursor) (*reply[Page[Call]], error) {
	rows, next, err := call.List(ctx, s.cfg.Pool, call.Filter{Open: true, Cursor: in.Cursor, Limit: in.Limit})
	return answer(page(rows, next, callView), err)
}

// CallDetail is everything about a call but its SIP messages.
type CallDetail struct {
	Call
	Language   string      `json:"language"`
	Path       []PathStep  `json:"path" doc:"the nodes of the flow that the caller passed; secret digits are masked"`
	Segments   []Segment   `json:"segments"`
	Legs       []Leg       `json:"legs"`
	Recordings []Recording `json:"recordings"`
}

// PathStep is one node of the flow that the caller passed.
type PathStep struct {
	At     Time   `json:"at"`
	Node   string `json:"node"`
	Kind   string `json:"kind"`
	Digits string `json:"digits"`
}

func stepView(p call.PathStep) PathStep { return PathStep{Time(p.At), p.Node, p.Kind, p.Digits} }

// Segment is a stretch of a call.
type Segment struct {
	Kind       call.SegmentKind `json:"kind"`
	Queue      string           `json:"queue"`
	Agent      string           `json:"agent"`
	StartedAt  Time             `json:"started_at"`
	EndedAt    Time             `json:"ended_at"`
	DurationMS int64            `json:"duration_ms"`
	Reason     string           `json:"reason"`
}

// Leg is one signalling dialog of a call with its audio.
type Leg struct {
	ID         string         `json:"id"`
	Direction  call.Direction `json:"direction"`
	Edge       string         `json:"edge"`
	ForeignID  string         `json:"foreign_id" doc:"SIP Call-ID"`
	Remote     string         `json:"remote"`
	Codec      string         `json:"codec"`
	StartedAt  Time           `json:"started_at"`
	AnsweredAt Null[Time]     `json:"answered_at"`
	EndedAt    Null[Time]     `json:"ended_at"`
	Cause      call.Cause     `json:"cause"`
	Quality    object         `json:"quality" doc:"loss, jitter, round trip and estimated MOS (G.107); empty until the leg has ended"`
}

type callInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showCall(ctx context.Context, in *callInput) (*reply[CallDetail], error) {
	d, err := call.Get(ctx, s.cfg.Pool, in.ID)
	if err != nil {
		return nil, err
	}
	recorded, err := s.cfg.Recordings.ForCall(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(CallDetail{
		Call: callView(d.Row), Language: d.Language, Recordings: views(recorded, recordingView),
		Path: views(d.Path, stepView),
		Segments: views(d.Segments, func(g call.Segment) Segment {
			return Segment{g.Kind, g.Queue, g.Agent, Time(g.StartedAt), Time(g.EndedAt), g.DurationMS, g.Reason}
		}),
		Legs: views(d.Legs, legView),
	}, nil)
}

func legView(l call.LegSummary) Leg {
	return Leg{
		ID: l.ID, Direction: l.Direction, Edge: l.Edge, ForeignID: l.ForeignID, Remote: l.Remote, Codec: l.Codec, StartedAt: Time(l.StartedAt),
		AnsweredAt: whenPtr(l.AnsweredAt), EndedAt: whenPtr(l.EndedAt), Cause: l.Cause, Quality: object(l.Quality),
	}
}

// Message is a SIP message of a call.
type Message struct {
	Seq       int64  `json:"seq"`
	At        Time   `json:"at"`
	Sent      bool   `json:"sent" doc:"true: by us"`
	Transport string `json:"transport"`
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	Summary   string `json:"summary"`
	Body      string `json:"body" doc:"the whole message without credentials, keys and digits"`
}

func (s *Server) showTrace(ctx context.Context, in *callInput) (*reply[Page[Message]], error) {
	if _, err := call.Get(ctx, s.cfg.Pool, in.ID); err != nil {
		return nil, err
	}
	messages, err := s.cfg.Trace.Messages(ctx, s.cfg.Pool, in.ID)
	return answer(page(messages, "", func(m sip.Message) Message {
		return Message{m.Seq, Time(m.At), m.Sent, m.Transport, m.Local, m.Remote, m.Summary, m.Body}
	}), err)
}

// Recording is the index entry of a recording.
type Recording struct {
	ID         string      `json:"id"`
	CallID     string      `json:"call_id"`
	Ticket     Null[int64] `json:"ticket"`
	Kind       string      `json:"kind" enum:"call,voicemail"`
	State      string      `json:"state" enum:"recording,complete,partial,expired,lost"`
	Channels   int         `json:"channels"`
	DurationMS int64       `json:"duration_ms"`
	Bytes      int64       `json:"bytes"`
	StartedAt  Time        `json:"started_at"`
	ExpiresAt  Null[Time]  `json:"expires_at"`
	Waveform   [][]int     `json:"waveform" doc:"peaks from 0 to 255, one list a channel"`
}

func recordingView(r recordings.Recording) Recording {
	return Recording{
		ID: r.ID, CallID: r.CallID, Ticket: Null[int64]{r.Ticket}, Kind: string(r.Kind), State: string(r.State), Channels: r.Channels, DurationMS: r.DurationMS,
		Bytes: r.Bytes, StartedAt: Time(r.StartedAt), ExpiresAt: whenPtr(r.ExpiresAt),
		Waveform: views(r.Waveform, func(peaks []uint8) []int {
			return views(peaks, func(p uint8) int { return int(p) })
		}),
	}
}
