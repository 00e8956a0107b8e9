// Package keeper keeps the trunks: it registers with providers (RFC 3261, section 10), asks trunks for signs of life (OPTIONS), and
// knows where each one is reached right now, how it is, and how many calls it holds.
//
// It sends through an [Exchanger] and opens no socket of its own. It never routes a call and never waits for one: names are looked up
// ahead of calls. What is wrong with a trunk is said by a code that can be translated, see [Trouble]. Start at [Keeper.Run].
package keeper

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/sip/resolve"
	"hotline/trunks"
)

// Exchanger is what the keeper needs of the edge.
type Exchanger interface {
	// Exchange sends a request outside dialogs and returns the final response.
	Exchange(ctx context.Context, req *sipmsg.Request, to netip.AddrPort, transport string) (*sipmsg.Response, error)
	// Contact returns the URI by which peer reaches us.
	Contact(transport string, peer netip.Addr) *sipmsg.ContactHeader
}

// Keeper keeps the trunks: it registers where we must, asks for signs of life, and knows each one's state, addresses and calls.
type Keeper struct {
	edge Exchanger
	dir  *trunks.Directory
	log  *slog.Logger

	mu    sync.Mutex
	lines map[string]*line // by trunk id
}

// line is the living side of a trunk.
type line struct {
	trunk  trunks.Trunk
	cancel context.CancelFunc
	done   chan struct{}

	// guarded by keeper.mu
	addrs      []netip.AddrPort             // where to send, as DNS orders them
	shunned    map[netip.AddrPort]time.Time // those that have failed, until when
	asked      bool                         // OPTIONS are sent
	alive      bool                         // and answered
	misses     int
	registered bool
	realm      string   // that the registrar has asked for
	routes     []string // Service-Route (RFC 3608)
	since      time.Time
	status     trunks.Status
	rtt        time.Duration
	err        *Trouble // nil: none
	calls      int
}

func New(e Exchanger, d *trunks.Directory, log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.Default()
	}
	return &Keeper{edge: e, dir: d, log: log.With("part", "sip.keeper"), lines: map[string]*line{}}
}

// Run keeps the trunks of the directory until ctx ends; then it takes our registrations back.
func (k *Keeper) Run(ctx context.Context) error {
	changed, stop := k.dir.Watch()
	defer stop()
	for {
		k.follow(ctx)
		select {
		case <-changed:
		case <-ctx.Done():
			k.stopAll()
			return nil
		}
	}
}

