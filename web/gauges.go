package web

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges reads the figures of the other packages when Prometheus asks.
type gauges struct {
	s     *Server
	descs map[string]*prometheus.Desc
}

func newGauges(s *Server) *gauges {
	g := &gauges{s: s, descs: map[string]*prometheus.Desc{}}
	for _, d := range []struct{ name, help, label string }{
		{"up_database", "1 when the database answers.", ""},
		{"calls", "Calls that go on.", ""},
		{"calls_max", "Calls that may go on at a time.", ""},
		{"calls_refused_total", "Calls refused by the switchboard, by reason; no_flow: the number's flow has no published version. What the SIP edge refuses before is in hotline_sip_guard_refused_total.", "reason"},
		{"sip_legs", "SIP dialogs that go on.", ""},
		{"sip_half_open", "INVITEs without a final answer.", ""},
		{"sip_invites_accepted_total", "INVITEs that were let in.", ""},
		{"sip_invites_refused_total", "INVITEs answered with 503 for want of room.", ""},
		{"sip_invites_rejected_total", "INVITEs answered with another refusal.", ""},
		{"sip_invites_sent_total", "INVITEs of ours.", ""},
		{"sip_requests_total", "SIP requests that came, by method.", "method"},
		{"sip_responses_total", "SIP responses of ours, by class.", "class"},
		{"sip_guard_passed_total", "SIP messages that were let through to the parser.", ""},
		{"sip_guard_refused_total", "What was not let in, by reason; strangers among them.", "reason"},
		{"sip_logins_total", "Digest logins of trunks, by outcome.", "outcome"},
		{"sip_connections", "Open SIP connections (TCP, TLS).", ""},
		{"sip_trace_lost_total", "SIP messages that were not kept because the database was away too long.", ""},
		{"asterisk_up", "1 while an Asterisk is connected.", "node"},
		{"asterisk_draining", "1 while an Asterisk takes no new calls.", "node"},
		{"asterisk_rtt_seconds", "Round trip of the last ping of an Asterisk.", "node"},
		{"asterisk_calls", "Legs that an Asterisk carries.", "node"},
		{"asterisk_accepted_total", "Calls that came in by an Asterisk.", "node"},
		{"asterisk_refused_total", "Calls refused for want of room, or because the Asterisk is drained.", "node"},
		{"asterisk_rejected_total", "Calls refused for other reasons.", "node"},
		{"asterisk_dialled_total", "Calls that went out by an Asterisk.", "node"},
		{"asterisk_lost_total", "Legs that were gone after a reconnect.", "node"},
		{"asterisk_adopted_total", "Legs that were taken over after a reconnect or a restart.", "node"},
		{"asterisk_swept_total", "Channels and bridges in our name that nobody owned.", "node"},
		{"asterisk_reconnects_total", "Connections to an Asterisk that were made again.", "node"},
		{"trunk_up", "1 when a trunk answers, 0 when not; trunks of which nothing is asked are left out.", "trunk"},
		{"rtp_ports_in_use", "RTP ports in use.", ""},
		{"rtp_ports", "RTP ports there are; 0 when the system chooses.", ""},
		{"rtp_streams", "Audio streams that go on.", ""},
		{"journal_depth", "Facts of calls that wait for the database.", ""},
		{"journal_filed_total", "Facts filed.", ""},
		{"journal_applied_total", "Facts applied.", ""},
		{"journal_degraded", "1 while facts cannot be written or applied.", ""},
		{"quarantine", "Facts that the database refused and that wait for a person.", ""},
		{"recordings", "Recordings, by state.", "state"},
		{"queue_waiting", "Callers who wait on this node, by queue.", "queue"},
	} {
		var labels []string
		if d.label != "" {
			labels = []string{d.label}
		}
		g.descs[d.name] = prometheus.NewDesc("hotline_"+d.name, d.help, labels, nil)
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	set := func(name string, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.descs[name], prometheus.GaugeValue, v, labels...)
	}
	count := func(name string, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(g.descs[name], prometheus.CounterValue, float64(v), labels...)
	}
	g.calls(set, count)
	g.edge(set, count)
	g.asterisks(set, count)
	media := g.s.cfg.Engine.Stats()
	set("rtp_ports_in_use", float64(media.PortsInUse))
	set("rtp_ports", float64(media.Ports))
	set("rtp_streams", float64(media.Streams))
	g.stored(set)
}

