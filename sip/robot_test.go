package sip

import (
	"testing"

	"hotline/call"
	"hotline/call/calltest"
	"hotline/trunks/siptest"
)

// newRobot is called through a trunk of its own: by its name, or by the outbound routes.
func newRobot(t testing.TB, r *rig, byRoutes bool) *siptest.Robot {
	p, trunk := r.callee()
	p.udp.Close() // its address is the robot's
	cfg := siptest.Config{
		At: addrPortOf(p.local), Edge: r.edge.Addr("UDP"), Dialer: r.edge, TrunkID: trunk,
		InUse: func() int {
			s := r.edge.Stats()
			return s.Legs + s.HalfOpen + r.eng.Stats().Streams
		},
	}
	if byRoutes {
		r.route([]string{"70"}, trunk)
		cfg.Dialer, cfg.TrunkID = r.dialer(), ""
	}
	return siptest.New(t, cfg)
}

// The contract of a leg: through the trunk that is named, and by the outbound routes.
func TestConformance(t *testing.T) {
	for name, byRoutes := range map[string]bool{"trunk": false, "routes": true} {
		t.Run(name, func(t *testing.T) {
			calltest.Run(t, calltest.Edge{
				Races: 40,
				Start: func(t *testing.T, a call.Acceptor) calltest.Rig {
					return newRobot(t, newRig(t, func(c *Config) { c.Acceptor = a }), byRoutes)
				},
			})
		})
	}
}
