package web

import (
	"context"

	"hotline/ivr"
	"hotline/ivr/hours"
	"hotline/web/api"
)

// Hours is a table of opening hours.
type Hours struct {
	Name       string             `json:"name"`
	Title      map[string]string  `json:"title" doc:"by language: en, zh-CN"`
	Timezone   string             `json:"timezone"`
	Schedule   ivr.Schedule       `json:"schedule"`
	Version    int64              `json:"version"`
	OpenNow    bool               `json:"open_now"`
	NextChange api.Null[api.Time] `json:"next_change" doc:"null: never, as far as one can see"`
}

func hoursView(h ivr.HoursRow) Hours {
	if h.Title == nil {
		h.Title = map[string]string{}
	}
	schedule := ivr.Schedule{
		Weekly: api.Views(h.Schedule.Weekly, same), Overrides: api.Views(h.Schedule.Overrides, same),
		Holidays: api.Views(h.Schedule.Holidays, func(d hours.Holiday) hours.Holiday {
			d.Open = api.Views(d.Open, same)
			return d
		}),
	}
	return Hours{h.Name, h.Title, h.Timezone, schedule, h.Version, h.OpenNow, api.WhenPtr(h.NextChange)}
}

func (s *Server) listHours(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Hours]], error) {
	all, err := s.cfg.Flows.HourTables(ctx)
	return api.Answer(api.PageOf(all, "", hoursView), err)
}

// HoursPath names the table of hours in the path.
type HoursPath struct {
	Name string `path:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"a name of a-z, 0-9 and -"`
}

func (s *Server) showHours(ctx context.Context, in *HoursPath) (*api.Reply[Hours], error) {
	h, err := s.cfg.Flows.HourTable(ctx, in.Name)
	return api.Answer(hoursView(h), err)
}

type putHoursInput struct {
	HoursPath
	Body struct {
		Title    map[string]string         `json:"title,omitempty"`
		Timezone string                    `json:"timezone"`
		Schedule api.Partial[ivr.Schedule] `json:"schedule"`
		Version  int64                     `json:"version,omitempty" doc:"0 or left out: a new table"`
	}
}

func (s *Server) putHours(ctx context.Context, in *putHoursInput) (*api.Reply[Hours], error) {
	b := in.Body
	h, err := s.cfg.Flows.PutHours(ctx, ivr.HoursRow{Name: in.Name, Title: b.Title, Timezone: b.Timezone, Schedule: b.Schedule.Value, Version: b.Version})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "hours.put", "hours:"+h.Name, map[string]any{"timezone": h.Timezone, "schedule": h.Schedule, "version": h.Version})
	return api.Answer(hoursView(h), err)
}

type deleteHoursInput struct {
	HoursPath
	Version int64 `query:"version" minimum:"0" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deleteHours(ctx context.Context, in *deleteHoursInput) (*api.Empty, error) {
	if err := s.cfg.Flows.DeleteHours(ctx, in.Name, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "hours.delete", "hours:"+in.Name, nil)
}
