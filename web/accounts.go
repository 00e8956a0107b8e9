package web

import (
	"context"
	"time"

	"hotline/web/api"
	"hotline/web/login"
)

// AccountRow is an account as an administrator sees it.
type AccountRow struct {
	Account
	Disabled  bool     `json:"disabled"`
	CreatedAt api.Time `json:"created_at"`
}

func accountRow(a login.Account) AccountRow {
	return AccountRow{Account: accountView(a), Disabled: a.DisabledAt != nil, CreatedAt: api.Time(a.CreatedAt)}
}

func (s *Server) listAccounts(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[AccountRow]], error) {
	all, err := login.Accounts(ctx, s.cfg.Pool)
	return api.Answer(api.PageOf(all, "", accountRow), err)
}

// Owner is somebody who may own tickets.
type Owner struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (s *Server) listOwners(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Owner]], error) {
	all, err := login.Accounts(ctx, s.cfg.Pool)
	var active []login.Account
	for _, a := range all {
		if a.DisabledAt == nil {
			active = append(active, a)
		}
	}
	return api.Answer(api.PageOf(active, "", func(a login.Account) Owner { return Owner{ID: a.ID, Name: a.Name} }), err)
}

type createAccountInput struct {
	Body struct {
		Login    string      `json:"login"`
		Name     string      `json:"name,omitempty"`
		Password string      `json:"password" maxLength:"1024"`
		Role     login.Role  `json:"role" enum:"agent,supervisor,engineer,admin"`
		Scope    login.Reach `json:"scope,omitempty" enum:"own,queue,team,all" doc:"left out: what the role says"`
		Locale   string      `json:"locale,omitempty"`
		Timezone string      `json:"timezone,omitempty"`
	}
}

func (s *Server) createAccount(ctx context.Context, in *createAccountInput) (*api.Reply[AccountRow], error) {
	b := in.Body
	account, err := login.CreateAccount(ctx, s.cfg.Pool, login.NewAccount{
		Login: b.Login, Name: b.Name, Password: b.Password, Role: b.Role, Scope: b.Scope, Locale: b.Locale, Timezone: b.Timezone})
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "account.create", "account:"+account.ID, map[string]any{"login": account.Login, "role": account.Role, "scope": account.Reach()})
	return api.Answer(accountRow(account), err)
}

// AccountPath names the account in the path.
type AccountPath struct {
	ID string `path:"id" format:"uuid"`
}

type administerInput struct {
	AccountPath
	Body struct {
		Name     *string      `json:"name,omitempty"`
		Role     *login.Role  `json:"role,omitempty" enum:"agent,supervisor,engineer,admin" doc:"another one ends the person's sessions"`
		Scope    *login.Reach `json:"scope,omitempty" enum:"own,queue,team,all" doc:"how much of others' tickets and calls they see; an admin sees all"`
		Locale   *string      `json:"locale,omitempty"`
		Timezone *string      `json:"timezone,omitempty"`
		Disabled *bool        `json:"disabled,omitempty" doc:"true ends the person's sessions and lets nobody in"`
	}
}

func (s *Server) changeAccount(ctx context.Context, in *administerInput) (*api.Reply[AccountRow], error) {
	b := in.Body
	was, is, err := login.ChangeAccount(ctx, s.cfg.Pool, in.ID, login.AccountChange{
		Name: b.Name, Role: b.Role, Scope: b.Scope, Locale: b.Locale, Timezone: b.Timezone, Disabled: b.Disabled})
	if err != nil {
		return nil, err
	}
	if changed := changedFields(was, is); len(changed) > 0 {
		changed["login"] = is.Login
		err = s.audit(ctx, "account.change", "account:"+is.ID, changed)
	}
	return api.Answer(accountRow(is), err)
}

// changedFields says what became of an account, field by field.
func changedFields(was, is login.Account) map[string]any {
	changed := map[string]any{}
	for name, pair := range map[string][2]any{
		"name": {was.Name, is.Name}, "role": {was.Role, is.Role}, "scope": {was.Reach(), is.Reach()}, "locale": {was.Locale, is.Locale},
		"timezone": {was.Timezone, is.Timezone}, "disabled": {was.DisabledAt != nil, is.DisabledAt != nil},
	} {
		if pair[0] != pair[1] {
			changed[name] = map[string]any{"from": pair[0], "to": pair[1]}
		}
	}
	return changed
}

// AccountPassword is an account with its new password, which is shown this once.
type AccountPassword struct {
	AccountRow
	Password string `json:"password" doc:"shown this once and stored nowhere"`
}

func (s *Server) resetPassword(ctx context.Context, in *AccountPath) (*api.Reply[AccountPassword], error) {
	account, password, err := login.ResetPassword(ctx, s.cfg.Pool, in.ID)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "account.password", "account:"+account.ID, map[string]any{"login": account.Login})
	return api.Answer(AccountPassword{AccountRow: accountRow(account), Password: password}, err)
}

// Token is an API token, without its secret.
type Token struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Role      login.Role         `json:"role" enum:"agent,supervisor,engineer,admin"`
	Queues    api.Null[[]string] `json:"queues" doc:"whose tickets and calls it sees; null: all"`
	CreatedAt api.Time           `json:"created_at"`
	ExpiresAt api.Null[api.Time] `json:"expires_at"`
}

// NewToken is an API token with its secret, which is shown this once.
type NewToken struct {
	Token
	Secret string `json:"token" doc:"shown this once and stored nowhere"`
}

func listOrNull(list []string) api.Null[[]string] {
	if list == nil {
		return api.Null[[]string]{}
	}
	return api.Some(list)
}

func tokenView(t login.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Role: t.Role, Queues: listOrNull(t.Queues), CreatedAt: api.Time(t.CreatedAt), ExpiresAt: api.WhenPtr(t.ExpiresAt)}
}

func (s *Server) listTokens(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Token]], error) {
	all, err := login.Tokens(ctx, s.cfg.Pool)
	return api.Answer(api.PageOf(all, "", tokenView), err)
}

type createTokenInput struct {
	Body struct {
		Name      string     `json:"name"`
		Role      login.Role `json:"role" enum:"agent,supervisor,engineer,admin"`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
		Queues    *[]string  `json:"queues,omitempty" nullable:"true" maxItems:"1000" doc:"whose tickets and calls it sees; null or left out: all"`
	}
}

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*api.Reply[NewToken], error) {
	wanted := login.Token{Name: in.Body.Name, Role: in.Body.Role, ExpiresAt: in.Body.ExpiresAt}
	if in.Body.Queues != nil {
		wanted.Queues = append([]string{}, *in.Body.Queues...)
	}
	t, secret, err := login.IssueToken(ctx, s.cfg.Pool, wanted)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, "token.create", "token:"+t.ID, map[string]any{"name": t.Name, "role": t.Role, "queues": t.Queues})
	return api.Answer(NewToken{Token: tokenView(t), Secret: secret}, err)
}

type tokenInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) revokeToken(ctx context.Context, in *tokenInput) (*api.Empty, error) {
	t, err := s.gate.RevokeToken(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "token.revoke", "token:"+t.ID, map[string]any{"name": t.Name})
}
