//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/asterisktest"
	"hotline/asterisk/config"
	"hotline/sip/caller"
	"hotline/testport"
	"hotline/trunks"
)

// pbx is an Asterisk that carries a product's calls: callers ring at its address, and what the product dials leaves by it.
type pbx struct {
	*asterisktest.Asterisk
	wire     *wire          // between the product and its ARI
	outside  netip.AddrPort // where calls out arrive; a telephone is to wait there
	password string         // of the desk phones
}

// deskPhones are the extensions that may register with the Asterisk.
var deskPhones = []string{"601", "602"}

// startOnAsterisk starts the demonstration with an Asterisk 22 that runs what the product renders for it. All that calls the house
// calls that Asterisk.
func startOnAsterisk(t testing.TB, env ...string) (*house, *pbx) {
	t.Helper()
	w, secret := newWire(t), rand.Text()
	p := &pbx{wire: w, password: rand.Text(), outside: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(testport.Free(t, "udp")))}
	h := newHouse(t, append([]string{"HOTLINE_ASTERISK=pbx=" + w.url(), "HOTLINE_ASTERISK_PASSWORD=" + secret}, env...)...)
	const own = "\n[hotline-in](+)\nexten => *602,1,Dial(PJSIP/602)\n" // a call of the Asterisk's own dialplan
	options := asterisktest.Options{Trunks: h.carried(p), Extra: map[string]string{"extensions.conf": own}, Render: func(o *config.Options) { o.ARI.Password = secret }}
	for _, user := range deskPhones {
		desks := slices.IndexFunc(options.Trunks, func(t trunks.Trunk) bool { return t.Settings.Dial != "" })
		options.Phones = append(options.Phones, config.Phone{User: user, Password: p.password, TrunkID: options.Trunks[desks].ID})
	}
	p.Asterisk = asterisktest.Start(t, options)
	w.set(func(w *wire) { w.target = strings.TrimPrefix(p.URL, "http://") })
	h.sip = p.SIPAddr.String()
	p.connected(h)
	return h, p
}

// carried gives the product trunks on Asterisk: one that callers come by, one whose callers press keys as tones, the one that it calls out
// by, and one for desk phones.
func (h *house) carried(p *pbx) []trunks.Trunk {
	h.t.Helper()
	for name, settings := range map[string]map[string]any{
		"carrier":     {"edge": "asterisk", "match_addresses": []string{"127.0.0.1"}, "country": "CN"},
		"gateway":     {"edge": "asterisk", "match_addresses": []string{"127.0.0.9"}, "country": "CN", "dtmf": "inband"},
		"desk phones": {"edge": "asterisk", "dial": "PJSIP/{number}"},
	} {
		h.api("POST", "/api/v1/trunks", map[string]any{"name": name, "enabled": true, "settings": settings}, nil)
	}
	var all page[trunks.Trunk]
	h.api("GET", "/api/v1/trunks", nil, &all)
	var out []trunks.Trunk
	for _, trunk := range all.Items {
		if trunk.Name == "demo phone" {
			trunk.Settings.Edge, trunk.Settings.Port = trunks.EdgeAsterisk, int(p.outside.Port())
			h.api("PUT", "/api/v1/trunks/"+trunk.ID, map[string]any{"name": trunk.Name, "enabled": true, "settings": trunk.Settings, "version": trunk.Version}, &trunk)
		}
		if trunk.Settings.OnAsterisk() {
			out = append(out, trunk)
		}
	}
	slices.SortFunc(out, func(a, b trunks.Trunk) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// connected waits until the product takes the Asterisk's calls.
func (p *pbx) connected(h *house) {
	h.t.Helper()
	h.eventually(30*time.Second, "the product is connected to its Asterisk", func() bool {
		return strings.Contains(p.CLI("ari", "show", "apps"), "hotline")
	})
}

// empty waits until Asterisk has neither a channel nor a bridge.
func (p *pbx) empty(h *house) {
	h.t.Helper()
	left := ""
	if !soon(20*time.Second, func() bool {
		channels, bridges := p.CLI("core", "show", "channels", "concise"), strings.TrimSpace(p.CLI("bridge", "show", "all"))
		left = channels + bridges
		return strings.TrimSpace(channels) == "" && strings.Count(bridges, "\n") == 0
	}) {
		h.t.Errorf("Asterisk still has\n%s", left)
	}
}

// TestAsterisk lets the callers and agents of the demonstration meet on a real Asterisk.
func TestAsterisk(t *testing.T) {
	t.Parallel()
	h, p := startOnAsterisk(t)
	t.Run("callers", func(t *testing.T) {
		for name, journey := range map[string]func(*house){
			"prompt at once":            promptAtOnce,
			"gives up in the queue":     givesUpInQueue,
			"leaves a voicemail":        leavesVoicemail,
			"presses keys as tones":     pressesTones,
			"calls over TCP":            callsOverTCP,
			"calls with baresip":        callsWithBaresip,
			"hangs up at once":          hangsUpAtOnce,
			"rings again on his ticket": ringsAgain,
			"dials what is not there":   dialsUnassigned,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				journey(h.in(t))
			})
		}
	})
	p.empty(h)
	a, s := h.sits("agent", agentHz), h.sits("supervisor", supervisorHz)
	a.ready()
	s.up(0)
	for _, c := range []struct {
		name string
		run  func(*house, *browser, *browser)
	}{
		{"answer", func(h *house, a, _ *browser) { agentAnswers(h, a) }},
		{"caller hangs up", func(h *house, a, _ *browser) { callerHangsUp(h, a) }},
		{"transfer to an agent", agentTransfers},
		{"consult", agentConsults},
		{"transfer to a number", func(h *house, a, _ *browser) { transfersOut(h, p, a) }},
		{"transfer to a desk phone", func(h *house, a, _ *browser) { transfersToDesk(h, p, a) }},
		{"question between desk phones", func(h *house, a, _ *browser) { asksAtTheDesk(h, p, a) }},
		{"question by a desk phone", func(h *house, a, _ *browser) { asksAndJoins(h, p, a) }},
		{"call-back", func(h *house, a, _ *browser) { callsBack(h, p, a) }},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.run(h.in(t), a.in(t), s.in(t)) }) {
			return
		}
		p.empty(h)
	}
	a.in(t).clean()
	s.in(t).clean()
}

