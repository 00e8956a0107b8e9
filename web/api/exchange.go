package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"hotline"
	"hotline/tickets"
	"hotline/web/login"
)

// Exchange is what is known of a request while it is served.
type Exchange struct {
	ID      string
	Remote  netip.Addr
	Secure  bool // came over TLS
	Agent   string
	Who     Principal
	Route   string // pattern, for metrics and log
	Control *http.ResponseController
	Fault   error // why the answer is a 5xx, for the log alone
}

// Principal is who asks.
type Principal struct {
	ID      string // account id, or "token:NAME"
	Name    string
	Role    login.Role
	See     hotline.Scope  // whose tickets they see
	Session *login.Session // nil for tokens
}

// GovernsAll says whether somebody may change what holds for every queue: who sees everything, and who sets things up.
func (p Principal) GovernsAll() bool { return p.See.All || p.Role.May(login.WriteSetup) }

// Governs says whether a queue is somebody's to look into and, if their role allows it at all, to change.
func (p Principal) Governs(queue string) bool { return p.GovernsAll() || p.See.Sees(queue) }

// AnswerTime bounds how long a client may take to read an answer that is not streamed.
const AnswerTime = 30 * time.Second

// CookieName is the session's cookie.
const CookieName = "hotline_session"

// CSRFHeader carries the session's token in every change, which another site's page cannot know.
const CSRFHeader = "X-CSRF-Token"

type exchangeKey struct{}

// With puts the exchange into a request's context.
func With(ctx context.Context, x *Exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// Of returns the exchange of a request's context; outside of a request, an empty one.
func Of(ctx context.Context) *Exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{}
}

// Actor is who asks, as the domain writes it down.
func Actor(ctx context.Context) tickets.Actor {
	x := Of(ctx)
	return tickets.Actor{ID: x.Who.ID, Name: x.Who.Name, Role: string(x.Who.Role), Remote: RemoteText(x.Remote)}
}

// RemoteText is how a remote address is written into the audit.
func RemoteText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// permissionKey is where an operation keeps what it asks for.
const permissionKey = "permission"

// PermissionOf is what an operation asks for.
func PermissionOf(op *huma.Operation) login.Permission {
	p, ok := op.Metadata[permissionKey].(login.Permission)
	if !ok {
		return "unknown" // granted to nobody
	}
	return p
}

// Safe says whether a method changes nothing.
func Safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// WrongMedia refuses a body of a type that the operation does not take. The framework does it for JSON only.
func WrongMedia(r *http.Request, op *huma.Operation) *Problem {
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
	return NewProblem(http.StatusUnsupportedMediaType, "request.media_type", "this address takes "+strings.Join(takes, " or "))
}

// WriteJSON writes v as a body.
func WriteJSON(w io.Writer, v any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the peer is gone when this fails
}

// SeqCursor reads the cursor of a list that is paged by a number.
func SeqCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || seq < 0 {
		return 0, &hotline.Error{Kind: hotline.Invalid, Code: "list.cursor", Field: "query.cursor",
			Message: "the cursor is none that this list has given; leave it out to start again"}
	}
	return seq, nil
}

// CursorOf is the cursor of a list that is paged by a number; 0 is the end.
func CursorOf(seq int64) string {
	if seq == 0 {
		return ""
	}
	return strconv.FormatInt(seq, 10)
}
