package web

import (
	"context"

	"hotline/tickets"
	"hotline/web/api"
)

// audit appends to the audit what the asker has done, or is about to get.
func (s *Server) audit(ctx context.Context, action, subject string, data any) error {
	if err := s.cfg.Desk.Audit(ctx, api.Actor(ctx), tickets.NewAudit{Action: action, Subject: subject, Data: data}); err != nil {
		return err
	}
	s.metrics.audited.WithLabelValues(action).Inc()
	return nil
}

// AuditEntry is something that was done outside of tickets.
type AuditEntry struct {
	Seq     int64      `json:"seq"`
	At      api.Time   `json:"at"`
	Actor   Owner      `json:"actor"`
	Action  string     `json:"action"`
	Subject string     `json:"subject"`
	Remote  string     `json:"remote"`
	Data    api.Object `json:"data"`
}

type listAuditInput struct {
	api.Cursor
	Subject string `query:"subject" maxLength:"300"`
	Actor   string `query:"actor" maxLength:"200"`
	Action  string `query:"action" maxLength:"100"`
}

func (s *Server) listAudit(ctx context.Context, in *listAuditInput) (*api.Reply[api.Page[AuditEntry]], error) {
	before, err := api.SeqCursor(in.Cursor.Cursor)
	if err != nil {
		return nil, err
	}
	f := tickets.AuditFilter{Subject: in.Subject, Actor: in.Actor, Action: in.Action, Before: before, Limit: in.Limit}
	if see := api.Of(ctx).Who.See; !see.All {
		f.Actors = append([]string{see.Account}, see.People...) // what the people whom somebody watches over have done
	}
	entries, next, err := s.cfg.Desk.AuditLog(ctx, f)
	return api.Answer(api.PageOf(entries, api.CursorOf(next), func(a tickets.AuditEntry) AuditEntry {
		return AuditEntry{a.Seq, api.Time(a.At), Owner{a.Actor.ID, a.Actor.Name}, a.Action, a.Subject, a.Remote, api.Object(a.Data)}
	}), err)
}
