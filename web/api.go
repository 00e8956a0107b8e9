package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline/web/login"
)

// route is a line of the route table.
type route struct {
	may     login.Permission
	id      string // operationId
	method  string
	path    string
	summary string
	status  int   // of success; 0 is 200, or 204 without a body
	maxBody int64 // 0 is 1 MB
	errors  []int // besides those which every route has
	media   string
}

const (
	handlerTime = 25 * time.Second
	jsonTime    = 15 * time.Second // to send a body of JSON
	uploadTime  = 2 * time.Minute  // to send a larger one
)

// api is the HTTP API: the router, and the document that is made from the same types.
type api struct {
	huma.API
	mux *http.ServeMux
}

func newAPI(version string, authorize func(huma.Context, func(huma.Context))) *api {
	mux := http.NewServeMux()
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	if version == "" {
		version = "dev"
	}
	a := &api{mux: mux, API: humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Hotline", Version: version,
				Description: "Every error is a problem (RFC 9457). Lists are paged by cursor. Times are RFC 3339 in UTC. " +
					"Send an API token as `Authorization: Bearer hl_…`; a browser's session needs its token in `X-CSRF-Token` with every change.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "an API token"},
					"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "a browser's session"},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	})}
	a.UseMiddleware(authorize)
	return a
}

// register adds a route to the router and to the document.
func register[I, O any](a *api, rt route, handler func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: rt.id, Method: rt.method, Path: rt.path, Summary: rt.summary, DefaultStatus: rt.status,
		Tags:     []string{strings.Split(strings.TrimPrefix(rt.path, "/api/v1/"), "/")[0]},
		Metadata: map[string]any{permissionKey: rt.may},
		Errors:   []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, MaxBodyBytes: rt.maxBody, BodyReadTimeout: jsonTime,
		RejectUnknownQueryParameters: true,
		Extensions:                   map[string]any{"x-permission": string(rt.may)},
	}
	op.Errors = append(op.Errors, rt.errors...)
	if rt.may != login.Anyone {
		op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	if strings.Contains(rt.path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if rt.method != http.MethodGet && rt.method != http.MethodDelete {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if rt.maxBody > 1<<20 {
		op.BodyReadTimeout = uploadTime
	}
	if rt.media != "" {
		op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			rt.media: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}}
	}
	huma.Register(a, op, bounded(handler))
}

// bounded gives a handler its time, frees the connection from the time for sending the body, and turns errors into problems.
func bounded[I, O any](handler func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		x := exchangeOf(ctx)
		if x.control != nil {
			_ = x.control.SetReadDeadline(time.Time{}) // else the server takes the late deadline for a lost client
			_ = x.control.SetWriteDeadline(time.Now().Add(handlerTime + answerTime))
		}
		ctx, cancel := context.WithTimeout(ctx, handlerTime)
		defer cancel()
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		p := problemOf(err)
		if p.Status >= 500 && x.fault == nil {
			x.fault = err
		}
		return nil, p.stamp(x.id)
	}
}

// ServeHTTP serves the API and answers what it does not have with a problem.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r) // not handler: only the mux fills the path's values in
		return
	}
	// The router's own answer: 404, 405 with Allow, or a redirect to the cleaned path. Its headers count, its text does not.
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	id := exchangeOf(r.Context()).id
	if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
		w.Header().Set("Allow", allow)
		newProblem(http.StatusMethodNotAllowed, "request.method", fmt.Sprintf("this address takes %s", allow)).stamp(id).write(w)
		return
	}
	newProblem(http.StatusNotFound, "notfound", "there is no such address; /api/openapi.json lists them all").stamp(id).write(w)
}

// probe takes the status and headers of an answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// serveDocument answers with the OpenAPI document.
func (a *api) serveDocument() http.HandlerFunc {
	document, err := json.MarshalIndent(a.OpenAPI(), "", " ")
	if err != nil {
		panic(err) // the types of the API cannot be described: found by every test
	}
	return func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(r.Context()).route = "/api/openapi.json"
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(document)
	}
}
