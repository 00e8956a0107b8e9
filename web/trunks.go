package web

import (
	"context"

	"hotline/sip"
	"hotline/trunks"
	"hotline/web/api"
)

// Trunk is a line to a provider, a PBX or a session border controller.
type Trunk struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Enabled  bool              `json:"enabled"`
	Settings sip.TrunkSettings `json:"settings" doc:"passwords are never shown: password_set tells that there is one"`
	Version  int64             `json:"version"`
	State    TrunkState        `json:"state"`
}

// TrunkState is how a trunk is right now.
type TrunkState struct {
	Status     trunks.Status      `json:"status" enum:"up,down,unknown,disabled"`
	Since      api.Null[api.Time] `json:"since"`
	RTTMS      float64            `json:"rtt_ms"`
	Registered bool               `json:"registered"`
	Calls      int                `json:"calls"`
	LastError  string             `json:"last_error" doc:"what was wrong last, in English; empty when nothing is"`
	ErrorCode  string             `json:"last_error_code" doc:"its code for translation, such as trunk.no_answer"`
	ErrorAt    string             `json:"last_error_detail" doc:"the address or the response that it is about"`
}

// trunkView joins a trunk with its state; a trunk that the edge has not met yet is unknown.
func (s *Server) trunkView(t sip.Trunk) Trunk {
	v := Trunk{ID: t.ID, Name: t.Name, Enabled: t.Enabled, Settings: t.Settings, Version: t.Version, State: TrunkState{Status: trunks.StatusUnknown}}
	if !t.Enabled {
		v.State.Status = trunks.StatusDisabled
	}
	for _, st := range s.trunkStates() {
		if st.TrunkID == t.ID {
			v.State = TrunkState{st.Status, api.When(st.Since), st.RTTMS, st.Registered, st.Calls, st.LastError, st.LastErrorCode, st.LastErrorDetail}
		}
	}
	return v
}

func (s *Server) listTrunks(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Trunk]], error) {
	all, err := s.cfg.Directory.ListTrunks(ctx)
	return api.Answer(api.PageOf(all, "", s.trunkView), err)
}

type trunkInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showTrunk(ctx context.Context, in *trunkInput) (*api.Reply[Trunk], error) {
	t, err := s.cfg.Directory.GetTrunk(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return api.Answer(s.trunkView(t), nil)
}

type createTrunkInput struct {
	Body struct {
		Name     string                         `json:"name"`
		Enabled  *bool                          `json:"enabled,omitempty" doc:"true when left out"`
		Settings api.Partial[sip.TrunkSettings] `json:"settings"`
	}
}

func (s *Server) createTrunk(ctx context.Context, in *createTrunkInput) (*api.Reply[Trunk], error) {
	b := in.Body
	t, err := s.cfg.Directory.CreateTrunk(ctx, sip.Trunk{Name: b.Name, Enabled: b.Enabled == nil || *b.Enabled, Settings: b.Settings.Value})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "trunk.create", "trunk:"+t.ID, map[string]any{"name": t.Name, "enabled": t.Enabled, "settings": t.Settings})
	return api.Answer(s.trunkView(t), err)
}

type putTrunkInput struct {
	ID   string `path:"id" format:"uuid"`
	Body struct {
		Name     string                         `json:"name"`
		Enabled  bool                           `json:"enabled"`
		Settings api.Partial[sip.TrunkSettings] `json:"settings" doc:"a password that is left out stays as it is"`
		Version  int64                          `json:"version" doc:"the version that was read; another one is a conflict"`
	}
}

func (s *Server) putTrunk(ctx context.Context, in *putTrunkInput) (*api.Reply[Trunk], error) {
	b := in.Body
	t, err := s.cfg.Directory.UpdateTrunk(ctx, sip.Trunk{ID: in.ID, Name: b.Name, Enabled: b.Enabled, Settings: b.Settings.Value, Version: b.Version})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "trunk.update", "trunk:"+t.ID, map[string]any{"name": t.Name, "enabled": t.Enabled, "settings": t.Settings, "version": t.Version})
	return api.Answer(s.trunkView(t), err)
}

type deleteTrunkInput struct {
	ID      string `path:"id" format:"uuid"`
	Version int64  `query:"version" required:"true" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deleteTrunk(ctx context.Context, in *deleteTrunkInput) (*api.Empty, error) {
	if err := s.cfg.Directory.DeleteTrunk(ctx, in.ID, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "trunk.delete", "trunk:"+in.ID, nil)
}

// Number is a number that can be dialled to reach us.
type Number struct {
	Number   string           `json:"number"`
	Title    string           `json:"title"`
	Flow     string           `json:"flow"`
	Queue    api.Null[string] `json:"queue"`
	TrunkID  api.Null[string] `json:"trunk_id" doc:"null: reachable through any trunk"`
	Language string           `json:"language" enum:"en,zh-CN"`
	Version  int64            `json:"version"`
}

func numberView(n sip.Number) Number {
	return Number{n.Number, n.Title, n.Flow, api.Text(n.Queue), api.Text(n.TrunkID), n.Language, n.Version}
}

func (s *Server) listNumbers(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Number]], error) {
	all, err := s.cfg.Directory.ListNumbers(ctx)
	return api.Answer(api.PageOf(all, "", numberView), err)
}

// NumberPath names the number in the path.
type NumberPath struct {
	Number string `path:"number" maxLength:"64"`
}

func (s *Server) showNumber(ctx context.Context, in *NumberPath) (*api.Reply[Number], error) {
	n, err := s.cfg.Directory.GetNumber(ctx, in.Number)
	return api.Answer(numberView(n), err)
}

type putNumberInput struct {
	NumberPath
	Body struct {
		Title    string            `json:"title,omitempty"`
		Flow     string            `json:"flow"`
		Queue    api.Maybe[string] `json:"queue,omitzero"`
		TrunkID  api.Maybe[string] `json:"trunk_id,omitzero" format:"uuid"`
		Language string            `json:"language,omitempty" enum:"en,zh-CN"`
		Version  int64             `json:"version,omitempty" doc:"0 or left out: a new number"`
	}
}

func (s *Server) putNumber(ctx context.Context, in *putNumberInput) (*api.Reply[Number], error) {
	b := in.Body
	n, err := s.cfg.Directory.PutNumber(ctx, sip.Number{
		Number: in.Number, Title: b.Title, Flow: b.Flow, Queue: orEmpty(b.Queue), TrunkID: orEmpty(b.TrunkID), Language: b.Language, Version: b.Version})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "number.put", "number:"+n.Number, numberView(n))
	return api.Answer(numberView(n), err)
}

func orEmpty(m api.Maybe[string]) string {
	if m.Value == nil {
		return ""
	}
	return *m.Value
}

type deleteNumberInput struct {
	NumberPath
	Version int64 `query:"version" required:"true" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deleteNumber(ctx context.Context, in *deleteNumberInput) (*api.Empty, error) {
	if err := s.cfg.Directory.DeleteNumber(ctx, in.Number, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "number.delete", "number:"+in.Number, nil)
}
