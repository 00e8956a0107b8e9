package web

import (
	"context"
	"strconv"

	"hotline"
	"hotline/tickets"
)

// actor is who asks, as the domain writes it down.
func actor(ctx context.Context) tickets.Actor {
	x := exchangeOf(ctx)
	return tickets.Actor{ID: x.who.ID, Name: x.who.Name, Role: string(x.who.Role), Remote: remoteText(x.remote)}
}

// audit appends to the audit what the asker has done, or is about to get.
func (s *Server) audit(ctx context.Context, action, subject string, data any) error {
	if err := s.cfg.Desk.Audit(ctx, actor(ctx), tickets.NewAudit{Action: action, Subject: subject, Data: data}); err != nil {
		return err
	}
	s.metrics.audited.WithLabelValues(action).Inc()
	return nil
}

// AuditEntry is something that was done outside of tickets.
type AuditEntry struct {
	Seq     int64  `json:"seq"`
	At      Time   `json:"at"`
	Actor   Owner  `json:"actor"`
	Action  string `json:"action"`
	Subject string `json:"subject"`
	Remote  string `json:"remote"`
	Data    object `json:"data"`
}

type listAuditInput struct {
	Cursor
	Subject string `query:"subject" maxLength:"300"`
	Actor   string `query:"actor" maxLength:"200"`
	Action  string `query:"action" maxLength:"100"`
}

func (s *Server) listAudit(ctx context.Context, in *listAuditInput) (*reply[Page[AuditEntry]], error) {
	before, err := seqCursor(in.Cursor.Cursor)
	if err != nil {
		return nil, err
	}
	entries, next, err := s.cfg.Desk.AuditLog(ctx, tickets.AuditFilter{Subject: in.Subject, Actor: in.Actor, Action: in.Action, Before: before, Limit: in.Limit})
	return answer(page(entries, cursorOf(next), func(a tickets.AuditEntry) AuditEntry {
		return AuditEntry{a.Seq, Time(a.At), Owner{a.Actor.ID, a.Actor.Name}, a.Action, a.Subject, a.Remote, object(a.Data)}
	}), err)
}

// Cursors of lists that are paged by a number.
func seqCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || seq < 0 {
		return 0, &hotline.Error{Kind: hotline.Invalid, Code: "list.cursor", Field: "query.cursor",
			Message: "the cursor is none that this list has given; leave it out to start again"}
	}
	return seq, nil
}

func cursorOf(seq int64) string {
	if seq == 0 {
		return ""
	}
	return strconv.FormatInt(seq, 10)
}
