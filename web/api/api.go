// Package api is the frame of the HTTP API: routes with their document, what is known of a request, refusals, and the small types of
// JSON bodies.
//
// It decides nothing: who may is asked by the permission beside each route, and every status of a domain's error is chosen in
// problem.go. Start reading at [Register].
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline/web/login"
)

// Route is a line of the route table.
type Route struct {
	May     login.Permission
	ID      string // operationId
	Method  string
	Path    string
	Summary string
	Status  int   // of success; 0 is 200, or 204 without a body
	MaxBody int64 // 0 is 1 MB
	Errors  []int // besides those which every route has
	Media   string
}

// JSONBytes is the largest body of a route that does not say otherwise.
const JSONBytes = 1 << 20

const (
	handlerTime = 25 * time.Second
	jsonTime    = 15 * time.Second // to send a body of JSON
	UploadTime  = 2 * time.Minute  // to send a larger one
)

// API is the HTTP API: the router, and the document that is made from the same types.
type API struct {
	huma.API
	mux *http.ServeMux
}

// New makes an API without routes; authorize is asked before each of them.
func New(version string, authorize func(huma.Context, func(huma.Context))) *API {
	mux := http.NewServeMux()
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	if version == "" {
		version = "dev"
	}
	a := &API{mux: mux, API: humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Hotline", Version: version,
				Description: "Every error is a problem (RFC 9457). Lists are paged by cursor. Times are RFC 3339 in UTC. " +
					"Send an API token as `Authorization: Bearer hl_…`; a browser's session needs its token in `X-CSRF-Token` with every change.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":   {Type: "http", Scheme: "bearer", Description: "an API token"},
					"session": {Type: "apiKey", In: "cookie", Name: CookieName, Description: "a browser's session"},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat: "application/json",
	})}
	a.UseMiddleware(authorize)
	return a
}

// schemaName names a schema in the document. Types of other packages bear the package's name in front: there are settings of queues and
// of routes.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	of, ours := strings.CutPrefix(t.PkgPath(), "hotline/")
	if !ours || strings.HasPrefix(of, "web") || t.Name() == "" {
		return name
	}
	of = path.Base(of)
	return strings.ToUpper(of[:1]) + of[1:] + name
}

// Register adds a route to the router and to the document.
func Register[I, O any](a *API, rt Route, handler func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		OperationID: rt.ID, Method: rt.Method, Path: rt.Path, Summary: rt.Summary, DefaultStatus: rt.Status,
		Tags:     []string{strings.Split(strings.TrimPrefix(rt.Path, "/api/v1/"), "/")[0]},
		Metadata: map[string]any{permissionKey: rt.May},
		Errors:   []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, MaxBodyBytes: rt.MaxBody, BodyReadTimeout: jsonTime,
		RejectUnknownQueryParameters: true,
		Extensions:                   map[string]any{"x-permission": string(rt.May)},
	}
	op.Errors = append(op.Errors, rt.Errors...)
	if rt.May != login.Anyone {
		op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	if strings.Contains(rt.Path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if rt.Method != http.MethodGet && rt.Method != http.MethodDelete {
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if rt.MaxBody > JSONBytes {
		op.BodyReadTimeout = UploadTime
	}
	if rt.Media != "" {
		op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			rt.Media: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}}
	}
	huma.Register(a, op, bounded(handler))
}

// bounded gives a handler its time, frees the connection from the time for sending the body, and turns errors into problems.
func bounded[I, O any](handler func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		x := Of(ctx)
		if x.Control != nil {
			_ = x.Control.SetReadDeadline(time.Time{}) // else the server takes the late deadline for a lost client
			_ = x.Control.SetWriteDeadline(time.Now().Add(handlerTime + AnswerTime))
		}
		ctx, cancel := context.WithTimeout(ctx, handlerTime)
		defer cancel()
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		p := ProblemOf(err)
		if p.Status >= 500 && x.Fault == nil {
			x.Fault = err
		}
		return nil, p.Stamp(x.ID)
	}
}

// ServeHTTP serves the API and answers what it does not have with a problem.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r) // not handler: only the mux fills the path's values in
		return
	}
	// The router's own answer: 404, 405 with Allow, or a redirect to the cleaned path. Its headers count, its text does not.
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	id := Of(r.Context()).ID
	if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
		w.Header().Set("Allow", allow)
		NewProblem(http.StatusMethodNotAllowed, "request.method", fmt.Sprintf("this address takes %s", allow)).Stamp(id).Write(w)
		return
	}
	NewProblem(http.StatusNotFound, "notfound", "there is no such address; /api/openapi.json lists them all").Stamp(id).Write(w)
}

// probe takes the status and headers of an answer.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

// ServeDocument answers with the OpenAPI document.
func (a *API) ServeDocument() http.HandlerFunc {
	document, err := json.MarshalIndent(a.OpenAPI(), "", " ")
	if err != nil {
		panic(err) // the types of the API cannot be described: found by every test
	}
	return func(w http.ResponseWriter, r *http.Request) {
		Of(r.Context()).Route = "/api/openapi.json"
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(document)
	}
}
