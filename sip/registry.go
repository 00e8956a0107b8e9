package sip

import (
	"bytes"
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotline/sip/wire"
)

// registry knows every leg by its dialog, and every INVITE to us from the moment at which it came in.
type registry struct {
	mu      sync.Mutex
	dialogs map[string]*Leg     // Call-ID and our tag
	invites map[string]*arrival // Call-ID, From tag and CSeq number
	half    int                 // arrivals without a final answer
	halfOf  map[netip.Addr]int  // the same by where they came from
	traced  map[string]string   // Call-ID of SIP to the call whose messages are kept
}

// arrival is an INVITE to us outside of any dialog.
type arrival struct {
	branch    string // of the top Via, with its sent-by: the transaction
	tag       string // ours, the same in each answer
	at        time.Time
	leg       *Leg
	cancelled bool // CANCEL overtook the leg's making
	final     bool
	src       wire.Source
	data      []byte // the INVITE as it came, until the call is known to which it belongs
}

func (r *registry) init() {
	r.dialogs, r.invites, r.traced = map[string]*Leg{}, map[string]*arrival{}, map[string]string{}
	r.halfOf = map[netip.Addr]int{}
}

func dialogKey(callID, tag string) string { return callID + "\x00" + tag }

func inviteKey(callID, fromTag string, seq uint64) string {
	return callID + "\x00" + fromTag + "\x00" + strconv.FormatUint(seq, 10)
}

func (r *registry) dialog(callID, tag string) *Leg {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dialogs[dialogKey(callID, tag)]
}

func (r *registry) add(l *Leg) {
	r.mu.Lock()
	r.dialogs[dialogKey(l.dlg.callID, l.dlg.localTag)] = l
	r.traced[l.dlg.callID] = l.info.CallID
	r.mu.Unlock()
}

// remove forgets a leg and its INVITE.
func (r *registry) remove(l *Leg, key string) {
	r.mu.Lock()
	delete(r.dialogs, dialogKey(l.dlg.callID, l.dlg.localTag))
	delete(r.traced, l.dlg.callID)
	r.drop(key)
	r.mu.Unlock()
}

func (r *registry) drop(key string) {
	if a := r.invites[key]; a != nil {
		r.close(a)
		delete(r.invites, key)
	}
}

// close counts an INVITE out that has its final answer.
func (r *registry) close(a *arrival) {
	if a.final {
		return
	}
	a.final = true
	r.half--
	from := a.src.Remote.Addr()
	if r.halfOf[from]--; r.halfOf[from] == 0 {
		delete(r.halfOf, from)
	}
}

// refuse forgets an INVITE that became no leg.
func (r *registry) refuse(key string) {
	r.mu.Lock()
	r.drop(key)
	r.mu.Unlock()
}

// settle notes that an INVITE has its final answer.
func (r *registry) settle(key string) {
	r.mu.Lock()
	if a := r.invites[key]; a != nil {
		r.close(a)
	}
	r.mu.Unlock()
}

// take returns what came in as the INVITE that passed the hook.
func (r *registry) take(key string) (arrival, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.invites[key]
	if a == nil || a.leg != nil {
		return arrival{}, false
	}
	return *a, true
}

// adopt ties a leg to its INVITE. It reports whether that was cancelled meanwhile.
func (r *registry) adopt(key string, l *Leg) (cancelled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialogs[dialogKey(l.dlg.callID, l.dlg.localTag)] = l
	r.traced[l.dlg.callID] = l.info.CallID
	a := r.invites[key]
	if a == nil {
		return true
	}
	a.leg, a.data = l, nil
	return a.cancelled
}

func (r *registry) all() []*Leg {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*Leg, 0, len(r.dialogs))
	for _, l := range r.dialogs {
		out = append(out, l)
	}
	return out
}

func (r *registry) count() (legs, half int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.dialogs), r.half
}

// hook is asked for each well-formed request in the order of arrival, before sipgo starts a goroutine for it: here CANCEL finds its
// INVITE even if it comes right behind it, merged requests and loops are seen, and the number of half-open dialogs is bounded.
func (e *Edge) hook(src wire.Source, r *wire.Raw) *wire.Refusal {
	if r.Method != "INVITE" && r.Method != "CANCEL" {
		return nil
	}
	callID, from, to, seq := r.IDs()
	key, branch := inviteKey(callID, from, uint64(seq)), r.Transaction()
	if r.Method == "CANCEL" {
		return e.cancel(key, branch)
	}
	if to != "" {
		return nil
	}
	return e.arrive(key, branch, src, r)
}

func (e *Edge) arrive(key, branch string, src wire.Source, r *wire.Raw) *wire.Refusal {
	for _, v := range r.List("Via") {
		if strings.Contains(v, "z9hG4bK"+e.cookie) {
			return &wire.Refusal{Code: 482, Reason: "Loop Detected"}
		}
	}
	from, share := src.Remote.Addr(), e.keeper.Share(e.cfg.MaxCalls)
	reg := &e.legs
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if a := reg.invites[key]; a != nil {
		if a.branch == branch {
			return nil // a retransmission, which the transaction absorbs
		}
		return &wire.Refusal{Code: 482, Reason: "Loop Detected"} // merged request: section 8.2.2.2
	}
	if len(reg.invites) >= 2*e.cfg.MaxCalls || reg.half >= e.cfg.MaxCalls || reg.halfOf[from] >= share {
		e.counts.refused.Add(1)
		return &wire.Refusal{Code: 503, Reason: "Service Unavailable", Fields: []wire.Field{{Name: "Retry-After", Value: strconv.Itoa(10)}}}
	}
	reg.invites[key] = &arrival{branch: branch, tag: newTag(), at: time.Now(), src: src, data: bytes.Clone(r.Data)}
	reg.half++
	reg.halfOf[from]++
	return nil
}

// cancel answers a CANCEL (section 9.2) and tells the leg.
func (e *Edge) cancel(key, branch string) *wire.Refusal {
	reg := &e.legs
	reg.mu.Lock()
	defer reg.mu.Unlock()
	a := reg.invites[key]
	if a == nil || a.branch != branch {
		return &wire.Refusal{Code: 481, Reason: "Call/Transaction Does Not Exist"}
	}
	a.cancelled = true
	if a.leg != nil {
		a.leg.tasks.Do(a.leg.cancelled)
	}
	return &wire.Refusal{Code: 200, Reason: "OK", Tag: a.tag}
}

// sweep forgets INVITEs that passed the hook and never became anything: sipgo took them for retransmissions.
func (e *Edge) sweep(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			e.legs.expire(now)
		}
	}
}

// expire forgets what has not become a leg ten seconds after it came in.
func (r *registry) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.invites {
		if a.leg == nil && now.Sub(a.at) > 10*time.Second {
			r.drop(key)
		}
	}
}
