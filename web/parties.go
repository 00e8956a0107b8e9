package web

import (
	"context"

	"hotline/tickets"
	"hotline/web/api"
)

// Party is a person or an organisation.
type Party struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind" enum:"person,organisation"`
	Name       string     `json:"name"`
	Company    string     `json:"company"`
	Language   string     `json:"language"`
	VIP        bool       `json:"vip"`
	Notes      string     `json:"notes" doc:"for staff"`
	Identities []Identity `json:"identities"`
	Version    int64      `json:"version"`
	CreatedAt  api.Time   `json:"created_at"`
	UpdatedAt  api.Time   `json:"updated_at"`
}

func partyView(p tickets.Party) Party {
	return Party{p.ID, p.Kind, p.Name, p.Company, p.Language, p.VIP, p.Notes, api.Views(p.Identities, identityView), p.Version, api.Time(p.CreatedAt), api.Time(p.UpdatedAt)}
}

type listPartiesInput struct {
	api.Cursor
	Q string `query:"q" maxLength:"200"`
}

func (s *Server) listParties(ctx context.Context, in *listPartiesInput) (*api.Reply[api.Page[Party]], error) {
	p, err := s.desk(ctx).Parties(ctx, tickets.PartyFilter{Query: in.Q, Cursor: in.Cursor.Cursor, Limit: in.Limit})
	return domainPage(p, err, partyView)
}

// PartyPath names the party in the path.
type PartyPath struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showParty(ctx context.Context, in *PartyPath) (*api.Reply[Party], error) {
	p, err := s.desk(ctx).GetParty(ctx, in.ID)
	return api.Answer(partyView(p), err)
}

type createPartyInput struct {
	Body struct {
		Kind    string `json:"kind,omitempty" enum:"person,organisation"`
		Name    string `json:"name"`
		Company string `json:"company,omitempty"`
		Phone   string `json:"phone,omitempty" doc:"one that others have too is shared with them"`
	}
}

func (s *Server) createParty(ctx context.Context, in *createPartyInput) (*api.Reply[Party], error) {
	p, err := s.desk(ctx).CreateParty(ctx, api.Actor(ctx), tickets.NewParty(in.Body))
	return api.Answer(partyView(p), err)
}

type changePartyInput struct {
	PartyPath
	Body struct {
		Version  int64   `json:"version" doc:"the version that was read; another one is a conflict"`
		Kind     *string `json:"kind,omitempty" enum:"person,organisation"`
		Name     *string `json:"name,omitempty"`
		Company  *string `json:"company,omitempty"`
		Language *string `json:"language,omitempty"`
		VIP      *bool   `json:"vip,omitempty"`
		Notes    *string `json:"notes,omitempty"`
	}
}

func (s *Server) changeParty(ctx context.Context, in *changePartyInput) (*api.Reply[Party], error) {
	p, err := s.desk(ctx).UpdateParty(ctx, api.Actor(ctx), in.ID, tickets.PartyChange(in.Body))
	return api.Answer(partyView(p), err)
}

type linkPhoneInput struct {
	PartyPath
	Body struct {
		Phone string        `json:"phone"`
		Level tickets.Level `json:"level" enum:"verified,known,maybe"`
	}
}

func (s *Server) linkPhone(ctx context.Context, in *linkPhoneInput) (*api.Reply[Party], error) {
	p, err := s.desk(ctx).LinkPhone(ctx, api.Actor(ctx), in.ID, in.Body.Phone, in.Body.Level)
	return api.Answer(partyView(p), err)
}

type unlinkInput struct {
	PartyPath
	Identity string `path:"identity" format:"uuid"`
}

func (s *Server) unlinkIdentity(ctx context.Context, in *unlinkInput) (*api.Reply[Party], error) {
	p, err := s.desk(ctx).UnlinkIdentity(ctx, api.Actor(ctx), in.ID, in.Identity)
	return api.Answer(partyView(p), err)
}
