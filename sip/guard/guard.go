// Package guard decides what is let in from the network, before anything of it is parsed.
//
// It owns the counts of refusals, the rates a source may have, the caps of connections. What it remembers of strangers is bounded,
// and what it costs to refuse one is a table look-up. It answers nothing itself and owns no socket: the edge asks it about each
// message ([Guard.Packet]) and connection ([Guard.Connect]).
package guard

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"hotline/trunks"
	"hotline/trunks/rate"
)

// Verdict of [Guard.Packet] on a message.
type Verdict int

// The verdicts.
const (
	Drop   Verdict = iota // say nothing
	Refuse                // answer without keeping anything: 401 if there are trunks that log in, else 403
	Pass                  // handle it
)

// Reason why something was not let in. The values are label values of the metric.
type Reason int

// The reasons.
const (
	ReasonStranger   Reason = iota // comes from no trunk
	ReasonFlood                    // too much from one source
	ReasonCrowd                    // too many strangers together
	ReasonTooLarge                 // message above the limit
	ReasonMalformed                // no SIP
	ReasonUnassigned               // number that nobody has
	ReasonFull                     // no more calls
	ReasonTrunkFull                // no more calls on this trunk
	ReasonTrunkFast                // more new calls a second than the trunk may
	ReasonConns                    // too many connections of one source
	ReasonIdle                     // connection that said nothing, or half a message
	reasonCount
)

var reasonNames = [reasonCount]string{
	"stranger", "flood", "crowd", "too_large", "malformed", "unassigned", "full", "trunk_full", "trunk_fast", "connections", "idle",
}

func (r Reason) String() string { return reasonNames[r] }

// Config says how much is listened to. Zero values are defaults.
type Config struct {
	Directory      *trunks.Directory
	Silent         bool    // strangers get no answer at all
	StrangerRate   float64 // messages a second of one stranger (default 5, burst four times that)
	CrowdRate      float64 // messages a second of all strangers together (200)
	TrunkRate      float64 // messages a second of one address of a trunk (20,000)
	ConnsPerSource int     // TCP and TLS connections of one stranger (16); a trunk may have 16 times as many
	Conns          int     // connections of everybody (4,096)
	Log            *slog.Logger
}

// Limits are what whoever reads from the network must hold.
type Limits struct {
	MaxMessage   int           // bytes of a message
	MaxHeaders   int           // header lines of a message
	MaxLine      int           // bytes of a header line
	FirstMessage time.Duration // from connecting to the first whole message
	HalfMessage  time.Duration // from the first byte of a message to its last
	IdleStranger time.Duration // without a message, before the sender has proved to be a trunk
	IdleTrunk    time.Duration
}

// Guard decides what is let in, before anything is parsed. What it remembers of strangers is bounded; what it costs to refuse one is
// a table look-up.
type Guard struct {
	cfg       Config
	strangers *rate.Limiter[netip.Addr]
	trunks    *rate.Limiter[netip.Addr]
	fast      *rateByTrunk

	mu    sync.Mutex // guards crowd, peers, conns, total
	crowd rate.Bucket
	peers *rate.Table[netip.AddrPort, time.Time] // who proved its address, or whom we have sent to
	conns map[netip.Addr]int
	total int

	refused [reasonCount]atomic.Uint64
	passed  atomic.Uint64
}

const (
	remembers = 16384
	peerTime  = time.Hour
)

// New makes a guard.
func New(cfg Config) *Guard {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&cfg.StrangerRate, 5)
	def(&cfg.CrowdRate, 200)
	def(&cfg.TrunkRate, 20_000)
	if cfg.ConnsPerSource == 0 {
		cfg.ConnsPerSource = 16
	}
	if cfg.Conns == 0 {
		cfg.Conns = 4096
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Guard{
		cfg:       cfg,
		strangers: rate.NewLimiter[netip.Addr](cfg.StrangerRate, 4*cfg.StrangerRate, remembers),
		trunks:    rate.NewLimiter[netip.Addr](cfg.TrunkRate, 2*cfg.TrunkRate, remembers),
		fast:      newRateByTrunk(),
		peers:     rate.NewTable[netip.AddrPort, time.Time](remembers),
		conns:     map[netip.Addr]int{},
	}
}

// Limits returns what the readers must hold.
func (g *Guard) Limits() Limits {
	return Limits{
		MaxMessage: 65_535, MaxHeaders: 256, MaxLine: 8192,
		FirstMessage: 10 * time.Second, HalfMessage: 10 * time.Second, IdleStranger: 30 * time.Second, IdleTrunk: 30 * time.Minute,
	}
}

// Packet judges a message that has arrived: a datagram, or one message of a stream.
func (g *Guard) Packet(source netip.AddrPort, data []byte) Verdict {
	if g == nil {
		return Pass
	}
	now := time.Now()
	from := netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	if len(data) > g.Limits().MaxMessage {
		return g.drop(ReasonTooLarge)
	}
	if g.cfg.Directory.Snapshot().Known(from.Addr()) || g.expected(from, now) {
		if !g.trunks.Take(from.Addr(), now) {
			return g.drop(ReasonFlood)
		}
		g.passed.Add(1)
		return Pass
	}
	return g.stranger(from, data, now)
}

