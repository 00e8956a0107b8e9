package staff

import (
	"context"
	"slices"

	"hotline"
	"hotline/acd/roster"
	"hotline/web/api"
)

// Team is some agents, and who watches over them.
type Team struct {
	Name        string            `json:"name"`
	Title       map[string]string `json:"title" doc:"by language: en, zh-CN"`
	Supervisors []Person          `json:"supervisors" doc:"see what the team's agents do, and the queues that those serve"`
	Members     int               `json:"members"`
	Version     int64             `json:"version"`
}

func (d *Desk) team(t roster.Team, names map[string]string) Team {
	v := Team{Name: t.Name, Title: filled(t.Title), Supervisors: people(t.Supervisors, names), Version: t.Version}
	for _, a := range d.roster().Agents() {
		if a.Team == t.Name {
			v.Members++
		}
	}
	return v
}

func (d *Desk) listTeams(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Team]], error) {
	names, err := d.Names(ctx)
	return api.Answer(api.PageOf(d.roster().Teams(), "", func(t roster.Team) Team { return d.team(t, names) }), err)
}

type putTeamInput struct {
	Name
	Body struct {
		Title       map[string]string `json:"title,omitempty"`
		Supervisors *[]string         `json:"supervisors,omitempty" maxItems:"100" doc:"accounts; left out: as they are"`
		Version     int64             `json:"version,omitempty" doc:"0 or left out: a new team"`
	}
}

// Who watches over whom decides what somebody sees: only those who see everything may say.
func (d *Desk) putTeam(ctx context.Context, in *putTeamInput) (*api.Reply[Team], error) {
	if err := everywhere(ctx); err != nil {
		return nil, err
	}
	t := roster.Team{Name: in.Name.Name, Title: in.Body.Title, Version: in.Body.Version, Supervisors: []string{}}
	if in.Body.Supervisors != nil {
		t.Supervisors = *in.Body.Supervisors
	} else if i := slices.IndexFunc(d.roster().Teams(), func(o roster.Team) bool { return o.Name == t.Name }); i >= 0 {
		t.Supervisors = d.roster().Teams()[i].Supervisors
	}
	t, err := d.roster().PutTeam(ctx, t)
	if err != nil {
		return nil, err
	}
	names, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	err = d.Audit(ctx, "team.put", "team:"+t.Name, map[string]any{"title": t.Title, "supervisors": t.Supervisors, "version": t.Version})
	return api.Answer(d.team(t, names), err)
}

func (d *Desk) deleteTeam(ctx context.Context, in *deletion) (*api.Empty, error) {
	return d.delete(ctx, "team", in, d.roster().DeleteTeam)
}

// delete deletes something that holds for all queues.
func (d *Desk) delete(ctx context.Context, what string, in *deletion, gone func(ctx context.Context, name string, version int64) error) (*api.Empty, error) {
	if err := everywhere(ctx); err != nil {
		return nil, err
	}
	if err := gone(ctx, in.Name.Name, in.Version); err != nil {
		return nil, err
	}
	return nil, d.Audit(ctx, what+".delete", what+":"+in.Name.Name, nil)
}

// Skill is something that agents can do.
type Skill struct {
	Name    string            `json:"name"`
	Title   map[string]string `json:"title" doc:"by language: en, zh-CN"`
	Agents  int               `json:"agents" doc:"how many have it"`
	Version int64             `json:"version"`
}

func (d *Desk) skill(s roster.Skill) Skill {
	v := Skill{Name: s.Name, Title: filled(s.Title), Version: s.Version}
	for _, a := range d.roster().Agents() {
		if a.Skills[s.Name] > 0 {
			v.Agents++
		}
	}
	return v
}

func (d *Desk) listSkills(context.Context, *api.Empty) (*api.Reply[api.Page[Skill]], error) {
	return api.Answer(api.PageOf(d.roster().Skills(), "", d.skill), nil)
}

type putSkillInput struct {
	Name
	Body struct {
		Title   map[string]string `json:"title,omitempty"`
		Version int64             `json:"version,omitempty" doc:"0 or left out: a new skill"`
	}
}

func (d *Desk) putSkill(ctx context.Context, in *putSkillInput) (*api.Reply[Skill], error) {
	if err := everywhere(ctx); err != nil {
		return nil, err
	}
	s, err := d.roster().PutSkill(ctx, roster.Skill{Name: in.Name.Name, Title: in.Body.Title, Version: in.Body.Version})
	if err != nil {
		return nil, err
	}
	return api.Answer(d.skill(s), d.Audit(ctx, "skill.put", "skill:"+s.Name, map[string]any{"title": s.Title, "version": s.Version}))
}

func (d *Desk) deleteSkill(ctx context.Context, in *deletion) (*api.Empty, error) {
	return d.delete(ctx, "skill", in, d.roster().DeleteSkill)
}

// PauseReason is why an agent pauses.
type PauseReason struct {
	Name    string            `json:"name"`
	Title   map[string]string `json:"title" doc:"by language: en, zh-CN"`
	MaxS    int               `json:"max_s" doc:"after so many seconds the agent is sent home; 0: 12 hours"`
	Order   int               `json:"order"`
	Version int64             `json:"version"`
}

