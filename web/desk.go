package web

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline/softphone"
	"hotline/tickets"
	"hotline/tickets/attachments"
	"hotline/tickets/contacts"
	"hotline/tickets/mentions"
	"hotline/web/api"
	"hotline/web/login"
)

// Mention is one naming of the asker in a note.
type Mention struct {
	ID      string             `json:"id"`
	Ticket  int64              `json:"ticket"`
	Subject string             `json:"subject"`
	Seq     int64              `json:"seq" doc:"of the note in the timeline"`
	By      Owner              `json:"by"`
	At      api.Time           `json:"at"`
	Excerpt string             `json:"excerpt" doc:"how the note begins"`
	ReadAt  api.Null[api.Time] `json:"read_at"`
}

func mentionView(m mentions.Mention) Mention {
	return Mention{m.ID, m.Ticket, m.Subject, m.Seq, Owner(m.By), api.Time(m.At), m.Excerpt, api.WhenPtr(m.ReadAt)}
}

type mentionsInput struct {
	api.Cursor
	Unread bool `query:"unread" doc:"only those that were not read"`
}

func (s *Server) listMentions(ctx context.Context, in *mentionsInput) (*api.Reply[api.Page[Mention]], error) {
	list, next, err := s.mentions.List(ctx, api.Of(ctx).Who.ID, mentions.Filter{Unread: in.Unread, Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return api.Answer(api.PageOf(list, next, mentionView), err)
}

type mentionInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) readMention(ctx context.Context, in *mentionInput) (*api.Reply[Mention], error) {
	m, err := s.mentions.Read(ctx, api.Of(ctx).Who.ID, in.ID, time.Now())
	return api.Answer(mentionView(m), err)
}

func (s *Server) readMentions(ctx context.Context, _ *api.Empty) (*api.Empty, error) {
	return nil, s.mentions.ReadAll(ctx, api.Of(ctx).Who.ID, time.Now())
}

// tellMentioned has the browsers of those who were named in a note say so.
func (s *Server) tellMentioned(number int64, by tickets.Actor, e tickets.Entry) {
	var said struct {
		Mentions []mentions.Person `json:"mentions"`
	}
	if s.cfg.Phones == nil || e.Interaction == nil || json.Unmarshal(e.Data, &said) != nil {
		return
	}
	excerpt := []rune(e.Interaction.Body)
	for _, p := range said.Mentions {
		s.cfg.Phones.Mention(p.ID, softphone.Mention{Ticket: number, By: softphone.Person{ID: by.ID, Name: by.Name}, Excerpt: string(excerpt[:min(len(excerpt), 200)])})
	}
}

// Attachment is a file at a ticket.
type Attachment struct {
	ID     string   `json:"id"`
	Name   string   `json:"name" doc:"for people"`
	Media  string   `json:"media" doc:"what it looks like; application/octet-stream unless surely harmless"`
	Bytes  int64    `json:"bytes"`
	SHA256 string   `json:"sha256"`
	By     Owner    `json:"by"`
	At     api.Time `json:"at"`
}

func attachmentView(a attachments.Attachment) Attachment {
	return Attachment{a.ID, a.Name, a.Media, a.Bytes, a.SHA256, Owner(a.By), api.Time(a.At)}
}

func (s *Server) listAttachments(ctx context.Context, in *TicketPath) (*api.Reply[api.Page[Attachment]], error) {
	list, err := s.attachments.List(ctx, s.desk(ctx), in.Number)
	return api.Answer(api.PageOf(list, "", attachmentView), err)
}

type attachInput struct {
	TicketPath
	Name    string `query:"name" required:"true" maxLength:"4000" doc:"for people; only the last part of a path is kept"`
	Key     string `query:"key" maxLength:"100" doc:"chosen by the client: a second request with the same key adds nothing"`
	RawBody []byte `contentType:"application/octet-stream"`
}

func (s *Server) addAttachment(ctx context.Context, in *attachInput) (*api.Reply[Attachment], error) {
	a, err := s.attachments.Add(ctx, s.desk(ctx), api.Actor(ctx), in.Number, attachments.File{Name: in.Name, Key: in.Key, Data: in.RawBody})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "attachment.add", "attachment:"+a.ID, map[string]any{"ticket": in.Number, "bytes": a.Bytes, "sha256": a.SHA256})
	return api.Answer(attachmentView(a), err)
}

// AttachmentPath names a file of a ticket in the path.
type AttachmentPath struct {
	TicketPath
	ID string `path:"id" format:"uuid"`
}

// downloadAttachment sends a file to be kept, never to be shown: whatever it holds, no browser runs it in our name.
func (s *Server) downloadAttachment(ctx context.Context, in *AttachmentPath) (*streamed, error) {
	// Not the handler's context: that one ends before the body is streamed.
	a, body, err := s.attachments.Open(context.WithoutCancel(ctx), s.desk(ctx), in.Number, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "attachment.download", "attachment:"+a.ID, map[string]any{"ticket": in.Number}); err != nil {
		return nil, err
	}
	x := api.Of(ctx)
	return &streamed{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
		h.Set("Content-Length", strconv.FormatInt(a.Bytes, 10))
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox; frame-ancestors 'none'")
		h.Set("Cache-Control", "private, no-store")
		w.WriteHeader(http.StatusOK)
		if _, err := body.WriteTo(&patient{ResponseWriter: w, control: x.Control}); err != nil {
			x.Fault = err // the length tells the client that something is missing
		}
	}}, nil
}

func (s *Server) removeAttachment(ctx context.Context, in *AttachmentPath) (*api.Empty, error) {
	others := api.Of(ctx).Who.Role.May(login.SuperviseCalls)
	if err := s.attachments.Remove(ctx, s.desk(ctx), api.Actor(ctx), in.Number, in.ID, others); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "attachment.remove", "attachment:"+in.ID, map[string]any{"ticket": in.Number})
}

// Contact is what was between a customer and us, on any channel.
type Contact struct {
	ID        string           `json:"id"`
	Kind      string           `json:"kind" doc:"call, voicemail, note, form, mail"`
	Direction string           `json:"direction" enum:"in,out,internal"`
	At        api.Time         `json:"at"`
	Ticket    api.Null[int64]  `json:"ticket"`
	Subject   string           `json:"subject"`
	Summary   string           `json:"summary"`
	Result    string           `json:"result"`
	CallID    api.Null[string] `json:"call_id"`
}

func contactView(c contacts.Contact) Contact {
	return Contact{c.ID, c.Kind, c.Direction, api.Time(c.At), api.Pointed(c.Ticket), c.Subject, c.Summary, c.Result, api.Pointed(c.CallID)}
}

type contactsInput struct {
	PartyPath
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

func (s *Server) listContacts(ctx context.Context, in *contactsInput) (*api.Reply[api.Page[Contact]], error) {
	list, err := s.desk(ctx).Contacts(ctx, in.ID, in.Limit)
	return api.Answer(api.PageOf(list, "", contactView), err)
}
