package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline/web/api"
	"hotline/web/login"
)

// authorize lets a request through to its operation when the asker may do it.
func (s *Server) authorize(ctx huma.Context, next func(huma.Context)) {
	x := api.Of(ctx.Context())
	x.Route = ctx.Operation().Path
	r, w := humago.Unwrap(ctx)
	if p := s.refuse(r, x, api.PermissionOf(ctx.Operation())); p != nil {
		p.Stamp(x.ID).Write(w)
		return
	}
	if p := api.WrongMedia(r, ctx.Operation()); p != nil {
		p.Stamp(x.ID).Write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if ctx.Operation().MaxBodyBytes > api.JSONBytes {
		select {
		case s.uploads <- struct{}{}:
			defer func() { <-s.uploads }()
		default:
			api.NewProblem(http.StatusServiceUnavailable, "upload.many", "too many files are being sent at this moment").RetryAfter(5 * time.Second).Stamp(x.ID).Write(w)
			return
		}
	}
	next(ctx)
}

// maxUploads is how many large bodies are taken at once: each is held in memory.
const maxUploads = 12

// refuse says why a request may not do what it wants; nil when it may.
func (s *Server) refuse(r *http.Request, x *api.Exchange, need login.Permission) *api.Problem {
	if need == login.Anyone {
		return nil
	}
	who, err := s.identify(r)
	if err != nil {
		if !errors.Is(err, login.ErrNoSession) && !errors.Is(err, context.Canceled) {
			s.log.Warn("cannot tell who asks", "request", x.ID, "err", err)
		}
		return api.ProblemOf(err)
	}
	x.Who = who
	if who.Session != nil && !api.Safe(r.Method) && !who.Session.Protects(r.Header.Get(api.CSRFHeader)) {
		return api.Forbidden("csrf", "a change needs the session's token in the header %s", api.CSRFHeader)
	}
	if !who.Role.May(need) {
		return api.Forbidden("role.forbidden", "the role %s may not do this", who.Role)
	}
	return nil
}

// identify finds who asks: by a bearer token if there is one, else by the session's cookie.
func (s *Server) identify(r *http.Request) (api.Principal, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return api.Principal{}, login.ErrNoSession
		}
		t, err := s.gate.Bearer(r.Context(), strings.TrimSpace(secret))
		if err != nil {
			return api.Principal{}, err
		}
		return api.Principal{ID: "token:" + t.Name, Name: t.Name, Role: t.Role, See: tokenSight(t)}, nil
	}
	cookie, err := r.Cookie(api.CookieName)
	if err != nil || cookie.Value == "" {
		return api.Principal{}, login.ErrNoSession
	}
	session, err := s.gate.Session(r.Context(), cookie.Value)
	if err != nil {
		return api.Principal{}, err
	}
	return api.Principal{ID: session.Account.ID, Name: session.Account.Name, Role: session.Account.Role, See: s.sight(session.Account), Session: &session}, nil
}