// follow starts and stops lines so that they are those of the directory. A changed trunk starts anew but keeps its calls.
func (k *Keeper) follow(ctx context.Context) {
	want := map[string]trunks.Trunk{}
	for _, t := range k.dir.Snapshot().Trunks() {
		if !t.Settings.OnAsterisk() {
			want[t.ID] = t
		}
	}
	k.mu.Lock()
	var old []*line
	for id, l := range k.lines {
		if t, ok := want[id]; !ok || t.Version != l.trunk.Version {
			old = append(old, l)
			l.cancel()
			if !ok {
				delete(k.lines, id)
			}
		}
	}
	k.mu.Unlock()
	for _, l := range old {
		<-l.done
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, t := range want {
		before := k.lines[id]
		if before == nil || before.trunk.Version != t.Version {
			k.lines[id] = k.start(ctx, t, before)
		}
	}
}

// start begins a line; k.mu is held.
func (k *Keeper) start(ctx context.Context, t trunks.Trunk, before *line) *line {
	ctx, cancel := context.WithCancel(ctx)
	l := &line{trunk: t, cancel: cancel, done: make(chan struct{}), since: time.Now(), status: trunks.StatusUnknown}
	l.asked = t.Settings.OptionsIntervalS > 0
	if before != nil {
		l.calls = before.calls
	}
	if !t.Enabled {
		l.status = trunks.StatusDisabled
		cancel()
	}
	go func() {
		defer close(l.done)
		defer cancel()
		if t.Enabled {
			k.keep(ctx, l)
		}
	}()
	return l
}

// keep does what a line needs until ctx ends.
func (k *Keeper) keep(ctx context.Context, l *line) {
	host, _, _ := l.trunk.Target()
	if host == "" {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	k.resolve(ctx, l)
	wg.Go(func() { k.resolveAgain(ctx, l) })
	if l.trunk.Settings.OptionsIntervalS > 0 {
		wg.Go(func() { k.ping(ctx, l) })
	}
	if l.trunk.Settings.Register != nil {
		wg.Go(func() { newRegistration(k, l).run(ctx) })
	}
}

func (k *Keeper) stopAll() {
	k.mu.Lock()
	var all []*line
	for _, l := range k.lines {
		l.cancel()
		all = append(all, l)
	}
	k.mu.Unlock()
	for _, l := range all {
		<-l.done
	}
}

const resolveEvery = time.Minute

func (k *Keeper) resolveAgain(ctx context.Context, l *line) {
	for {
		pause(ctx, resolveEvery)
		if ctx.Err() != nil {
			return
		}
		k.resolve(ctx, l)
	}
}

// resolve looks up where the trunk's requests go, so that a call never waits for DNS, and which addresses its calls may come from.
// Names that cannot be looked up keep their old addresses.
func (k *Keeper) resolve(ctx context.Context, l *line) {
	host, port, transport := l.trunk.Target()
	addrs, err := resolve.Host(ctx, host, port, transport)
	if err != nil {
		if ctx.Err() == nil {
			k.Trouble(l.trunk.ID, err)
		}
		return
	}
	from := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		from = append(from, a.Addr())
	}
	if r := l.trunk.Settings.Register; r != nil {
		if h, p, _ := trunks.HostPort(r.Registrar); h != host {
			more, _ := resolve.Host(ctx, h, p, transport) // its own use reports the error
			for _, a := range more {
				from = append(from, a.Addr())
			}
		}
	}
	k.mu.Lock()
	l.addrs = addrs
	k.mu.Unlock()
	slices.SortFunc(from, netip.Addr.Compare)
	k.dir.SetResolved(l.trunk.ID, slices.Compact(from))
}

// shunFor is how long an address that has failed comes last (RFC 3263, section 4.3).
const shunFor = 5 * time.Minute

// Shun notes that an address of a trunk has failed: until it answers, or for five minutes, the others come first, so that the next call
// does not wait for it as well.
func (k *Keeper) Shun(trunkID string, at netip.AddrPort, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.lines[trunkID]
	if l == nil {
		return
	}
	if until := l.shunned[at]; len(l.addrs) > 1 && time.Now().After(until) {
		k.log.Warn("an address of the trunk has failed; others come first", "event", "alarm", "trunk", l.trunk.Name, "address", at, "err", why)
	}
	if l.shunned == nil || len(l.shunned) > 64 {
		l.shunned = map[netip.AddrPort]time.Time{}
	}
	l.shunned[at] = time.Now().Add(shunFor)
}

// Heard notes that an address of a trunk answers. Where nothing else would ever tell, that ends the trouble of an earlier call.
func (k *Keeper) Heard(trunkID string, at netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.lines[trunkID]; l != nil {
		delete(l.shunned, at)
		if len(l.shunned) == 0 && !l.asked && l.trunk.Settings.Register == nil {
			l.err = nil
		}
	}
}

// Addr returns where requests to a trunk go right now, in order of preference.
func (k *Keeper) Addr(trunkID string) (addrs []netip.AddrPort, transport string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.lines[trunkID]
	if l == nil || len(l.addrs) == 0 {
		return nil, "", hotline.Errorf(hotline.Unavailable, "trunk.no_address", "no address of the trunk is known")
	}
	_, _, transport = l.trunk.Target()
	addrs = slices.Clone(l.addrs)
	now := time.Now()
	slices.SortStableFunc(addrs, func(a, b netip.AddrPort) int {
		return order(now.Before(l.shunned[a])) - order(now.Before(l.shunned[b]))
	})
	return addrs, transport, nil
}

// Doubtful says whether a trunk is down, or all of its addresses have failed lately: others come first.
func (k *Keeper) Doubtful(trunkID string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.lines[trunkID]
	if l == nil || len(l.addrs) == 0 || l.status == trunks.StatusDown {
		return true
	}
	now := time.Now()
	return !slices.ContainsFunc(l.addrs, func(a netip.AddrPort) bool { return !now.Before(l.shunned[a]) })
}

func order(shunned bool) int {
	if shunned {
		return 1
	}
	return 0
}

// Routes returns the Service-Route of our registration (RFC 3608), to be the Route of requests through the trunk.
func (k *Keeper) Routes(trunkID string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.lines[trunkID]; l != nil {
		return slices.Clone(l.routes)
	}
	return nil
}

// Begin counts a call in, unless the trunk has max_calls already, or, as one of several, three quarters of all calls (total; 0: not
// limited) so that a flood on one trunk leaves room for the others.
func (k *Keeper) Begin(t *trunks.Trunk, total int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.lines[t.ID]
	if l == nil {
		return true // not yet followed; it is counted from the next call on
	}
	most := t.Settings.MaxCalls
	if most == 0 {
		most = k.shareOf(total)
	}
	if most > 0 && l.calls >= most {
		return false
	}
	l.calls++
	return true
}

// Share is how many of total calls one trunk, or one address, may hold.
func (k *Keeper) Share(total int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shareOf(total)
}

func (k *Keeper) shareOf(total int) int {
	n := 0
	for _, l := range k.lines {
		if l.trunk.Enabled {
			n++
		}
	}
	if n < 2 || total == 0 {
		return total
	}
	return max(1, total*3/4)
}

// End counts a call out.
func (k *Keeper) End(trunkID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.lines[trunkID]; l != nil && l.calls > 0 {
		l.calls--
	}
}

// Trouble notes what went wrong with a trunk.
func (k *Keeper) Trouble(trunkID string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.lines[trunkID]; l != nil && err != nil {
		l.err = troubleOf(err)
		k.judge(l)
	}
}

// judge sets the status from what is known; k.mu is held.
func (k *Keeper) judge(l *line) {
	next := trunks.StatusUnknown
	switch {
	case !l.trunk.Enabled:
		next = trunks.StatusDisabled
	case l.asked && !l.alive && l.misses >= 2 || l.trunk.Settings.Register != nil && !l.registered && l.err != nil:
		next = trunks.StatusDown
	case l.asked && l.alive && (l.registered || l.trunk.Settings.Register == nil), !l.asked && l.registered:
		next = trunks.StatusUp
	}
	if next == l.status {
		return
	}
	if next == trunks.StatusDown {
		k.log.Warn("trunk is down", "event", "alarm", "trunk", l.trunk.Name, "err", l.err.Error(), "cause", l.err.Unwrap())
	} else {
		k.log.Info("trunk has changed", "trunk", l.trunk.Name, "status", next)
	}
	l.status, l.since = next, time.Now()
}

// States returns how the trunks of this edge are, by name.
func (k *Keeper) States() []trunks.TrunkState {
	all := k.dir.Snapshot().Trunks()
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]trunks.TrunkState, 0, len(all))
	for _, t := range all {
		if t.Settings.OnAsterisk() {
			continue
		}
		l := k.lines[t.ID]
		if l == nil {
			out = append(out, trunks.TrunkState{TrunkID: t.ID, Status: trunks.StatusUnknown})
			continue
		}
		s := trunks.TrunkState{
			TrunkID: t.ID, Status: l.status, Since: l.since.UTC(), RTTMS: float64(l.rtt.Microseconds()) / 1000,
			Registered: l.registered, Calls: l.calls,
		}
		if e := l.err; e != nil {
			s.LastError, s.LastErrorCode, s.LastErrorDetail = e.Text, e.Code, e.Detail
		}
		out = append(out, s)
	}
	return out
}
