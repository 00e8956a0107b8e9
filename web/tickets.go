package web

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"hotline"
	"hotline/call"
	"hotline/call/archive"
	"hotline/recordings"
	"hotline/tickets"
	"hotline/web/api"
)

// Ticket is a case as lists show it.
type Ticket struct {
	Number       int64              `json:"number"`
	Subject      string             `json:"subject"`
	State        tickets.State      `json:"state" enum:"new,open,pending,resolved,closed"`
	Priority     string             `json:"priority" enum:"low,normal,high,urgent"`
	Queue        string             `json:"queue"`
	Channel      string             `json:"channel" doc:"of the first interaction"`
	Language     string             `json:"language"`
	Owner        api.Null[Owner]    `json:"owner"`
	Party        api.Null[PartyRef] `json:"party"`
	WaitingSince api.Null[api.Time] `json:"waiting_since" doc:"the customer waits for us since"`
	NextDueAt    api.Null[api.Time] `json:"next_due_at" doc:"of the ticket's open tasks"`
	CreatedAt    api.Time           `json:"created_at"`
	UpdatedAt    api.Time           `json:"updated_at" doc:"of the last entry of the timeline"`
	Version      int64              `json:"version"`
}

// PartyRef is the person of a ticket, as far as a list shows it.
type PartyRef struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Company string        `json:"company"`
	Phone   string        `json:"phone" doc:"empty when it was withheld"`
	Level   tickets.Level `json:"level" doc:"how sure it is that this person has that number: verified, known, maybe"`
	VIP     bool          `json:"vip"`
}

func ticketView(t tickets.Ticket) Ticket {
	v := Ticket{
		Number: t.Number, Subject: t.Subject, State: t.State, Priority: t.Priority, Queue: t.Queue, Channel: t.Channel, Language: t.Language,
		WaitingSince: api.WhenPtr(t.WaitingSince), NextDueAt: api.WhenPtr(t.NextDueAt), CreatedAt: api.Time(t.CreatedAt), UpdatedAt: api.Time(t.UpdatedAt), Version: t.Version,
	}
	if t.Owner != nil {
		v.Owner = api.Some(Owner(*t.Owner))
	}
	if t.Party != nil {
		v.Party = api.Some(PartyRef(*t.Party))
	}
	return v
}

// TicketDetail is a ticket with what hangs on it, but for the timeline.
type TicketDetail struct {
	Ticket
	Category   string     `json:"category"`
	Fields     api.Object `json:"fields"`
	Tasks      []Task     `json:"tasks"`
	Calls      []CallRef  `json:"calls" doc:"the newest 50"`
	Identities []Identity `json:"identities"`
}

// CallRef is a call of a ticket, in short.
type CallRef struct {
	ID           string          `json:"id"`
	StartedAt    api.Time        `json:"started_at"`
	Direction    string          `json:"direction"`
	Result       call.Result     `json:"result"`
	DurationMS   api.Null[int64] `json:"duration_ms" doc:"null while it goes on"`
	RecordingIDs []string        `json:"recording_ids"`
}

// Identity is a way to reach a party.
type Identity struct {
	ID    string        `json:"id"`
	Kind  string        `json:"kind"`
	Value string        `json:"value"`
	Level tickets.Level `json:"level"`
}

func identityView(i tickets.Identity) Identity { return Identity(i) }

func ticketDetail(t tickets.Detail) TicketDetail {
	return TicketDetail{
		Ticket: ticketView(t.Ticket), Category: t.Category, Fields: api.Object(t.Fields), Tasks: api.Views(t.Tasks, taskView),
		Calls: api.Views(t.Calls, func(c tickets.CallRef) CallRef {
			return CallRef{c.ID, api.Time(c.StartedAt), c.Direction, c.Result, api.Pointed(c.DurationMS), api.Views(c.RecordingIDs, same)}
		}),
		Identities: api.Views(t.Identities, identityView),
	}
}