// stranger judges a message of somebody who is no trunk: at most he is told so. He may prove that he receives at his address by a
// nonce of ours; only then anything is kept for him.
func (g *Guard) stranger(from netip.AddrPort, data []byte, now time.Time) Verdict {
	if !g.strangers.Take(sourceBlock(from.Addr()), now) {
		return g.drop(ReasonFlood)
	}
	g.mu.Lock()
	ok := g.crowd.Take(now, g.cfg.CrowdRate, 2*g.cfg.CrowdRate)
	g.mu.Unlock()
	if !ok {
		return g.drop(ReasonCrowd)
	}
	g.refused[ReasonStranger].Add(1)
	method, _, _ := bytes.Cut(data, []byte(" "))
	switch string(method) {
	case "ACK", "CANCEL", "SIP/2.0": // cannot be challenged (RFC 3261, section 22.1), or was not asked for
		return Drop
	}
	if len(bytes.TrimSpace(data)) == 0 || g.cfg.Silent {
		return Drop
	}
	if g.Challenges() && g.cfg.Directory.GaveNonce(rawHeaders(data, "authorization"), from.Addr()) {
		g.Expect(from)
		return Pass
	}
	return Refuse
}

func (g *Guard) drop(r Reason) Verdict {
	g.refused[r].Add(1)
	return Drop
}

// Challenges says whether a refused stranger is asked for a password (401) rather than sent away (403).
func (g *Guard) Challenges() bool { return g.cfg.Directory.Snapshot().TakesLogins() }

// Expect lets in what comes from an address for an hour from now: we send requests there, or it has proved itself.
func (g *Guard) Expect(peer netip.AddrPort) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peers.Put(netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), time.Now().Add(peerTime))
}

func (g *Guard) expected(from netip.AddrPort, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.peers.Get(from)
	if ok && now.After(until) {
		g.peers.Delete(from)
		return false
	}
	return ok
}

// Connect admits a TCP or TLS connection; release is called when it is closed.
func (g *Guard) Connect(source netip.Addr) (release func(), ok bool) {
	if g == nil {
		return func() {}, true
	}
	most := g.cfg.ConnsPerSource
	if g.cfg.Directory.Snapshot().Known(source) {
		most *= 16
	}
	key := sourceBlock(source)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[key] >= most || g.total >= g.cfg.Conns {
		g.refused[ReasonConns].Add(1)
		return nil, false
	}
	g.conns[key]++
	g.total++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.total--
		if g.conns[key]--; g.conns[key] == 0 {
			delete(g.conns, key)
		}
	}), true
}

// Admit lets a trunk start a call as often as its max_cps says; else the caller is told to come back after some seconds, not all
// at the same one.
func (g *Guard) Admit(_ netip.Addr, t *trunks.Trunk) (ok bool, retryAfter int) {
	if g == nil || t == nil || t.Settings.MaxCPS == 0 {
		return true, 0
	}
	if g.fast.take(t.ID, float64(t.Settings.MaxCPS), time.Now()) {
		return true, 0
	}
	g.refused[ReasonTrunkFast].Add(1)
	return false, 1 + rand.IntN(5)
}

// Refused counts a refusal that was decided elsewhere.
func (g *Guard) Refused(r Reason) {
	if g != nil && r >= 0 && r < reasonCount {
		g.refused[r].Add(1)
	}
}

// Malformed counts a message of somebody who may speak to us that is no proper SIP.
func (g *Guard) Malformed() { g.Refused(ReasonMalformed) }

// Stats are counts since the start, and what is held now.
type Stats struct {
	Passed      uint64            `json:"passed"`
	Refused     map[string]uint64 `json:"refused"` // by reason
	Logins      map[string]uint64 `json:"logins"`  // by outcome
	Connections int               `json:"connections"`
	Remembered  int               `json:"remembered"` // strangers and peers in memory
}

// Stats returns the counts.
func (g *Guard) Stats() Stats {
	s := Stats{Refused: map[string]uint64{}, Logins: map[string]uint64{}}
	if g == nil {
		return s
	}
	s.Passed = g.passed.Load()
	for r := range reasonCount {
		s.Refused[r.String()] = g.refused[r].Load()
	}
	for o, n := range g.cfg.Directory.Logins() {
		s.Logins[string(o)] = n
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Connections = g.total
	s.Remembered = g.peers.Len() + g.strangers.Len()
	return s
}

// rateByTrunk holds a bucket a trunk; the rate is the trunk's own and may change.
type rateByTrunk struct {
	mu      sync.Mutex
	buckets *rate.Table[string, *rate.Bucket]
}

func newRateByTrunk() *rateByTrunk {
	return &rateByTrunk{buckets: rate.NewTable[string, *rate.Bucket](remembers)}
}

func (r *rateByTrunk) take(id string, perSecond float64, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.buckets.Get(id)
	if !ok {
		b = &rate.Bucket{}
		r.buckets.Put(id, b)
	}
	return b.Take(now, perSecond, perSecond)
}

// sourceBlock returns what counts as one source: a network gives an IPv6 customer a whole /64.
func sourceBlock(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// rawHeaders returns the values of a header in a message that was not parsed.
func rawHeaders(data []byte, lower string) []string {
	var out []string
	for len(data) > 0 && len(out) < 16 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(bytes.TrimSpace(name), []byte(lower)) {
			out = append(out, string(bytes.TrimSpace(value)))
		}
	}
	return out
}
