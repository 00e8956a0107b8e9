package web

import (
	"context"
	"errors"
	"net/http"

	"hotline/web/api"
	"hotline/web/login"
)

// Account is a person who may log in.
type Account struct {
	ID       string      `json:"id"`
	Login    string      `json:"login"`
	Name     string      `json:"name"`
	Role     login.Role  `json:"role" enum:"agent,supervisor,engineer,admin"`
	Scope    login.Reach `json:"scope" enum:"own,queue,team,all" doc:"how much of others' tickets and calls they see"`
	Locale   string      `json:"locale" enum:"en,zh-CN"`
	Timezone string      `json:"timezone"`
}

// Session is who is logged in.
type Session struct {
	Account Account `json:"account"`
	CSRF    string  `json:"csrf" doc:"to be sent in X-CSRF-Token with every change; empty for API tokens"`

	Permissions    []login.Permission `json:"permissions" doc:"what the role may"`
	Scope          Sight              `json:"scope"`
	Agent          bool               `json:"agent" doc:"takes calls"`
	UnreadMentions int                `json:"unread_mentions"`
}

// Sight is whose tickets and calls somebody sees.
type Sight struct {
	Kind   login.Reach `json:"kind" enum:"own,queue,team,all"`
	Queues []string    `json:"queues" doc:"seen whole; empty when everything is"`
	People []string    `json:"people" doc:"accounts whose tickets are seen, besides one's own"`
}

// sessionView is what a page is told of who is logged in.
func (s *Server) sessionView(ctx context.Context, who api.Principal, a login.Account, csrf string) (Session, error) {
	v := Session{Account: accountView(a), CSRF: csrf, Permissions: a.Role.Permissions(),
		Scope: Sight{Kind: a.Reach(), Queues: api.Views(who.See.Queues, same), People: api.Views(who.See.People, same)}}
	_, v.Agent = s.cfg.Agents.Roster().Agent(a.ID)
	var err error
	v.UnreadMentions, err = s.mentions.Unread(ctx, a.ID)
	return v, err
}

func accountView(a login.Account) Account {
	return Account{ID: a.ID, Login: a.Login, Name: a.Name, Role: a.Role, Scope: a.Reach(), Locale: a.Locale, Timezone: a.Timezone}
}

type loginInput struct {
	Body struct {
		Login    string `json:"login" minLength:"1" maxLength:"100"`
		Password string `json:"password" minLength:"1" maxLength:"1024"`
	}
}

type sessionReply struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Session
}

type logoutReply struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// cookie is the session's cookie; an empty token deletes it. The server decides when a session has ended, the cookie's age is only the
// longest time that may be.
func cookie(token string, secure bool) http.Cookie {
	c := http.Cookie{
		Name: api.CookieName, Value: token, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
		MaxAge: int(login.TotalLife.Seconds()),
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Server) logIn(ctx context.Context, in *loginInput) (*sessionReply, error) {
	x := api.Of(ctx)
	session, err := s.gate.Login(ctx, login.Attempt{Login: in.Body.Login, Password: in.Body.Password, Remote: x.Remote, UserAgent: x.Agent})
	if errors.Is(err, login.ErrFailed) {
		if err := s.audit(ctx, "login.failed", "login:"+in.Body.Login, nil); err != nil {
			return nil, err
		}
	}
	var throttled *login.Throttled
	if errors.As(err, &throttled) {
		s.metrics.throttled.Inc()
	}
	if err != nil {
		return nil, err
	}
	x.Who = api.Principal{ID: session.Account.ID, Name: session.Account.Name, Role: session.Account.Role, See: s.sight(session.Account), Session: &session}
	v, err := s.sessionView(ctx, x.Who, session.Account, session.CSRF)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "login", "account:"+session.Account.ID, nil); err != nil {
		return nil, err
	}
	return &sessionReply{SetCookie: cookie(session.Token, x.Secure), Body: v}, nil
}

func (s *Server) showSession(ctx context.Context, _ *api.Empty) (*api.Reply[Session], error) {
	who := api.Of(ctx).Who
	if who.Session == nil {
		kind := login.ReachAll
		if !who.See.All {
			kind = login.ReachQueue
		}
		v, err := s.sessionView(ctx, who, login.Account{ID: who.ID, Name: who.Name, Role: who.Role, Scope: kind, Locale: "en", Timezone: "UTC"}, "")
		return api.Answer(v, err)
	}
	v, err := s.sessionView(ctx, who, who.Session.Account, who.Session.CSRF)
	return api.Answer(v, err)
}

func (s *Server) logOut(ctx context.Context, _ *api.Empty) (*logoutReply, error) {
	x := api.Of(ctx)
	if x.Who.Session == nil {
		return nil, noSession()
	}
	if err := s.gate.Logout(ctx, *x.Who.Session); err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "logout", "account:"+x.Who.ID, nil); err != nil {
		return nil, err
	}
	return &logoutReply{SetCookie: cookie("", x.Secure)}, nil
}

func noSession() *api.Problem {
	return api.Forbidden("session.needed", "an API token has no session and no account")
}

type changeAccountInput struct {
	Body struct {
		Name     *string `json:"name,omitempty"`
		Locale   *string `json:"locale,omitempty"`
		Timezone *string `json:"timezone,omitempty"`
		Password *struct {
			Old string `json:"old" maxLength:"1024"`
			New string `json:"new" maxLength:"1024"`
		} `json:"password,omitempty"`
	}
}

func (s *Server) changeOwnAccount(ctx context.Context, in *changeAccountInput) (*api.Reply[Session], error) {
	x := api.Of(ctx)
	if x.Who.Session == nil {
		return nil, noSession()
	}
	change := login.Change{Name: in.Body.Name, Locale: in.Body.Locale, Timezone: in.Body.Timezone, Remote: x.Remote}
	what := map[string]any{"password": in.Body.Password != nil}
	if in.Body.Password != nil {
		change.OldPassword, change.NewPassword = &in.Body.Password.Old, &in.Body.Password.New
	}
	account, err := s.gate.ChangeAccount(ctx, *x.Who.Session, change)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "account.change", "account:"+account.ID, what); err != nil {
		return nil, err
	}
	v, err := s.sessionView(ctx, x.Who, account, x.Who.Session.CSRF)
	return api.Answer(v, err)
}
