// Package web is the door for people and programs: the HTTP API with its OpenAPI document, the console's files, health and metrics.
//
// A handler decodes, calls one function of a domain, encodes; status codes are chosen in problem.go and nowhere else, and who may do
// what is asked of package login by the permission that stands beside each route. It keeps nothing of its own but the memory of who
// is listening to what, and it never decides anything about a call or a ticket.
//
// Start reading at routes.go, the table of all routes; exchange.go is what every request passes, auth.go how it is let in, scope.go whose
// tickets and calls it sees. The frame (routes, problems, JSON) is package api below, the routes about agents are package staff.
package web

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd"
	"hotline/asterisk"
	"hotline/call"
	"hotline/ivr"
	"hotline/media"
	"hotline/recordings"
	"hotline/sip"
	"hotline/softphone"
	"hotline/tickets"
	"hotline/tickets/attachments"
	"hotline/tickets/mentions"
	"hotline/trunks/routes"
	"hotline/web/api"
	"hotline/web/login"
)

// Config is what a [Server] works with. Everything but Asterisk, Phones, TrustedProxies and Secure is needed.
type Config struct {
	Pool        *pgxpool.Pool
	Desk        *tickets.Desk
	Recordings  *recordings.Store
	Directory   *sip.Directory
	Edge        *sip.Edge
	Asterisk    *asterisk.Edge // nil: none is configured
	Trace       *sip.Trace
	Flows       *ivr.Store // an exchange has one
	Queues      *acd.Queues
	Line        *acd.Line
	Agents      *acd.Agents
	Routes      *routes.Book
	Phones      *softphone.Gateway // nil: no browser is an agent's telephone
	Switchboard *call.Switchboard
	Journal     *call.Journal
	Engine      *media.Engine
	Log         *slog.Logger
	Version     string

	Secure         bool           // people reach us by https although we see http: a proxy in front ends TLS
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
}

// Server serves HTTP.
type Server struct {
	cfg         Config
	log         *slog.Logger
	gate        *login.Gate
	api         *api.API
	metrics     *metrics
	listenings  *listenings
	mentions    *mentions.Store
	attachments *attachments.Store
	uploads     chan struct{} // holds one for each large body under way
	handler     http.Handler
}

// New makes the server; nothing listens before [Server.Run].
func New(cfg Config) (*Server, error) {
	files, err := fs.Sub(consoleFiles, "console/dist")
	if err != nil {
		return nil, err
	}
	return newServer(cfg, files)
}

func newServer(cfg Config, files fs.FS) (*Server, error) {
	if cfg.Pool == nil || cfg.Desk == nil || cfg.Recordings == nil || cfg.Directory == nil || cfg.Edge == nil || cfg.Trace == nil || cfg.Flows == nil ||
		cfg.Queues == nil || cfg.Line == nil || cfg.Switchboard == nil || cfg.Journal == nil || cfg.Engine == nil || cfg.Agents == nil || cfg.Routes == nil {
		return nil, errors.New("web: a part of the configuration is missing")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{
		cfg: cfg, log: cfg.Log.With("part", "web"), gate: login.New(cfg.Pool),
		listenings: &listenings{last: map[listening]time.Time{}, now: time.Now},
		mentions:   mentions.New(cfg.Pool), attachments: attachments.New(cfg.Pool), uploads: make(chan struct{}, maxUploads),
	}
	s.metrics = newMetrics(newGauges(s))
	s.api = api.New(cfg.Version, s.authorize)
	s.routes(s.api)
	pages, err := openConsole(files)
	if err != nil {
		return nil, err
	}
	s.handler = s.observe(s.outer(pages))
	return s, nil
}

// outer divides the addresses: the API and what describes it, health, metrics, and the console for all the rest.
func (s *Server) outer(pages http.Handler) http.Handler {
	// Browsers say where a request comes from (Sec-Fetch-Site, Origin); a change from another site is refused before anything else.
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.Forbidden("origin", "this change comes from a page of another site").Stamp(api.Of(r.Context()).ID).Write(w)
	}))
	mux := http.NewServeMux()
	mux.Handle("/api/", origin.Handler(s.api))
	mux.Handle("GET /api/openapi.json", s.api.ServeDocument())
	mux.HandleFunc("GET /api/asyncapi.yaml", serveAsync)
	mux.HandleFunc("GET /api/v1/socket", s.socket)
	mux.HandleFunc("GET /asterisk/{node}", s.dialledByAsterisk)
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.Handle("/", pages)
	return mux
}

// serveMetrics answers machines on this host, and whoever is logged in or has a token.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	x := api.Of(r.Context())
	x.Route = "/metrics"
	if !x.Remote.IsLoopback() {
		if p := s.refuse(r, x, login.LoggedIn); p != nil {
			p.Stamp(x.ID).Write(w)
			return
		}
	}
	s.metrics.handler().ServeHTTP(w, r)
}

// Handler serves everything.
func (s *Server) Handler() http.Handler { return s.handler }

// closingTime is how long requests under way may take when the server stops.
const closingTime = 5 * time.Second

// Run serves on the listener until ctx ends, then lets requests under way finish. It closes the listener.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: api.UploadTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	var sweeping sync.WaitGroup
	sweepCtx, stop := context.WithCancel(ctx)
	sweeping.Go(func() { _ = s.gate.Run(sweepCtx, s.log) }) // ends with its context, without an error
	defer sweeping.Wait()
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		_ = server.Close() // whoever is still downloading is cut off
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