type setFunc func(name string, v float64, labels ...string)
type countFunc func(name string, v uint64, labels ...string)

func (g *gauges) calls(set setFunc, count countFunc) {
	live, limit := g.s.cfg.Switchboard.Count()
	set("calls", float64(live))
	set("calls_max", float64(limit))
	refused := g.s.cfg.Switchboard.Refused()
	count("calls_refused_total", refused.Full, "full")
	count("calls_refused_total", refused.Draining, "draining")
	count("calls_refused_total", refused.Route, "no_flow")
	j := g.s.cfg.Journal.Stats()
	set("journal_depth", float64(j.Depth))
	count("journal_filed_total", j.Filed)
	count("journal_applied_total", j.Applied)
	set("journal_degraded", truth(g.s.cfg.Journal.Degraded()))
}

func (g *gauges) edge(set setFunc, count countFunc) {
	st, guard := g.s.cfg.Edge.Stats(), g.s.cfg.Edge.Guard().Stats()
	set("sip_legs", float64(st.Legs))
	set("sip_half_open", float64(st.HalfOpen))
	count("sip_invites_accepted_total", st.Accepted)
	count("sip_invites_refused_total", st.Refused)
	count("sip_invites_rejected_total", st.Rejected)
	count("sip_invites_sent_total", st.Dialled)
	for method, n := range st.Requests {
		count("sip_requests_total", n, method)
	}
	for class, n := range st.Answers {
		count("sip_responses_total", n, class)
	}
	count("sip_guard_passed_total", guard.Passed)
	for reason, n := range guard.Refused {
		count("sip_guard_refused_total", n, reason)
	}
	for outcome, n := range guard.Logins {
		count("sip_logins_total", n, outcome)
	}
	set("sip_connections", float64(guard.Connections))
	count("sip_trace_lost_total", g.s.cfg.Trace.Stats().Lost)
	names := map[string]string{}
	for _, t := range g.s.cfg.Directory.Snapshot().Trunks() {
		names[t.ID] = t.Name
	}
	for _, t := range g.s.trunkStates() {
		if name, ok := names[t.TrunkID]; ok && (t.Status == "up" || t.Status == "down") {
			set("trunk_up", truth(t.Status == "up"), name)
		}
	}
}

// asterisks says how the Asterisks fare, each by its name.
func (g *gauges) asterisks(set setFunc, count countFunc) {
	if g.s.cfg.Asterisk == nil {
		return
	}
	for _, n := range g.s.cfg.Asterisk.Nodes() {
		set("asterisk_up", truth(n.Connected), n.Name)
		set("asterisk_draining", truth(n.Drained != nil), n.Name)
		set("asterisk_rtt_seconds", n.RTTMS/1000, n.Name)
		set("asterisk_calls", float64(n.Calls), n.Name)
		for name, v := range map[string]uint64{"accepted": n.Accepted, "refused": n.Refused, "rejected": n.Rejected, "dialled": n.Dialled,
			"lost": n.Lost, "adopted": n.Adopted, "swept": n.Swept, "reconnects": n.Reconnects} {
			count("asterisk_"+name+"_total", v, n.Name)
		}
	}
}

// stored reads what is in the database, briefly: a scrape must not wait for it.
func (g *gauges) stored(set setFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	rows, err := g.s.cfg.Pool.Query(ctx, `select 'quarantine', '', count(*) from fact_quarantine
		union all select 'recordings', state, count(*) from recording group by state
		union all select 'queue_waiting', name, 0 from queue`)
	if err != nil {
		set("up_database", 0)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var name, label string
		var n float64
		if rows.Scan(&name, &label, &n) != nil {
			break
		}
		switch {
		case label == "":
			set(name, n)
		case name == "queue_waiting":
			set(name, float64(g.s.cfg.Line.Count(label)), label)
		default:
			set(name, n, label)
		}
	}
	set("up_database", truth(rows.Err() == nil))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