// Task is something that somebody is to do about a ticket.
type Task struct {
	ID        string             `json:"id"`
	Kind      string             `json:"kind" enum:"callback,follow_up"`
	Ticket    int64              `json:"ticket"`
	CallID    api.Null[string]   `json:"call_id"`
	Phone     string             `json:"phone"`
	Reason    string             `json:"reason"`
	Queue     string             `json:"queue"`
	DueAt     api.Time           `json:"due_at"`
	State     string             `json:"state" enum:"open,done,cancelled"`
	DoneBy    string             `json:"done_by"`
	DoneAt    api.Null[api.Time] `json:"done_at"`
	CreatedAt api.Time           `json:"created_at"`
}

func taskView(t tickets.Task) Task {
	return Task{t.ID, t.Kind, t.Ticket, api.Text(t.CallID), t.Phone, t.Reason, t.Queue, api.Time(t.DueAt), t.State, t.DoneBy, api.WhenPtr(t.DoneAt), api.Time(t.CreatedAt)}
}

// domainPage turns a page of the tickets into the API's.
func domainPage[D, V any](p tickets.Page[D], err error, view func(D) V) (*api.Reply[api.Page[V]], error) {
	return api.Answer(api.Page[V]{Items: api.Views(p.Items, view), Next: api.TextPtr(p.Next)}, err)
}

type listTicketsInput struct {
	api.Cursor
	State string `query:"state" maxLength:"100" doc:"one or more of new, open, pending, resolved, closed, with commas"`
	Queue string `query:"queue" maxLength:"63"`
	Owner string `query:"owner" maxLength:"40" doc:"an account's id, me, or none"`
	Party string `query:"party" maxLength:"40"`
	Q     string `query:"q" maxLength:"200" doc:"words, names, numbers"`
}

func (s *Server) listTickets(ctx context.Context, in *listTicketsInput) (*api.Reply[api.Page[Ticket]], error) {
	f := tickets.Filter{Queue: in.Queue, Owner: in.Owner, Party: in.Party, Query: in.Q, Cursor: in.Cursor.Cursor, Limit: in.Limit}
	if in.Owner == "me" {
		who := api.Of(ctx).Who
		if who.Session == nil {
			return nil, noSession()
		}
		f.Owner = who.ID
	}
	for _, state := range strings.FieldsFunc(in.State, func(r rune) bool { return r == ',' }) {
		f.States = append(f.States, tickets.State(strings.TrimSpace(state)))
	}
	p, err := s.desk(ctx).List(ctx, f)
	return domainPage(p, err, ticketView)
}

// TicketPath names the ticket in the path.
type TicketPath struct {
	Number int64 `path:"number" minimum:"1"`
}

func (s *Server) showTicket(ctx context.Context, in *TicketPath) (*api.Reply[TicketDetail], error) {
	t, err := s.desk(ctx).Get(ctx, in.Number)
	return api.Answer(ticketDetail(t), err)
}

type createTicketInput struct {
	Body struct {
		Subject string `json:"subject"`
		Queue   string `json:"queue,omitempty"`
		Phone   string `json:"phone,omitempty" doc:"of the customer"`
		Body    string `json:"body,omitempty" doc:"becomes the first note"`
		Key     string `json:"key,omitempty" doc:"chosen by the client: a second request with the same key adds nothing"`
	}
}

func (s *Server) createTicket(ctx context.Context, in *createTicketInput) (*api.Reply[TicketDetail], error) {
	t, err := s.desk(ctx).Create(ctx, api.Actor(ctx), tickets.NewTicket(in.Body))
	return api.Answer(ticketDetail(t), err)
}

type changeTicketInput struct {
	TicketPath
	Body struct {
		Version  int64             `json:"version" doc:"the version that was read; another one is a conflict"`
		Subject  *string           `json:"subject,omitempty"`
		Priority *string           `json:"priority,omitempty" enum:"low,normal,high,urgent"`
		Queue    *string           `json:"queue,omitempty"`
		OwnerID  api.Maybe[string] `json:"owner_id,omitzero" doc:"null takes it from its owner"`
		PartyID  api.Maybe[string] `json:"party_id,omitzero" doc:"null: nobody"`
		Category *string           `json:"category,omitempty"`
	}
}

