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
	Asterisks    []string `json:"asterisks" doc:"the Asterisks that are configured"`
	Away         []string `json:"asterisks_down" doc:"those that are not connected: calls by them are not taken"`
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
	v.Asterisks, v.Away = s.asterisks()
	v.Degraded = v.Degraded || len(v.Away) > 0
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
	for _, t := range s.trunkStates() {
		switch t.Status {
		case trunks.StatusUp:
			v.TrunksUp++
		case trunks.StatusDown:
			v.TrunksDown = append(v.TrunksDown, names[t.TrunkID])
		}
	}
	return v
}

// trunkStates are those of all trunks, whoever carries them.
func (s *Server) trunkStates() []trunks.TrunkState {
	all := s.cfg.Edge.TrunkStates()
	if s.cfg.Asterisk != nil {
		return append(all, s.cfg.Asterisk.TrunkStates()...)
	}
	for _, t := range s.cfg.Directory.Snapshot().Trunks() {
		if t.Enabled && t.Settings.OnAsterisk() {
			all = append(all, trunks.TrunkState{TrunkID: t.ID, Status: trunks.StatusDown, LastErrorCode: "trunk.no_asterisk",
				LastError: "no Asterisk is configured that could carry the trunk: set the key asterisk, or choose the edge sip"})
		}
	}
	return all
}

// asterisks are the names of the Asterisks, and of those that are not connected.
func (s *Server) asterisks() (all, away []string) {
	all, away = []string{}, []string{}
	if s.cfg.Asterisk == nil {
		return all, away
	}
	for _, n := range s.cfg.Asterisk.Nodes() {
		all = append(all, n.Name)
		if !n.Connected {
			away = append(away, n.Name)
		}
	}
	return all, away
}

// dialledByAsterisk takes the connection that an Asterisk opens to us.
func (s *Server) dialledByAsterisk(w http.ResponseWriter, r *http.Request) {
	api.Of(r.Context()).Route = "/asterisk"
	if s.cfg.Asterisk == nil {
		http.NotFound(w, r)
		return
	}
	s.cfg.Asterisk.Serve(r.PathValue("node"), w, r)
}

// quarantined counts the facts that wait for a person; there are few or none.
func (s *Server) quarantined(ctx context.Context) int64 {
	var n int64
	if err := s.cfg.Pool.QueryRow(ctx, "select count(*) from fact_quarantine").Scan(&n); err != nil {
		return -1
	}
	return n
}

// Readiness is the answer of /readyz. An Asterisk that is away degrades a node and does not take it out of service: its other edges
// and its people go on.
type Readiness struct {
	Ready    bool            `json:"ready"`
	Checks   map[string]bool `json:"checks"`
	Degraded []string        `json:"degraded,omitempty"` // asterisk:<name>
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
	_, away := s.asterisks()
	for _, name := range away {
		v.Degraded = append(v.Degraded, "asterisk:"+name)
	}
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
