// Package testport finds ports for the servers that tests start.
package testport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports below the range that Linux hands out by itself (ip_local_port_range, from 32768): a port found here is not taken by somebody's
// outgoing connection before the server opens it, nor while the server is restarted. Above the ports for audio of the product's defaults.
const (
	lowest  = 20000
	highest = 32000
)

var given struct {
	sync.Mutex
	ports map[int]bool
}

// Free returns a port that nobody has on any loopback address, for all of the networks ("udp", "tcp"; none named: both), and that
// was not given before in this process. Even ports only: the next one is free for RTCP as far as this package is concerned.
func Free(t testing.TB, networks ...string) int {
	t.Helper()
	if len(networks) == 0 {
		networks = []string{"udp", "tcp"}
	}
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		port := lowest + rand.IntN((highest-lowest)/2)*2
		if given.ports[port] || !free(port, networks) {
			continue
		}
		if given.ports == nil {
			given.ports = map[int]bool{}
		}
		given.ports[port] = true
		return port
	}
	t.Fatal("testport: no free port on the loopback")
	return 0
}

func free(port int, networks []string) bool {
	for _, network := range networks {
		address := fmt.Sprintf(":%d", port) // all addresses: a listener on one of them refuses this
		if network == "udp" {
			c, err := net.ListenPacket("udp", address)
			if err != nil {
				return false
			}
			_ = c.Close()
			continue
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