func (s *Server) changeTicket(ctx context.Context, in *changeTicketInput) (*api.Reply[TicketDetail], error) {
	b := in.Body
	t, err := s.desk(ctx).Update(ctx, api.Actor(ctx), in.Number, tickets.Change{
		Version: b.Version, Subject: b.Subject, Priority: b.Priority, Queue: b.Queue, Category: b.Category,
		OwnerID: idChange(b.OwnerID), PartyID: idChange(b.PartyID)})
	return api.Answer(ticketDetail(t), err)
}

// idChange makes of "left out, null or an id" what the domain wants: nil, "" or the id.
func idChange(m api.Maybe[string]) *string {
	if !m.Set {
		return nil
	}
	id := orEmpty(m)
	return &id
}

type ticketStateInput struct {
	TicketPath
	Body struct {
		Version int64         `json:"version,omitempty" doc:"0 or left out: only the state matters"`
		State   tickets.State `json:"state" enum:"new,open,pending,resolved,closed"`
		Comment string        `json:"comment,omitempty" doc:"becomes an internal note"`
	}
}

func (s *Server) setTicketState(ctx context.Context, in *ticketStateInput) (*api.Reply[TicketDetail], error) {
	t, err := s.desk(ctx).SetState(ctx, api.Actor(ctx), in.Number, tickets.StateChange{Version: in.Body.Version, State: in.Body.State, Comment: in.Body.Comment})
	return api.Answer(ticketDetail(t), err)
}

type noteInput struct {
	TicketPath
	Body struct {
		Body string `json:"body"`
		Key  string `json:"key,omitempty" doc:"chosen by the client: a second request with the same key adds nothing"`

		Mentions []string `json:"mentions,omitempty" maxItems:"20" doc:"accounts that have to look; they may read the ticket then"`
	}
}

func (s *Server) addNote(ctx context.Context, in *noteInput) (*api.Reply[Entry], error) {
	e, err := s.desk(ctx).AddNote(ctx, api.Actor(ctx), in.Number, tickets.NewNote(in.Body))
	if err == nil {
		s.tellMentioned(in.Number, api.Actor(ctx), e)
	}
	return api.Answer(entryView(e), err)
}

// Entry is one entry of a ticket's timeline.
type Entry struct {
	Seq         int64                 `json:"seq"`
	Kind        string                `json:"kind"`
	Actor       Owner                 `json:"actor"`
	At          api.Time              `json:"at"`
	Data        api.Object            `json:"data"`
	Interaction api.Null[Interaction] `json:"interaction"`
	Call        api.Null[CallEntry]   `json:"call"`
}

// Interaction is what happened on a channel.
type Interaction struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Body     string `json:"body"`
	Internal bool   `json:"internal" doc:"for staff alone"`
}

// CallEntry is a call as the timeline shows it.
type CallEntry struct {
	ID         string             `json:"id"`
	Result     call.Result        `json:"result"`
	StartedAt  api.Time           `json:"started_at"`
	AnsweredAt api.Null[api.Time] `json:"answered_at"`
	EndedAt    api.Null[api.Time] `json:"ended_at"`
	DurationMS api.Null[int64]    `json:"duration_ms"`
	Queue      string             `json:"queue"`
	Path       []PathStep         `json:"path"`
	Recordings []Recording        `json:"recordings"`
}

func entryView(e tickets.Entry) Entry {
	v := Entry{Seq: e.Seq, Kind: e.Kind, Actor: Owner{e.Actor.ID, e.Actor.Name}, At: api.Time(e.At), Data: api.Object(e.Data)}
	if e.Interaction != nil {
		v.Interaction = api.Some(Interaction(*e.Interaction))
	}
	if c := e.Call; c != nil {
		v.Call = api.Some(CallEntry{
			ID: c.ID, Result: c.Result, StartedAt: api.Time(c.StartedAt), AnsweredAt: api.WhenPtr(c.AnsweredAt), EndedAt: api.WhenPtr(c.EndedAt),
			DurationMS: api.Pointed(c.DurationMS), Queue: c.Queue, Path: pathView(c.Path), Recordings: api.Views(c.Recordings, timelineRecording),
		})
	}
	return v
}

