package web

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"hotline"
	"hotline/web/api"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack is for the socket: the websocket library asks the writer itself, not its controller.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// observe is the outermost layer: request id, access log, metrics, panics.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		x := &api.Exchange{
			ID: hotline.NewID(), Remote: s.remoteOf(r), Secure: s.cfg.Secure || r.TLS != nil,
			Agent: r.UserAgent(), Route: "none", Control: http.NewResponseController(w),
		}
		// Answers must be read in bounded time; requests without a body may take as long as they need to be answered.
		_ = x.Control.SetWriteDeadline(start.Add(2 * api.AnswerTime))
		if r.ContentLength == 0 {
			_ = x.Control.SetReadDeadline(time.Time{})
		}
		w.Header().Set("X-Request-Id", x.ID)
		secureHeaders(w.Header(), x.Secure)
		defer func() {
			if v := recover(); v != nil {
				s.panicked(rec, x, v)
			}
			s.account(r, rec, x, time.Since(start))
		}()
		next.ServeHTTP(rec, r.WithContext(api.With(r.Context(), x)))
	})
}

// panicked answers for a handler that broke.
func (s *Server) panicked(rec *recorder, x *api.Exchange, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.log.Error("handler panicked", "request", x.ID, "route", x.Route, "panic", v, "stack", string(debug.Stack()))
	if rec.status == 0 {
		api.NewProblem(http.StatusInternalServerError, "internal", "something went wrong on our side").Stamp(x.ID).Write(rec)
	}
}

// account logs and counts a served request. Queries are left out: they may hold what people search for.
func (s *Server) account(r *http.Request, rec *recorder, x *api.Exchange, took time.Duration) {
	s.metrics.served(r.Method, x.Route, rec.status, took)
	level := slog.LevelInfo
	switch {
	case rec.status >= 500:
		level = slog.LevelWarn
	case rec.status == api.StatusGone, x.Route == "/healthz" || x.Route == "/readyz" || x.Route == "/metrics" || x.Route == "console":
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{slog.String("request", x.ID), slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
		slog.Duration("took", took), slog.String("remote", x.Remote.String()), slog.String("actor", x.Who.ID)}
	if x.Fault != nil {
		attrs = append(attrs, slog.String("err", x.Fault.Error()))
	}
	s.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// remoteOf is the address of the client: the peer, or, when the peer is a trusted proxy, whom the proxy names.
func (s *Server) remoteOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// secureHeaders are those of everything; the console replaces the policy by its own.
func secureHeaders(h http.Header, secure bool) {
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
