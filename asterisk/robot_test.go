package asterisk

import (
	"testing"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/trunks/routes"
	"hotline/trunks/siptest"
)

// newRobot is called through the plant's trunk, unless the rig calls by routes.
func newRobot(t testing.TB, r *rig) *siptest.Robot {
	cfg := siptest.Config{
		At: r.calls, Edge: r.a.SIPAddr, Dialer: r.dialer,
		InUse: func() int { return r.edge.Stats().Legs + r.eng.Stats().Streams + len(r.edge.held()) },
	}
	if r.dialer == r.edge {
		cfg.TrunkID = r.trunk.ID
	}
	return siptest.New(t, cfg)
}

// The contract of a leg, against a real Asterisk: through the trunk that is named, and by the outbound routes.
func TestConformance(t *testing.T) {
	p := newPlant(t, freePort(t))
	if _, err := p.book.CreateRoute(t.Context(), routes.Route{Name: "all", Enabled: true, Trunks: []string{p.trunk.ID}, Settings: routes.Settings{Prefixes: []string{"7"}}}); err != nil {
		t.Fatal(err)
	}
	for name, byRoutes := range map[string]bool{"trunk": false, "routes": true} {
		t.Run(name, func(t *testing.T) {
			calltest.Run(t, calltest.Edge{
				Races: 40,
				Start: func(t *testing.T, a call.Acceptor) calltest.Rig {
					r := p.newRig(t, func(c *Config) { c.Acceptor = a })
					if byRoutes {
						r.byRoutes(0)
					}
					return newRobot(t, r)
				},
			})
		})
	}
}
