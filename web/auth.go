package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline/web/login"
)

// cookieName is the session's cookie.
const cookieName = "hotline_session"

// csrfHeader carries the session's token in every change, which another site's page cannot know.
const csrfHeader = "X-CSRF-Token"

// principal is who asks.
type principal struct {
	ID      string // account id, or "token:NAME"
	Name    string
	Role    login.Role
	Session *login.Session // nil for tokens
}

// permissionKey is where an operation keeps what it asks for.
const permissionKey = "permission"

func permissionOf(op *huma.Operation) login.Permission {
	p, ok := op.Metadata[permissionKey].(login.Permission)
	if !ok {
		return "unknown" // granted to nobody
	}
	return p
}

// authorize lets a request through to its operation when the asker may do it.
func (s *Server) authorize(ctx huma.Context, next func(huma.Context)) {
	x := exchangeOf(ctx.Context())
	x.route = ctx.Operation().Path
	r, w := humago.Unwrap(ctx)
	if p := s.refuse(r, x, permissionOf(ctx.Operation())); p != nil {
		p.stamp(x.id).write(w)
		return
	}
	if p := wrongMedia(r, ctx.Operation()); p != nil {
		p.stamp(x.id).write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	next(ctx)
}

// refuse says why a request may not do what it wants; nil when it may.
func (s *Server) refuse(r *http.Request, x *exchange, need login.Permission) *Problem {
	if need == login.Anyone {
		return nil
	}
	who, err := s.identify(r)
	if err != nil {
		if !errors.Is(err, login.ErrNoSession) {
			s.log.Warn("cannot tell who asks", "request", x.id, "err", err)
		}
		return problemOf(err)
	}
	x.who = who
	if who.Session != nil && !safe(r.Method) && !who.Session.Protects(r.Header.Get(csrfHeader)) {
		return forbidden("csrf", "a change needs the session's token in the header %s", csrfHeader)
	}
	if !who.Role.May(need) {
		return forbidden("role.forbidden", "the role %s may not do this", who.Role)
	}
	return nil
}

// identify finds who asks: by a bearer token if there is one, else by the session's cookie.
func (s *Server) identify(r *http.Request) (principal, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return principal{}, login.ErrNoSession
		}
		t, err := s.gate.Bearer(r.Context(), strings.TrimSpace(secret))
		if err != nil {
			return principal{}, err
		}
		return principal{ID: "token:" + t.Name, Name: t.Name, Role: t.Role}, nil
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return principal{}, login.ErrNoSession
	}
	session, err := s.gate.Session(r.Context(), cookie.Value)
	if err != nil {
		return principal{}, err
	}
	return principal{ID: session.Account.ID, Name: session.Account.Name, Role: session.Account.Role, Session: &session}, nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// wrongMedia refuses a body of a type that the operation does not take. The framework does it for JSON only.
func wrongMedia(r *http.Request, op *huma.Operation) *Problem {
	sent := r.Header.Get("Content-Type")
	if op.RequestBody == nil || sent == "" {
		return nil
	}
	media, _, _ := strings.Cut(sent, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	var takes []string
	for t := range op.RequestBody.Content {
		if t == media {
			return nil
		}
		takes = append(takes, t)
	}
	return newProblem(http.StatusUnsupportedMediaType, "request.media_type", "this address takes "+strings.Join(takes, " or "))
}
