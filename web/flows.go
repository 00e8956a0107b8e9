package web

import (
	"context"

	"hotline/ivr"
	"hotline/web/api"
)

// Flow is what callers of a number go through.
type Flow struct {
	Name             string             `json:"name"`
	Title            map[string]string  `json:"title" doc:"by language: en, zh-CN"`
	PublishedVersion api.Null[int64]    `json:"published_version"`
	PublishedAt      api.Null[api.Time] `json:"published_at"`
	PublishedBy      string             `json:"published_by"`
	HasDraft         bool               `json:"has_draft"`
	DraftAt          api.Null[api.Time] `json:"draft_at"`
	DraftBy          string             `json:"draft_by"`
	Numbers          []string           `json:"numbers" doc:"that point to it"`
}

func flowView(f ivr.FlowRow) Flow {
	if f.Title == nil {
		f.Title = map[string]string{}
	}
	if f.Numbers == nil {
		f.Numbers = []string{}
	}
	return Flow{f.Name, f.Title, api.Pointed(f.PublishedVersion), api.WhenPtr(f.PublishedAt), f.PublishedBy, f.HasDraft, api.WhenPtr(f.DraftAt), f.DraftBy, f.Numbers}
}

// FlowDetail is a flow with its text.
type FlowDetail struct {
	Flow
	Source          string            `json:"source" doc:"the draft if there is one, else what is published"`
	PublishedSource string            `json:"published_source"`
	Problems        []FlowProblem     `json:"problems"`
	Outline         []ivr.NodeOutline `json:"outline"`
	Versions        []FlowVersion     `json:"versions" doc:"the newest 100"`
}

// FlowProblem is a reason why a flow cannot be published.
type FlowProblem struct {
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func problemView(p ivr.Problem) FlowProblem { return FlowProblem(p) }

// FlowVersion is a version that was published.
type FlowVersion struct {
	Version     int64    `json:"version"`
	PublishedAt api.Time `json:"published_at"`
	PublishedBy string   `json:"published_by"`
	Comment     string   `json:"comment"`
	Source      string   `json:"source,omitempty"`
}

func versionView(v ivr.FlowVersion) FlowVersion {
	return FlowVersion{v.Version, api.Time(v.PublishedAt), v.PublishedBy, v.Comment, v.Source}
}

func flowDetail(d ivr.FlowDetail) FlowDetail {
	return FlowDetail{flowView(d.FlowRow), d.Source, d.PublishedSource, api.Views(d.Problems, problemView), outlineView(d.Outline), api.Views(d.Versions, versionView)}
}

func same[T any](v T) T { return v }

func outlineView(nodes []ivr.NodeOutline) []ivr.NodeOutline {
	return api.Views(nodes, func(n ivr.NodeOutline) ivr.NodeOutline {
		n.Next = api.Views(n.Next, same)
		return n
	})
}

func (s *Server) listFlows(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Flow]], error) {
	all, err := s.cfg.Flows.Flows(ctx)
	return api.Answer(api.PageOf(all, "", flowView), err)
}

// FlowPath names the flow in the path.
type FlowPath struct {
	Name string `path:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"a name of a-z, 0-9 and -"`
}

func (s *Server) showFlow(ctx context.Context, in *FlowPath) (*api.Reply[FlowDetail], error) {
	d, err := s.cfg.Flows.Flow(ctx, in.Name)
	return api.Answer(flowDetail(d), err)
}

type draftInput struct {
	FlowPath
	Body struct {
		Source string `json:"source"`
		Base   *int64 `json:"base,omitempty" nullable:"true" doc:"the published version that the draft was made from; another one is a conflict"`
	}
}

func (s *Server) saveDraft(ctx context.Context, in *draftInput) (*api.Reply[FlowDetail], error) {
	who := api.Of(ctx).Who
	d, err := s.cfg.Flows.SaveDraft(ctx, who.Name, in.Name, in.Body.Source, in.Body.Base)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "flow.draft", "flow:"+in.Name, map[string]any{"bytes": len(in.Body.Source)})
	return api.Answer(flowDetail(d), err)
}

func (s *Server) discardDraft(ctx context.Context, in *FlowPath) (*api.Empty, error) {
	if err := s.cfg.Flows.DiscardDraft(ctx, in.Name); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "flow.discard", "flow:"+in.Name, nil)
}

type validateInput struct {
	Body struct {
		Source string `json:"source"`
	}
}

// Validation is what is wrong with a flow, and its tree as far as it can be drawn.
type Validation struct {
	Problems []FlowProblem     `json:"problems"`
	Outline  []ivr.NodeOutline `json:"outline"`
}

func (s *Server) validateFlow(ctx context.Context, in *validateInput) (*api.Reply[Validation], error) {
	problems, err := s.cfg.Flows.Validate(ctx, in.Body.Source)
	return api.Answer(Validation{api.Views(problems, problemView), outlineView(ivr.Outline(in.Body.Source))}, err)
}

type publishInput struct {
	FlowPath
	Body struct {
		Comment string `json:"comment,omitempty" maxLength:"500"`
	}
}

func (s *Server) publishFlow(ctx context.Context, in *publishInput) (*api.Reply[FlowVersion], error) {
	v, err := s.cfg.Flows.Publish(ctx, api.Of(ctx).Who.Name, in.Name, in.Body.Comment)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "flow.publish", "flow:"+in.Name, map[string]any{"version": v.Version, "comment": v.Comment})
	return api.Answer(versionView(v), err)
}

type rollbackInput struct {
	FlowPath
	Body struct {
		Version int64  `json:"version" minimum:"1"`
		Comment string `json:"comment,omitempty" maxLength:"500"`
	}
}

func (s *Server) rollBackFlow(ctx context.Context, in *rollbackInput) (*api.Reply[FlowVersion], error) {
	v, err := s.cfg.Flows.Rollback(ctx, api.Of(ctx).Who.Name, in.Name, in.Body.Version, in.Body.Comment)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "flow.rollback", "flow:"+in.Name, map[string]any{"version": v.Version, "to": in.Body.Version, "comment": v.Comment})
	return api.Answer(versionView(v), err)
}

type versionInput struct {
	FlowPath
	Version int64 `path:"version" minimum:"1"`
}

func (s *Server) showVersion(ctx context.Context, in *versionInput) (*api.Reply[FlowVersion], error) {
	v, err := s.cfg.Flows.Version(ctx, in.Name, in.Version)
	return api.Answer(versionView(v), err)
}
