// Package nodes is the routes about the Asterisks that carry calls for us: how each fares, and whether it takes new calls.
//
// It asks the Asterisk edge, which keeps what is to be kept. Start at [Register].
package nodes

import (
	"context"

	"hotline"
	"hotline/asterisk"
	"hotline/web/api"
	"hotline/web/login"
)

// Room is what the routes work with.
type Room struct {
	Edge  *asterisk.Edge // nil: none is configured
	Audit func(ctx context.Context, action, subject string, data any) error
}

// Register adds the routes.
func Register(a *api.API, r *Room) {
	api.Register(a, api.Route{May: login.ReadSetup, ID: "list-asterisks", Method: "GET", Path: "/api/v1/asterisks", Summary: "List the Asterisks that carry calls, with their state"}, r.list)
	api.Register(a, api.Route{May: login.WriteSetup, ID: "drain-asterisk", Method: "PUT", Path: "/api/v1/asterisks/{node}/drain",
		Summary: "Let an Asterisk take no new calls while those that are there go on, or take that back"}, r.drain)
}

// Node is an Asterisk.
type Node struct {
	Name      string             `json:"name"`
	Connected bool               `json:"connected"`
	Since     api.Null[api.Time] `json:"since" doc:"when it was connected, or lost"`
	Draining  bool               `json:"draining" doc:"it takes no new calls"`
	DrainedBy string             `json:"drained_by" doc:"whose wish that is; empty when it takes calls"`
	DrainedAt api.Null[api.Time] `json:"drained_at"`
	Version   string             `json:"version" doc:"of Asterisk; empty before the first connection"`
	Warnings  []Warning          `json:"warnings" doc:"what is known to be wrong with this version"`
	RTTMS     float64            `json:"rtt_ms"`
	Calls     int                `json:"calls" doc:"that go on"`
	Counts    Counts             `json:"counts" doc:"since Hotline was started"`
	LastError string             `json:"last_error" doc:"what was wrong last, in English; empty when nothing is"`
	ErrorCode string             `json:"last_error_code" doc:"its code for translation, such as ari.down"`
}

// Counts are what a node has done.
type Counts struct {
	Accepted   uint64 `json:"accepted" doc:"calls that came in"`
	Refused    uint64 `json:"refused" doc:"for want of room, or because the node is drained"`
	Rejected   uint64 `json:"rejected" doc:"for other reasons, such as a number that is not assigned"`
	Dialled    uint64 `json:"dialled"`
	Lost       uint64 `json:"lost" doc:"legs that were gone after a reconnect"`
	Adopted    uint64 `json:"adopted" doc:"legs that were taken over after a reconnect or a restart"`
	Swept      uint64 `json:"swept" doc:"channels and bridges in our name that nobody owned"`
	Reconnects uint64 `json:"reconnects"`
}

// Warning is something that a version is known for.
type Warning struct {
	Code string `json:"code"`
	Text string `json:"text" doc:"in English"`
}

func view(n asterisk.NodeState) Node {
	v := Node{
		Name: n.Name, Connected: n.Connected, Since: api.When(n.Since), Draining: n.Drained != nil, Version: n.Version, Warnings: []Warning{}, RTTMS: n.RTTMS, Calls: n.Calls,
		Counts:    Counts{n.Accepted, n.Refused, n.Rejected, n.Dialled, n.Lost, n.Adopted, n.Swept, n.Reconnects},
		LastError: n.Err, ErrorCode: n.ErrCode,
	}
	if n.Drained != nil {
		v.DrainedBy, v.DrainedAt = n.Drained.Name, api.When(n.Drained.At)
	}
	for _, w := range n.Warnings {
		v.Warnings = append(v.Warnings, Warning{w.Code, w.Text})
	}
	return v
}

func (r *Room) list(_ context.Context, _ *api.Empty) (*api.Reply[api.Page[Node]], error) {
	if r.Edge == nil {
		return api.Answer(api.PageOf(nil, "", view), nil)
	}
	return api.Answer(api.PageOf(r.Edge.Nodes(), "", view), nil)
}

type drainInput struct {
	Node string `path:"node" maxLength:"63"`
	Body struct {
		Draining bool `json:"draining"`
	}
}

func (r *Room) drain(ctx context.Context, in *drainInput) (*api.Reply[Node], error) {
	if r.Edge == nil {
		return nil, unknown(in.Node)
	}
	err := error(nil)
	if in.Body.Draining {
		who := api.Actor(ctx)
		err = r.Edge.Drain(ctx, in.Node, asterisk.Drained{Account: who.ID, Name: who.Name})
	} else {
		err = r.Edge.Undrain(ctx, in.Node)
	}
	if err != nil {
		return nil, err
	}
	if err := r.Audit(ctx, "asterisk.drain", "asterisk:"+in.Node, map[string]any{"draining": in.Body.Draining}); err != nil {
		return nil, err
	}
	for _, n := range r.Edge.Nodes() {
		if n.Name == in.Node {
			return api.Answer(view(n), nil)
		}
	}
	return nil, unknown(in.Node)
}

func unknown(node string) error {
	return hotline.Errorf(hotline.NotFound, "asterisk.no_node", "there is no Asterisk %q", node)
}