// pathView reads a path as the call's row holds it.
func pathView(raw json.RawMessage) []PathStep {
	var steps []archive.PathStep
	if len(raw) > 0 && json.Unmarshal(raw, &steps) != nil {
		return []PathStep{}
	}
	return api.Views(steps, stepView)
}

func timelineRecording(r tickets.Recording) Recording {
	return Recording{
		ID: r.ID, CallID: r.CallID, Ticket: api.Pointed(r.Ticket), Kind: r.Kind, State: r.State, Channels: r.Channels,
		DurationMS: r.DurationMS, Bytes: r.Bytes, StartedAt: api.Time(r.StartedAt), ExpiresAt: api.WhenPtr(r.ExpiresAt), Waveform: r.Waveform,
	}
}

type timelineInput struct {
	TicketPath
	After int64 `query:"after" minimum:"0" doc:"entries after this seq"`
	Limit int   `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (s *Server) showTimeline(ctx context.Context, in *timelineInput) (*api.Reply[api.Page[Entry]], error) {
	p, err := s.desk(ctx).Timeline(ctx, in.Number, tickets.TimelineQuery{After: in.After, Limit: in.Limit, Audience: tickets.Staff})
	if err == nil {
		err = s.silence(ctx, p.Items)
	}
	return domainPage(p, err, entryView)
}

// silence takes the recordings of others' conversations off a timeline.
func (s *Server) silence(ctx context.Context, entries []tickets.Entry) error {
	var ids []string
	for _, e := range entries {
		if e.Call != nil && len(e.Call.Recordings) > 0 {
			ids = append(ids, e.Call.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	heard, err := s.heard(ctx, ids...)
	for _, e := range entries {
		if e.Call != nil && !heard[e.Call.ID] {
			e.Call.Recordings = slices.DeleteFunc(e.Call.Recordings, func(r tickets.Recording) bool { return r.Kind == string(recordings.OfCall) })
		}
	}
	return err
}

type listTasksInput struct {
	api.Cursor
	State string `query:"state" enum:"open,done,cancelled" default:"open"`
	Queue string `query:"queue" maxLength:"63"`
}

func (s *Server) listTasks(ctx context.Context, in *listTasksInput) (*api.Reply[api.Page[Task]], error) {
	p, err := s.desk(ctx).Tasks(ctx, tickets.TaskFilter{State: in.State, Queue: in.Queue, Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return domainPage(p, err, taskView)
}

type taskInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) completeTask(ctx context.Context, in *taskInput) (*api.Reply[Task], error) {
	t, err := s.desk(ctx).CompleteTask(ctx, api.Actor(ctx), in.ID)
	if err == nil && t.Kind == "callback" && t.CallID != "" {
		// Nobody is called back for what is done. A call-back that is over or was never in the line is none to be given up.
		if gone := s.cfg.Line.CancelCallback(ctx, t.CallID); hotline.KindOf(gone) == hotline.Internal || hotline.KindOf(gone) == hotline.Unavailable {
			s.log.Warn("a call-back whose task is done stays in the line", "call", t.CallID, "err", gone)
		}
	}
	return api.Answer(taskView(t), err)
}

// Hit is something that a search has found.
type Hit struct {
	Kind    string          `json:"kind" enum:"ticket,note,party"`
	Ref     string          `json:"ref" doc:"id of what was found"`
	Ticket  api.Null[int64] `json:"ticket"`
	Title   string          `json:"title"`
	Snippet string          `json:"snippet" doc:"of a note: the words around what was found; for staff"`
	At      api.Time        `json:"at"`
}

type searchInput struct {
	api.Cursor
	Q string `query:"q" required:"true" minLength:"1" maxLength:"200" doc:"words, names, numbers"`
}

func (s *Server) search(ctx context.Context, in *searchInput) (*api.Reply[api.Page[Hit]], error) {
	p, err := s.desk(ctx).Search(ctx, tickets.SearchQuery{Query: in.Q, Audience: tickets.Staff, Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return domainPage(p, err, func(h tickets.Hit) Hit {
		v := Hit{h.Kind, h.Ref, api.Pointed(h.Ticket), h.Title, h.Snippet, api.Time(h.At)}
		if h.Internal != "" {
			v.Snippet = h.Internal // the API is read by staff alone
		}
		return v
	})
}