// promptAtOnce: what a caller hears begins with the answer.
func promptAtOnce(h *house) {
	p := h.rings("4000", "+8613800000021", 0)
	p.hears(time.Second)
	if first := time.Duration(p.first.Load()); first > time.Second {
		h.t.Errorf("the first sound came %s after the INVITE", first)
	}
	p.hangup()
	h.ended("+8613800000021")
}

// pressesTones chooses by tones in the audio, as telephones behind some gateways do.
func pressesTones(h *house) {
	const from = "+8613800000022"
	out := h.caller("--to", "sip:4000@"+h.sip, "--from", from, "--bind", "127.0.0.9", "--inband", "--send", "w2,2,w2,1,w2", "--once", "--duration", "40s")
	if c := h.ended(from); c.digits() != "21" || c.Queue != "support" {
		h.t.Errorf("queue %q, path %s\n%s", c.Queue, c.path(), out)
	}
}

// answersOutside waits for a call at the telephone outside and answers it.
func (p *pbx) answersOutside(h *house) func() *line {
	phone := telephone(h.t, caller.Config{Wait: true, IP: p.outside.Addr(), Port: p.outside.Port()})
	taken := make(chan *caller.Call, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		c, _ := phone.Take(ctx, caller.Taking{Ring: 300 * time.Millisecond})
		taken <- c
	}()
	return func() *line {
		h.t.Helper()
		c := <-taken
		if c == nil {
			h.t.Fatal("the telephone outside did not ring")
		}
		return talkOn(h.t, c, otherHz)
	}
}

// transfersOut: a caller is handed to a number that Asterisk reaches.
func transfersOut(h *house, p *pbx, a *browser) {
	mark := a.mark()
	const from = "+8613800138041"
	outside := p.answersOutside(h)
	l := h.queued(from, callerHz)
	call := a.answers(mark)
	l.hears([]float64{agentHz}, nil)
	mark = a.mark()
	a.must("call.transfer", map[string]any{"to": map[string]any{"kind": "number", "value": "+8613900139000"}})
	o := outside()
	l.hears([]float64{otherHz}, []float64{agentHz})
	o.hears([]float64{callerHz}, []float64{agentHz})
	a.hears(nil, []float64{callerHz, otherHz})
	a.closes(mark, call)
	l.hangup()
	o.ended(10 * time.Second)
	if row := h.ended(from); row.ID != call || len(row.Legs) < 3 {
		h.t.Errorf("the call's row is %+v", row)
	}
}

// callsBack: a caller who has asked for it is dialled through Asterisk when an agent has said yes.
func callsBack(h *house, p *pbx, a *browser) {
	mark := a.mark()
	a.must("agent.pause", map[string]any{"reason": "meeting"})
	a.state(mark, "not_ready")
	asksForCallback(h)
	outside := p.answersOutside(h)
	mark = readyAgain(a)
	a.takes(mark)
	o := outside()
	call := a.phase(mark, "talking")
	o.hears([]float64{agentHz}, []float64{otherHz})
	a.hears([]float64{otherHz}, []float64{agentHz})
	mark = a.mark()
	o.hangup()
	a.closes(mark, field(call.Data, "id"))
	row := h.call(field(call.Data, "id"))
	if tasks := h.ticket(row.Ticket).Tasks; len(tasks) != 1 || tasks[0].State != "done" {
		h.t.Errorf("the tasks after the call back are %+v", tasks)
	}
}
