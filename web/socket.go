package web

import (
	"context"
	"net/http"

	"hotline"
	"hotline/softphone"
	"hotline/web/api"
	"hotline/web/login"
)

// serveAsync answers with the description of the socket.
func serveAsync(w http.ResponseWriter, r *http.Request) {
	api.Of(r.Context()).Route = "/api/asyncapi.yaml"
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(softphone.AsyncAPI())
}

// rights are what each right on the socket asks of a role.
var rights = map[softphone.Right]login.Permission{
	softphone.MayTakeCalls: login.TakeCalls, softphone.MayDialOut: login.DialOut, softphone.MaySupervise: login.SuperviseCalls, softphone.MayWatch: login.ReadBoard,
}

// socket lets somebody who is logged in onto a websocket. The cookie says who they are, and the softphone looks at the page that asks.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	x := api.Of(r.Context())
	x.Route = "/api/v1/socket"
	if p := s.refuse(r, x, login.LoggedIn); p != nil {
		p.Stamp(x.ID).Write(w)
		return
	}
	if x.Who.Session == nil {
		noSession().Stamp(x.ID).Write(w)
		return
	}
	if s.cfg.Phones == nil {
		api.NewProblem(http.StatusServiceUnavailable, "softphone.none", "this hotline has no telephones in browsers").Stamp(x.ID).Write(w)
		return
	}
	account, secret := x.Who.Session.Account, sessionSecret(r)
	s.cfg.Phones.Serve(w, r, softphone.Identity{
		Account: account.ID, Name: account.Name, Role: string(account.Role), Locale: account.Locale, Remote: api.RemoteText(x.Remote), See: x.Who.See,
		May: func(right softphone.Right) bool {
			return account.Role.May(rights[right]) && (right != softphone.MayDialOut || s.cfg.Routes.MayDial(string(account.Role)))
		},
		Check: func(ctx context.Context) (hotline.Scope, error) { return s.still(ctx, secret, account) },
	})
}

func sessionSecret(r *http.Request) string {
	c, err := r.Cookie(api.CookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// still says whether a session is that of the same account with the same role, and what it sees now. Somebody who has logged out is
// Denied; when that cannot be found out, the error is another one.
func (s *Server) still(ctx context.Context, secret string, was login.Account) (hotline.Scope, error) {
	session, err := s.gate.Session(ctx, secret)
	switch {
	case err == nil && session.Account.ID == was.ID && session.Account.Role == was.Role:
		return s.sight(session.Account), nil
	case err == nil || api.ProblemOf(err).Status == http.StatusUnauthorized:
		return hotline.Scope{}, hotline.Errorf(hotline.Denied, "login.required", "log in again")
	}
	return hotline.Scope{}, err
}
