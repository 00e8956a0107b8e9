package web

import (
	"context"
	"net/http"
	"time"

	"hotline/sip"
	"hotline/trunks"
	"hotline/web/api"
)

// System is how Hotline is right now, on this node.
type System struct {
	Version      string   `json:"version"`
	Degraded     bool     `json:"degraded" doc:"calls go on; what happens is filed later"`
	JournalDepth int      `json:"journal_depth" doc:"facts of calls that wait for the database"`
	Quarantined  int64    `json:"quarantined" doc:"facts that the database refused"`
	Database     string   `json:"database" enum:"ok,away"`
	SIP          SIPState `json:"sip"`
	Media        struct {
		PortsInUse int `json:"ports_in_use"`
		Ports      int `json:"ports" doc:"0: the operating system chooses"`
	} `json:"media"`
	Calls struct {
		Live int `json:"live"`
		Max  int `json:"max"`
	} `json:"calls"`
}

// SIPState is how the SIP edge is.
type SIPState struct {
	Listening  bool     `json:"listening"`
	UDP        string   `json:"udp" doc:"address"`
	TCP        string   `json:"tcp"`
	TLS        string   `json:"tls"`
	Legs       int      `json:"legs"`
	HalfOpen   int      `json:"half_open"`
	TrunksUp   int      `json:"trunks_up"`
	TrunksDown []string `json:"trunks_down" doc:"names"`
}

// pingTime is how long the database may take to answer before it is away.
const pingTime = 2 * time.Second

func (s *Server) databaseAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return s.cfg.Pool.Ping(ctx) == nil
}

func (s *Server) showSystem(ctx context.Context, _ *api.Empty) (*api.Reply[System], error) {
	journal, media, edge := s.cfg.Journal.Stats(), s.cfg.Engine.Stats(), s.cfg.Edge.Stats()
	v := System{Version: s.cfg.Version, Degraded: s.cfg.Journal.Degraded(), JournalDepth: journal.Depth, Database: "ok", SIP: s.sipState(edge)}
	if !s.databaseAnswers(ctx) {
		v.Database, v.Degraded = "away", true
	} else {
		v.Quarantined = s.quarantined(ctx)
	}
	v.Media.PortsInUse, v.Media.Ports = media.PortsInUse, media.Ports
	v.Calls.Live, v.Calls.Max = s.cfg.Switchboard.Count()
	return api.Answer(v, nil)
}

func (s *Server) sipState(st sip.Stats) SIPState {
	v := SIPState{Legs: st.Legs, HalfOpen: st.HalfOpen, TrunksDown: []string{}}
	for transport, to := range map[string]*string{"UDP": &v.UDP, "TCP": &v.TCP, "TLS": &v.TLS} {
		if a := s.cfg.Edge.Addr(transport); a.IsValid() {
			*to = a.String()
		}
	}
	v.Listening = v.UDP != "" || v.TCP != ""
	names := map[string]string{}
	for _, t := range s.cfg.Directory.Snapshot().Trunks() {
		names[t.ID] = t.Name
	}
	for _, t := range s.cfg.Edge.TrunkStates() {
		switch t.Status {
		case trunks.StatusUp:
			v.TrunksUp++
		case trunks.StatusDown:
			v.TrunksDown = append(v.TrunksDown, names[t.TrunkID])
		}
	}
	return v
}

// quarantined counts the facts that wait for a person; there are few or none.
func (s *Server) quarantined(ctx context.Context) int64 {
	var n int64
	if err := s.cfg.Pool.QueryRow(ctx, "select count(*) from fact_quarantine").Scan(&n); err != nil {
		return -1
	}
	return n
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool            `json:"ready"`
	Checks map[string]bool `json:"checks"`
}

// health answers that the process serves requests, and nothing else.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	api.Of(r.Context()).Route = "/healthz"
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte("ok\n"))
}

// ready answers whether this node can do all of its work: its database answers, its journal takes facts, its SIP sockets are open.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	api.Of(r.Context()).Route = "/readyz"
	v := Readiness{Ready: true, Checks: map[string]bool{
		"database": s.databaseAnswers(r.Context()),
		"journal":  s.cfg.Journal.Stats().DiskErr == "",
		"sip":      s.cfg.Edge.Addr("UDP").IsValid(),
		"calls":    !s.cfg.Switchboard.Draining(),
	}}
	for _, ok := range v.Checks {
		v.Ready = v.Ready && ok
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !v.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	api.WriteJSON(w, v)
}
