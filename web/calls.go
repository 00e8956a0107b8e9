package web

import (
	"context"
	"slices"
	"time"

	"hotline/call"
	"hotline/call/archive"
	"hotline/recordings"
	"hotline/sip"
	"hotline/web/api"
)

// Call is a call as lists show it.
type Call struct {
	ID         string             `json:"id"`
	Direction  call.Direction     `json:"direction" enum:"in,out"`
	Phase      call.Phase         `json:"phase"`
	Caller     string             `json:"caller" doc:"E.164, an extension, or empty when withheld"`
	CallerName string             `json:"caller_name"`
	Verified   bool               `json:"verified" doc:"the number was asserted by a trusted trunk"`
	Dialled    string             `json:"dialled"`
	TrunkID    api.Null[string]   `json:"trunk_id"`
	TrunkName  string             `json:"trunk_name"`
	Flow       string             `json:"flow"`
	Queue      string             `json:"queue"`
	Ticket     api.Null[int64]    `json:"ticket"`
	StartedAt  api.Time           `json:"started_at"`
	AnsweredAt api.Null[api.Time] `json:"answered_at"`
	EndedAt    api.Null[api.Time] `json:"ended_at"`
	DurationMS api.Null[int64]    `json:"duration_ms"`
	Result     call.Result        `json:"result"`
	Cause      call.Cause         `json:"cause"`
}

func callView(c archive.Row) Call {
	return Call{
		ID: c.ID, Direction: c.Direction, Phase: c.Phase, Caller: c.Caller, CallerName: c.CallerName, Verified: c.Verified,
		Dialled: c.Dialled, TrunkID: api.TextPtr(c.TrunkID), TrunkName: c.TrunkName, Flow: c.Flow, Queue: c.Queue, Ticket: api.Pointed(c.Ticket),
		StartedAt: api.Time(c.StartedAt), AnsweredAt: api.WhenPtr(c.AnsweredAt), EndedAt: api.WhenPtr(c.EndedAt), DurationMS: api.Pointed(c.DurationMS),
		Result: c.Result, Cause: c.Cause,
	}
}

type listCallsInput struct {
	api.Cursor
	Result  string    `query:"result" enum:"completed,answered,abandoned,voicemail,callback,transferred,rejected,failed,cut_by_system"`
	Queue   string    `query:"queue" maxLength:"63"`
	Caller  string    `query:"caller" maxLength:"64"`
	TrunkID string    `query:"trunk_id" format:"uuid"`
	Ticket  int64     `query:"ticket" minimum:"1"`
	From    time.Time `query:"from"`
	To      time.Time `query:"to"`
}

