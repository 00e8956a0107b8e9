package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"hotline/call"
	"hotline/call/resume"
	"hotline/call/rows"
	"hotline/ivr"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/postgres"
	"hotline/recordings"
	"hotline/sip"
	"hotline/tickets"
	"hotline/trunks/routes"
	"hotline/web"
)

// house is the product put together. The order of its fields is the order in which its parts are made: each knows only those
// before it.
type house struct {
	log        *slog.Logger
	server     *postgres.Server
	pool       *pgxpool.Pool
	quick      *pgxpool.Pool // for what a call waits for
	journal    *call.Journal
	resume     *resume.Reconciler
	desk       *tickets.Desk
	recordings *recordings.Store
	engine     *media.Engine
	board      *call.Switchboard
	directory  *sip.Directory
	routes     *routes.Book
	trace      *sip.Trace
	edges      edges
	staff      staff
	exchange   *ivr.Exchange
	web        *web.Server
	listener   net.Listener
	cert       *certificate // nil: plain HTTP
	node       string
}

// build makes every part. With an error, what was made so far is closed.
func build(ctx context.Context, c config, demo bool, log *slog.Logger) (h *house, err error) {
	h = &house{log: log, node: c.Node}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if h.listener, err = net.Listen("tcp", c.HTTP.Addr); err != nil {
		return h, fmt.Errorf("the console cannot listen at %s (http_addr, HOTLINE_HTTP_ADDR): %w", c.HTTP.Addr, err)
	}
	for _, stage := range []func(context.Context, config, bool) error{h.openStore, h.openRecords, h.openEdge, h.openAsterisk, h.openDialer, h.openStaff, h.openFlows, h.openPhones, h.openWeb} {
		if err = stage(ctx, c, demo); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (h *house) openStore(ctx context.Context, c config, _ bool) (err error) {
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return fmt.Errorf("the data folder (data_dir, HOTLINE_DATA_DIR): %w", err)
	}
	if h.server, err = postgres.Start(ctx, postgres.Config{URL: c.DatabaseURL, DataDir: c.DataDir, Log: h.log}); err != nil {
		return err
	}
	if h.pool, err = postgres.Connect(ctx, h.server.URL()); err != nil {
		return err
	}
	if err = postgres.Migrate(ctx, h.pool); err != nil {
		return err
	}
	h.quick, err = postgres.ConnectQuick(ctx, h.server.URL())
	return err
}

// openRecords makes what keeps calls: the journal and those who read it.
func (h *house) openRecords(_ context.Context, c config, _ bool) (err error) {
	h.journal, err = rows.OpenJournal(call.JournalConfig{Dir: filepath.Join(c.DataDir, "journal"), Pool: h.pool, Log: h.log})
	if err != nil {
		return err
	}
	h.resume = resume.New(resume.Config{Journal: h.journal, Pool: h.pool, Node: h.node, Log: h.log})
	h.desk = tickets.New(h.pool, tickets.Config{Country: c.Country, Quick: h.quick, Log: h.log})
	h.desk.Register(h.journal)
	key := c.RecordingKey
	if key == "" {
		key = filepath.Join(c.DataDir, "recordings.key")
	}
	h.recordings, err = recordings.Open(recordings.Config{
		Dir: filepath.Join(c.DataDir, "recordings"), KeyFile: key, Pool: h.pool, Journal: h.journal, RetentionDays: c.KeepDays, Log: h.log,
	})
	return err
}

// openEdge makes what carries calls. The switchboard asks the exchange what answers a call; the exchange calls out through the
// edge: so the exchange is looked up when the first call comes.
func (h *house) openEdge(ctx context.Context, c config, _ bool) (err error) {
	bind := netip.Addr{}
	if host, _, err := net.SplitHostPort(c.SIP.Addr); err == nil {
		bind, _ = netip.ParseAddr(host)
	}
	h.engine, err = media.NewEngine(media.Config{PortMin: c.RTP.First, PortMax: c.RTP.Last, BindIP: bind, ExternalIP: c.ExternalAddr, Log: h.log})
	if err != nil {
		return err
	}
	h.board = call.NewSwitchboard(call.Config{
		Journal: h.journal, Node: h.node, MaxCalls: c.MaxCalls, Log: h.log,
		Route: func(ctx context.Context, i call.Info) (call.Script, error) { return h.exchange.Route(ctx, i) },
	})
	if h.directory, err = sip.OpenDirectory(ctx, h.pool, h.log); err != nil {
		return err
	}
	if h.routes, err = routes.Open(ctx, routes.Config{Pool: h.pool, Country: c.Country, Log: h.log}); err != nil {
		return err
	}
	h.trace = sip.NewTrace(sip.TraceConfig{Pool: h.pool, Log: h.log})
	h.edges.sip, err = sip.New(sip.Config{
		ListenUDPTCP: c.SIP.Addr, ListenTLS: c.SIP.TLSAddr, TLSCert: c.SIP.Cert, TLSKey: c.SIP.Key, External: c.ExternalAddr,
		Engine: h.engine, Acceptor: h.board, Directory: h.directory, Trace: h.trace, Log: h.log, MaxCalls: c.MaxCalls,
	})
	return err
}

// openFlows makes what callers meet.
func (h *house) openFlows(ctx context.Context, c config, demo bool) (err error) {
	espeak, err := speech.NewEspeak()
	if err != nil {
		return err
	}
	voice, err := speech.NewVoice(espeak, filepath.Join(c.DataDir, "speech"))
	if err != nil {
		return err
	}
	rules := ivr.Rules{OutboundAllow: outbound(c.DialOut), LookupAllow: c.LookupHosts}
	if demo {
		if err := ivr.SeedDemo(ctx, ivr.NewStore(h.pool, rules, voice)); err != nil {
			return fmt.Errorf("seed the demo: %w", err)
		}
		if err := errors.Join(h.directory.Reload(ctx), h.staff.queues.Reload(ctx)); err != nil {
			return err
		}
	}
	h.exchange, err = ivr.Open(ctx, ivr.Config{
		Pool: h.pool, Voice: voice, Line: h.staff.line, Queues: h.staff.queues, Recordings: h.recordings, Tickets: h.desk, Dialer: h.edges.Dialer,
		Engine: h.engine, Agents: h.staff.agents, Calls: h.board, Observe: func(v call.TalkView) { h.staff.phones.Observe(v) },
		RecordOut: c.RecordOut, Rules: rules, Country: c.Country, Log: h.log,
	})
	return err
}

// outbound makes patterns of prefixes.
func outbound(prefixes []string) []string {
	out := make([]string, len(prefixes))
	for i, p := range prefixes {
		out[i] = p + "*"
	}
	return out
}

func (h *house) openWeb(_ context.Context, c config, _ bool) (err error) {
	if c.secure() {
		if h.cert, err = openCertificate(c, h.log); err != nil {
			return err
		}
		h.listener = h.cert.listen(h.listener)
	}
	h.web, err = web.New(web.Config{
		Pool: h.pool, Desk: h.desk, Recordings: h.recordings, Directory: h.directory, Edge: h.edges.sip, Asterisk: h.edges.asterisk, Trace: h.trace, Flows: h.exchange.Store,
		Queues: h.staff.queues, Line: h.staff.line, Agents: h.staff.agents, Routes: h.routes, Phones: h.staff.phones,
		Switchboard: h.board, Journal: h.journal, Engine: h.engine, Log: h.log, Version: versionText(),
	})
	return err
}

// run lets every part live until it is told to stop: drain is done when no new call may come, stop when those that are left end
// too. It returns when all of it is down.
func (h *house) run(drain, stop context.Context) error {
	g, failed := errgroup.WithContext(context.WithoutCancel(drain))
	floors := h.floors()
	for _, f := range floors {
		f.open(g, context.WithoutCancel(drain))
	}
	g.Go(func() error {
		select {
		case <-drain.Done():
		case <-failed.Done():
		}
		h.finish(failed, stop, floors[0].end)
		for _, f := range floors {
			f.close()
		}
		return nil
	})
	return g.Wait()
}

// floor is parts that end together. One floor is down before the next ends.
type floor struct {
	parts map[string]func(context.Context) error
	end   context.CancelFunc
	down  sync.WaitGroup
}

// floors are the parts in the order in which they end: whoever uses another one goes before it.
func (h *house) floors() []*floor {
	return []*floor{
		{parts: map[string]func(context.Context) error{"switchboard": h.board.Run}},
		{parts: map[string]func(context.Context) error{"softphones": h.staff.phones.Run}},
		{parts: map[string]func(context.Context) error{"audio of browsers": h.staff.hub.Run}},
		{parts: h.edges.parts(map[string]func(context.Context) error{
			"database": h.server.Run, "journal": h.journal.Run, "recordings": h.recordings.Run, "media": h.engine.Run,
			"trunks and numbers": h.directory.Run, "outbound routes": h.routes.Run, "queues": h.staff.queues.Run, "agents": h.staff.agents.Run,
			"line": h.staff.line.Run, "board": h.staff.board.Run, "flows": h.exchange.Run, "SIP trace": h.trace.Run, "SIP": h.edges.sip.Run,
			"web": func(ctx context.Context) error { return h.web.Run(ctx, h.listener) }, "reconciling": h.reconcile,
		})},
	}
}

// open starts the parts.
func (f *floor) open(g *errgroup.Group, ctx context.Context) {
	ctx, f.end = context.WithCancel(ctx)
	for name, run := range f.parts {
		f.down.Add(1)
		g.Go(func() error {
			defer f.down.Done()
			if err := run(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
}

// close ends the parts and waits until they are down.
func (f *floor) close() {
	f.end()
	f.down.Wait()
}

// reconcile closes what a process that was killed left open.
func (h *house) reconcile(ctx context.Context) error {
	if err := h.resume.Run(ctx); err != nil && ctx.Err() == nil {
		h.log.Error("calls of the process before could not be closed", "err", err)
	}
	if err := h.recordings.Repair(ctx); err != nil && ctx.Err() == nil {
		h.log.Error("recordings of the process before could not be repaired", "err", err)
	}
	if h.edges.picker != nil {
		return h.edges.picker.Run(ctx)
	}
	return nil
}

// finish ends the calls, in peace or when stop is done, and files what is left.
func (h *house) finish(base, stop context.Context, endCalls func()) {
	if live, _ := h.board.Count(); live > 0 {
		h.log.Info("no new calls are taken; the calls that are up go on, a second signal ends them", "calls", live)
	}
	waiting, cancel := context.WithCancel(base)
	defer cancel()
	context.AfterFunc(stop, cancel)
	if err := h.board.Drain(waiting); err != nil {
		h.log.Info("the calls that are left are ended")
	}
	endCalls()
	last, cancel := context.WithTimeout(context.WithoutCancel(base), 10*time.Second)
	defer cancel()
	h.drained(last)
	if err := errors.Join(h.recordings.Close(last), h.trace.Flush(last), h.journal.Flush(last)); err != nil {
		h.log.Warn("not everything is in the database yet; the next start files it", "err", err)
	}
}

// drained waits until the switchboard holds no call.
func (h *house) drained(ctx context.Context) {
	if err := h.board.Drain(ctx); err != nil {
		h.log.Warn("calls did not end in time", "err", err)
	}
}

// close releases what the parts hold when none of them runs.
func (h *house) close() {
	if h.listener != nil {
		h.listener.Close()
	}
	if h.edges.spool != nil {
		h.edges.spool.Close()
	}
	if h.journal != nil {
		h.journal.Close()
	}
	if h.quick != nil {
		h.quick.Close()
	}
	if h.pool != nil {
		h.pool.Close()
	}
	if h.server != nil {
		h.server.Close()
	}
}
