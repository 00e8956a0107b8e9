package web

import (
	"context"

	"hotline/ivr"
	"hotline/web/api"
)

// Prompt is what callers hear, in one language.
type Prompt struct {
	Name       string             `json:"name"`
	Language   string             `json:"language" enum:"en,zh-CN"`
	Kind       string             `json:"kind" enum:"audio,speech" doc:"recorded, or spoken by the voice"`
	Text       string             `json:"text"`
	DurationMS int64              `json:"duration_ms"`
	Version    int64              `json:"version"`
	UpdatedAt  api.Null[api.Time] `json:"updated_at"`
	UpdatedBy  string             `json:"updated_by"`
	BuiltIn    bool               `json:"built_in" doc:"part of Hotline; put one of that name to replace it"`
}

func promptView(p ivr.PromptRow) Prompt {
	return Prompt{p.Name, p.Language, p.Kind, p.Text, p.DurationMS, p.Version, api.When(p.UpdatedAt), p.UpdatedBy, p.BuiltIn}
}

func (s *Server) listPrompts(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Prompt]], error) {
	all, err := s.cfg.Flows.Prompts(ctx)
	return api.Answer(api.PageOf(all, "", promptView), err)
}

// PromptPath names the prompt in the path.
type PromptPath struct {
	Name     string `path:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"a name of a-z, 0-9 and -"`
	Language string `path:"language" enum:"en,zh-CN"`
}

func (in PromptPath) subject() string { return "prompt:" + in.Name + "/" + in.Language }

func (s *Server) showPrompt(ctx context.Context, in *PromptPath) (*api.Reply[Prompt], error) {
	p, err := s.cfg.Flows.Prompt(ctx, in.Name, in.Language)
	return api.Answer(promptView(p), err)
}

type putPromptInput struct {
	PromptPath
	Body struct {
		Text    string `json:"text" doc:"what the voice says"`
		Version int64  `json:"version,omitempty" doc:"0 or left out: a new prompt"`
	}
}

func (s *Server) putPrompt(ctx context.Context, in *putPromptInput) (*api.Reply[Prompt], error) {
	p, err := s.cfg.Flows.PutPrompt(ctx, api.Of(ctx).Who.Name, ivr.PromptRow{Name: in.Name, Language: in.Language, Text: in.Body.Text, Version: in.Body.Version})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "prompt.put", in.subject(), map[string]any{"kind": p.Kind, "version": p.Version})
	return api.Answer(promptView(p), err)
}

type putPromptAudioInput struct {
	PromptPath
	Text    string `query:"text" maxLength:"2000" doc:"what was recorded, if it is known"`
	Version int64  `query:"version" minimum:"0" doc:"0 or left out: a new prompt"`
	RawBody []byte `contentType:"audio/wav"`
}

func (s *Server) putPromptAudio(ctx context.Context, in *putPromptAudioInput) (*api.Reply[Prompt], error) {
	p, err := s.cfg.Flows.PutPromptAudio(ctx, api.Of(ctx).Who.Name,
		ivr.PromptRow{Name: in.Name, Language: in.Language, Text: in.Text, Version: in.Version}, in.RawBody)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "prompt.put", in.subject(), map[string]any{"kind": p.Kind, "version": p.Version, "bytes": len(in.RawBody)})
	return api.Answer(promptView(p), err)
}

type deletePromptInput struct {
	PromptPath
	Version int64 `query:"version" minimum:"0" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deletePrompt(ctx context.Context, in *deletePromptInput) (*api.Empty, error) {
	if err := s.cfg.Flows.DeletePrompt(ctx, in.Name, in.Language, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "prompt.delete", in.subject(), nil)
}

// sound is an answer that is a WAV file.
type sound struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func wav(b []byte, err error) (*sound, error) {
	if err != nil {
		return nil, err
	}
	return &sound{ContentType: "audio/wav", Body: b}, nil
}

func (s *Server) promptAudio(ctx context.Context, in *PromptPath) (*sound, error) {
	return wav(s.cfg.Flows.PromptAudio(ctx, in.Name, in.Language))
}

type speakInput struct {
	Body struct {
		Text     string `json:"text"`
		Language string `json:"language" enum:"en,zh-CN"`
	}
}

func (s *Server) speak(ctx context.Context, in *speakInput) (*sound, error) {
	return wav(s.cfg.Flows.Speak(ctx, in.Body.Text, in.Body.Language))
}