func (s *Server) listCalls(ctx context.Context, in *listCallsInput) (*api.Reply[api.Page[Call]], error) {
	rows, next, err := archive.List(ctx, s.cfg.Pool, archive.Filter{
		Result: call.Result(in.Result), Queue: in.Queue, Caller: in.Caller, TrunkID: in.TrunkID, Ticket: in.Ticket, From: in.From, To: in.To, See: callSight(ctx),
		Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return api.Answer(api.PageOf(rows, next, callView), err)
}

func (s *Server) listLiveCalls(ctx context.Context, in *api.Cursor) (*api.Reply[api.Page[Call]], error) {
	rows, next, err := archive.List(ctx, s.cfg.Pool, archive.Filter{Open: true, See: callSight(ctx), Cursor: in.Cursor, Limit: in.Limit})
	return api.Answer(api.PageOf(rows, next, callView), err)
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
	At     api.Time `json:"at"`
	Node   string   `json:"node"`
	Kind   string   `json:"kind"`
	Digits string   `json:"digits"`
}

func stepView(p archive.PathStep) PathStep { return PathStep{api.Time(p.At), p.Node, p.Kind, p.Digits} }

// Segment is a stretch of a call.
type Segment struct {
	Kind       call.SegmentKind `json:"kind"`
	Queue      string           `json:"queue"`
	Agent      string           `json:"agent"`
	StartedAt  api.Time         `json:"started_at"`
	EndedAt    api.Time         `json:"ended_at"`
	DurationMS int64            `json:"duration_ms"`
	Reason     string           `json:"reason"`
}

// Leg is one signalling dialog of a call with its audio.
type Leg struct {
	ID         string             `json:"id"`
	Direction  call.Direction     `json:"direction"`
	Edge       string             `json:"edge"`
	ForeignID  string             `json:"foreign_id" doc:"SIP Call-ID"`
	Remote     string             `json:"remote"`
	Codec      string             `json:"codec"`
	StartedAt  api.Time           `json:"started_at"`
	AnsweredAt api.Null[api.Time] `json:"answered_at"`
	EndedAt    api.Null[api.Time] `json:"ended_at"`
	Cause      call.Cause         `json:"cause"`
	Quality    api.Object         `json:"quality" doc:"loss, jitter, round trip and estimated MOS (G.107); empty until the leg has ended"`
}

type callInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showCall(ctx context.Context, in *callInput) (*api.Reply[CallDetail], error) {
	if err := archive.Check(ctx, s.cfg.Pool, in.ID, *callSight(ctx)); err != nil {
		return nil, err
	}
	d, err := archive.Get(ctx, s.cfg.Pool, in.ID)
	if err != nil {
		return nil, err
	}
	recorded, err := s.cfg.Recordings.ForCall(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	heard, err := s.heard(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	recorded = slices.DeleteFunc(recorded, func(r recordings.Recording) bool { return r.Kind == recordings.OfCall && !heard[in.ID] })
	return api.Answer(CallDetail{
		Call: callView(d.Row), Language: d.Language, Recordings: api.Views(recorded, recordingView),
		Path: api.Views(d.Path, stepView),
		Segments: api.Views(d.Segments, func(g call.Segment) Segment {
			return Segment{g.Kind, g.Queue, g.Agent, api.Time(g.StartedAt), api.Time(g.EndedAt), g.DurationMS, g.Reason}
		}),
		Legs: api.Views(d.Legs, legView),
	}, nil)
}

func legView(l archive.LegSummary) Leg {
	return Leg{
		ID: l.ID, Direction: l.Direction, Edge: l.Edge, ForeignID: l.ForeignID, Remote: l.Remote, Codec: l.Codec, StartedAt: api.Time(l.StartedAt),
		AnsweredAt: api.WhenPtr(l.AnsweredAt), EndedAt: api.WhenPtr(l.EndedAt), Cause: l.Cause, Quality: api.Object(l.Quality),
	}
}

// Message is a SIP message of a call.
type Message struct {
	Seq       int64    `json:"seq"`
	At        api.Time `json:"at"`
	Sent      bool     `json:"sent" doc:"true: by us"`
	Transport string   `json:"transport"`
	Local     string   `json:"local"`
	Remote    string   `json:"remote"`
	Summary   string   `json:"summary"`
	Body      string   `json:"body" doc:"the whole message without credentials, keys and digits"`
}

func (s *Server) showTrace(ctx context.Context, in *callInput) (*api.Reply[api.Page[Message]], error) {
	if err := archive.Check(ctx, s.cfg.Pool, in.ID, *callSight(ctx)); err != nil {
		return nil, err
	}
	messages, err := s.cfg.Trace.Messages(ctx, s.cfg.Pool, in.ID)
	return api.Answer(api.PageOf(messages, "", func(m sip.Message) Message {
		return Message{m.Seq, api.Time(m.At), m.Sent, m.Transport, m.Local, m.Remote, m.Summary, m.Body}
	}), err)
}

// Recording is the index entry of a recording.
type Recording struct {
	ID         string             `json:"id"`
	CallID     string             `json:"call_id"`
	Ticket     api.Null[int64]    `json:"ticket"`
	Kind       string             `json:"kind" enum:"call,voicemail"`
	State      string             `json:"state" enum:"recording,complete,partial,expired,lost"`
	Channels   int                `json:"channels"`
	DurationMS int64              `json:"duration_ms"`
	Bytes      int64              `json:"bytes"`
	StartedAt  api.Time           `json:"started_at"`
	ExpiresAt  api.Null[api.Time] `json:"expires_at"`
	Waveform   [][]int            `json:"waveform" doc:"peaks from 0 to 255, one list a channel"`
}

func recordingView(r recordings.Recording) Recording {
	return Recording{
		ID: r.ID, CallID: r.CallID, Ticket: api.Pointed(r.Ticket), Kind: string(r.Kind), State: string(r.State), Channels: r.Channels, DurationMS: r.DurationMS,
		Bytes: r.Bytes, StartedAt: api.Time(r.StartedAt), ExpiresAt: api.WhenPtr(r.ExpiresAt),
		Waveform: api.Views(r.Waveform, func(peaks []uint8) []int {
			return api.Views(peaks, func(p uint8) int { return int(p) })
		}),
	}
}
