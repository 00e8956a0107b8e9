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
// outgoing connection before the server opens it, nor while the server is restarted. Audio has a part of its own: an Asterisk that goes
// on while Hotline is away shall not take the port on which Hotline will come back.
const (
	lowestAudio = 12000
	lowest      = 24000
	highest     = 32000
)

var given struct {
	sync.Mutex
	ports map[int]bool
	audio int // where the next block begins
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

// Block returns the first of n ports for audio, an even one. Blocks of one process do not overlap until they are used up; a port of them
// may be taken by another process, which whoever uses ranges must pass over anyway.
func Block(n int) int {
	n += n % 2
	given.Lock()
	defer given.Unlock()
	if given.audio == 0 { // several processes may test at a time
		given.audio = lowestAudio + rand.IntN((lowest-lowestAudio)/1000)*1000
	}
	if given.audio+n > lowest {
		given.audio = lowestAudio
	}
	first := given.audio
	given.audio += n
	return first
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