func reasonView(r roster.Reason) PauseReason {
	return PauseReason{Name: r.Name, Title: filled(r.Title), MaxS: r.MaxS, Order: r.Order, Version: r.Version}
}

func (d *Desk) listReasons(context.Context, *api.Empty) (*api.Reply[api.Page[PauseReason]], error) {
	return api.Answer(api.PageOf(d.roster().Reasons(), "", reasonView), nil)
}

type putReasonInput struct {
	Name
	Body struct {
		Title   map[string]string `json:"title,omitempty"`
		MaxS    int               `json:"max_s,omitempty" minimum:"0" maximum:"86400"`
		Order   int               `json:"order,omitempty" minimum:"0" maximum:"10000"`
		Version int64             `json:"version,omitempty" doc:"0 or left out: a new reason"`
	}
}

func (d *Desk) putReason(ctx context.Context, in *putReasonInput) (*api.Reply[PauseReason], error) {
	if err := everywhere(ctx); err != nil {
		return nil, err
	}
	b := in.Body
	r, err := d.roster().PutReason(ctx, roster.Reason{Name: in.Name.Name, Title: b.Title, MaxS: b.MaxS, Order: b.Order, Version: b.Version})
	if err != nil {
		return nil, err
	}
	return api.Answer(reasonView(r), d.Audit(ctx, "pause_reason.put", "pause_reason:"+r.Name, map[string]any{"title": r.Title, "max_s": r.MaxS, "version": r.Version}))
}

func (d *Desk) deleteReason(ctx context.Context, in *deletion) (*api.Empty, error) {
	return d.delete(ctx, "pause_reason", in, d.roster().DeleteReason)
}

// WrapCode closes a call.
type WrapCode struct {
	Name    string            `json:"name"`
	Title   map[string]string `json:"title" doc:"by language: en, zh-CN"`
	Queue   api.Null[string]  `json:"queue" doc:"null: of all queues"`
	Order   int               `json:"order"`
	Version int64             `json:"version"`
}

func codeView(c roster.Code) WrapCode {
	return WrapCode{Name: c.Name, Title: filled(c.Title), Queue: api.Pointed(c.Queue), Order: c.Order, Version: c.Version}
}

type codesInput struct {
	Queue string `query:"queue" maxLength:"63" doc:"those that a call of this queue may be closed with"`
}

func (d *Desk) listCodes(_ context.Context, in *codesInput) (*api.Reply[api.Page[WrapCode]], error) {
	list := d.roster().Codes()
	if in.Queue != "" {
		list = d.roster().CodesOf(in.Queue)
	}
	return api.Answer(api.PageOf(list, "", codeView), nil)
}

type putCodeInput struct {
	Name
	Body struct {
		Title   map[string]string `json:"title,omitempty"`
		Queue   api.Maybe[string] `json:"queue,omitzero" doc:"null or left out: of all queues"`
		Order   int               `json:"order,omitempty" minimum:"0" maximum:"10000"`
		Version int64             `json:"version,omitempty" doc:"0 or left out: a new code"`
	}
}

// mayCode refuses codes of queues that are not somebody's to change.
func (d *Desk) mayCode(ctx context.Context, name string, to *string) error {
	queues := []*string{to}
	for _, c := range d.roster().Codes() {
		if c.Name == name {
			queues = append(queues, c.Queue)
		}
	}
	for _, q := range queues {
		if q == nil {
			if err := everywhere(ctx); err != nil {
				return err
			}
		} else if !api.Of(ctx).Who.Governs(*q) {
			return hotline.Errorf(hotline.Denied, "scope.queue", "the queue %s is not yours to change", *q)
		}
	}
	return nil
}

func (d *Desk) putCode(ctx context.Context, in *putCodeInput) (*api.Reply[WrapCode], error) {
	b := in.Body
	if b.Queue.Value != nil && *b.Queue.Value == "" {
		b.Queue.Value = nil
	}
	if err := d.mayCode(ctx, in.Name.Name, b.Queue.Value); err != nil {
		return nil, err
	}
	c, err := d.roster().PutCode(ctx, roster.Code{Name: in.Name.Name, Title: b.Title, Queue: b.Queue.Value, Order: b.Order, Version: b.Version})
	if err != nil {
		return nil, err
	}
	return api.Answer(codeView(c), d.Audit(ctx, "wrap_code.put", "wrap_code:"+c.Name, map[string]any{"title": c.Title, "queue": c.Queue, "version": c.Version}))
}

func (d *Desk) deleteCode(ctx context.Context, in *deletion) (*api.Empty, error) {
	i := slices.IndexFunc(d.roster().Codes(), func(c roster.Code) bool { return c.Name == in.Name.Name })
	if i >= 0 {
		if err := d.mayCode(ctx, in.Name.Name, d.roster().Codes()[i].Queue); err != nil {
			return nil, err
		}
	}
	if err := d.roster().DeleteCode(ctx, in.Name.Name, in.Version); err != nil {
		return nil, err
	}
	return nil, d.Audit(ctx, "wrap_code.delete", "wrap_code:"+in.Name.Name, nil)
}
