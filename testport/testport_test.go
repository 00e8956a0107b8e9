package testport

import (
	"fmt"
	"net"
	"testing"
)

// Twice the same port is never given, and one that is taken on a single address and network is not either.
func TestFree(t *testing.T) {
	seen := map[int]bool{}
	for range 200 {
		port := Free(t)
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.5:%d", Free(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if free(port, []string{"udp", "tcp"}) {
		t.Errorf("port %d is taken on 127.0.0.5", port)
	}
	if !free(port, []string{"udp"}) {
		t.Errorf("port %d is free for UDP", port)
	}
}

// Blocks for audio lie apart from each other and from the ports of servers.
func TestBlock(t *testing.T) {
	last := 0
	for range 50 {
		first := Block(999)
		if first%2 != 0 || first < lowestAudio || first+1000 > lowest || first < last && first != lowestAudio {
			t.Errorf("block %d after %d", first, last)
		}
		last = first + 1000
	}
}
