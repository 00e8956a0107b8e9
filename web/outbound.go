package web

import (
	"context"

	"hotline/tickets"
	"hotline/tickets/callbacks"
	"hotline/trunks/routes"
	"hotline/web/api"
)

// OutboundRoute is an ordered group of trunks for some destinations.
type OutboundRoute struct {
	ID        string          `json:"id"`
	Position  int             `json:"position" doc:"1 is asked first"`
	Name      string          `json:"name"`
	Enabled   bool            `json:"enabled"`
	Trunks    []string        `json:"trunks" doc:"ids; the first is tried first"`
	Settings  routes.Settings `json:"settings"`
	Version   int64           `json:"version"`
	CreatedAt api.Time        `json:"created_at"`
	UpdatedAt api.Time        `json:"updated_at"`
}

func routeView(r routes.Route) OutboundRoute {
	r.Settings.Prefixes = api.Views(r.Settings.Prefixes, same)
	return OutboundRoute{r.ID, r.Position, r.Name, r.Enabled, api.Views(r.Trunks, same), r.Settings, r.Version, api.Time(r.CreatedAt), api.Time(r.UpdatedAt)}
}

func (s *Server) listRoutes(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[OutboundRoute]], error) {
	all, err := s.cfg.Routes.ListRoutes(ctx)
	return api.Answer(api.PageOf(all, "", routeView), err)
}

// RoutePath names the outbound route in the path.
type RoutePath struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showRoute(ctx context.Context, in *RoutePath) (*api.Reply[OutboundRoute], error) {
	r, err := s.cfg.Routes.GetRoute(ctx, in.ID)
	return api.Answer(routeView(r), err)
}

// routeBody is an outbound route as it is sent.
type routeBody struct {
	Position int                          `json:"position,omitempty" minimum:"0" maximum:"999" doc:"0 or left out: the last one; as it is"`
	Name     string                       `json:"name"`
	Enabled  *bool                        `json:"enabled,omitempty" doc:"left out: yes"`
	Trunks   []string                     `json:"trunks" maxItems:"20"`
	Settings api.Partial[routes.Settings] `json:"settings"`
	Version  int64                        `json:"version,omitempty" doc:"the version that was read; another one is a conflict"`
}

func (b routeBody) route(id string) routes.Route {
	return routes.Route{ID: id, Position: b.Position, Name: b.Name, Enabled: b.Enabled == nil || *b.Enabled, Trunks: b.Trunks, Settings: b.Settings.Value, Version: b.Version}
}

type createRouteInput struct{ Body routeBody }

func (s *Server) createRoute(ctx context.Context, in *createRouteInput) (*api.Reply[OutboundRoute], error) {
	r, err := s.cfg.Routes.CreateRoute(ctx, in.Body.route(""))
	return s.routeChanged(ctx, "outbound_route.create", r, err)
}

type putRouteInput struct {
	RoutePath
	Body routeBody
}

func (s *Server) putRoute(ctx context.Context, in *putRouteInput) (*api.Reply[OutboundRoute], error) {
	r := in.Body.route(in.ID)
	if r.Position == 0 {
		was, err := s.cfg.Routes.GetRoute(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		r.Position = was.Position
	}
	r, err := s.cfg.Routes.UpdateRoute(ctx, r)
	return s.routeChanged(ctx, "outbound_route.update", r, err)
}

func (s *Server) routeChanged(ctx context.Context, action string, r routes.Route, err error) (*api.Reply[OutboundRoute], error) {
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, action, "outbound_route:"+r.ID, map[string]any{"name": r.Name, "enabled": r.Enabled, "trunks": r.Trunks, "settings": r.Settings, "version": r.Version})
	return api.Answer(routeView(r), err)
}

type deleteRouteInput struct {
	RoutePath
	Version int64 `query:"version" required:"true" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deleteRoute(ctx context.Context, in *deleteRouteInput) (*api.Empty, error) {
	if err := s.cfg.Routes.DeleteRoute(ctx, in.ID, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "outbound_route.delete", "outbound_route:"+in.ID, nil)
}

// OutboundLimits is what may be dialled in all.
type OutboundLimits struct {
	CallsPerDay        int      `json:"calls_per_day" minimum:"0" doc:"0, here and below: no limit"`
	MinutesPerDay      int      `json:"minutes_per_day" minimum:"0"`
	AgentCallsPerDay   int      `json:"agent_calls_per_day" minimum:"0"`
	AgentMinutesPerDay int      `json:"agent_minutes_per_day" minimum:"0"`
	MaxMinutes         int      `json:"max_minutes" minimum:"0" doc:"of one call"`
	Deny               []string `json:"deny" maxItems:"1000" doc:"prefixes that are refused whatever the routes say"`
	Roles              []string `json:"roles" maxItems:"10" doc:"whose people may dial numbers themselves"`
	Version            int64    `json:"version"`
}

func limitsView(l routes.Limits) OutboundLimits {
	return OutboundLimits{l.CallsPerDay, l.MinutesPerDay, l.AgentCallsPerDay, l.AgentMinutesPerDay, l.MaxMinutes, api.Views(l.Deny, same), api.Views(l.Roles, same), l.Version}
}

func (s *Server) showLimits(ctx context.Context, _ *api.Empty) (*api.Reply[OutboundLimits], error) {
	l, err := s.cfg.Routes.GetLimits(ctx)
	return api.Answer(limitsView(l), err)
}

type limitsInput struct{ Body OutboundLimits }

func (s *Server) putLimits(ctx context.Context, in *limitsInput) (*api.Reply[OutboundLimits], error) {
	b := in.Body
	l, err := s.cfg.Routes.PutLimits(ctx, routes.Limits{CallsPerDay: b.CallsPerDay, MinutesPerDay: b.MinutesPerDay, AgentCallsPerDay: b.AgentCallsPerDay,
		AgentMinutesPerDay: b.AgentMinutesPerDay, MaxMinutes: b.MaxMinutes, Deny: b.Deny, Roles: b.Roles, Version: b.Version})
	if err != nil {
		return nil, err
	}
	return api.Answer(limitsView(l), s.audit(ctx, "outbound_limits.put", "outbound_limits", limitsView(l)))
}

func (s *Server) showUsage(context.Context, *api.Empty) (*api.Reply[routes.Usage], error) {
	u := s.cfg.Routes.Usage()
	u.Agents = api.Views(u.Agents, same)
	return api.Answer(u, nil)
}

// Callback is a customer to be called back.
type Callback struct {
	Task
	Subject    string             `json:"subject"`
	Attempts   int                `json:"attempts"`
	LastAt     api.Null[api.Time] `json:"last_at"`
	LastResult string             `json:"last_result"`
	NextAt     api.Null[api.Time] `json:"next_at" doc:"when Hotline tries by itself; null: a person has to"`
	Agent      api.Null[Owner]    `json:"agent" doc:"of the last attempt"`
}

func callbackView(c callbacks.Callback) Callback {
	v := Callback{Task: taskView(c.Task), Subject: c.Subject, Attempts: c.Attempts, LastAt: api.WhenPtr(c.LastAt), LastResult: c.LastResult, NextAt: api.WhenPtr(c.NextAt)}
	if c.Agent != nil {
		v.Agent = api.Some(Owner(*c.Agent))
	}
	return v
}

func (s *Server) listCallbacks(ctx context.Context, in *listTasksInput) (*api.Reply[api.Page[Callback]], error) {
	p, err := callbacks.List(ctx, s.cfg.Pool, s.desk(ctx), tickets.TaskFilter{State: in.State, Queue: in.Queue, Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return domainPage(p, err, callbackView)
}
