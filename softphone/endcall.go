package softphone

import (
	"hotline"
	"hotline/call"
	"hotline/tickets"
)

type endData struct {
	CallID string `json:"call_id"`
}

// superviseEnd ends a call in which no agent of ours is any more: a caller who was transferred to a number outside. It happens only when
// it is in the audit.
func superviseEnd(r request, d endData) (any, error) {
	if d.CallID == "" || len(d.CallID) > 64 {
		return nil, field("call_id", "value.empty", "call_id is missing")
	}
	view, err := r.supervisable(d.CallID)
	switch {
	case err != nil:
		return nil, err
	case view.Agent != "":
		return nil, hotline.Errorf(hotline.Conflict, "supervise.agent", "an agent talks in this call: only they end it")
	}
	err = r.g.cfg.Desk.Audit(r.ctx, r.who().actor(), tickets.NewAudit{Action: "call.end", Subject: "call:" + view.CallID,
		Data: map[string]string{"queue": view.Queue, "agent": view.Agent}})
	if err != nil {
		return nil, err
	}
	return nil, r.g.do(r.ctx, d.CallID, func(t *call.Talk) error { return t.End() })
}
