//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestCallsOverIPv6 has the product listen at ::1 alone, and calls it over UDP and TCP.
func TestCallsOverIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err) // nothing can be installed for it
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	h := newHouse(t, fmt.Sprintf("HOTLINE_SIP_ADDR=[::1]:%d", port))
	for i, transport := range []string{"", ";transport=tcp"} {
		from := fmt.Sprintf("+861380000066%d", i)
		said := h.run("call", "--to", fmt.Sprintf("sip:4000@[::1]:%d%s", port, transport), "--from", from, "--send", "w2,2,w5,1,w3", "--once")
		if !strings.Contains(said, "audio from [::1]:") || !strings.Contains(said, "hears speech") {
			t.Errorf("the caller%s heard:\n%s", transport, said)
		}
		if c := h.ended(from); c.digits() != "21" || c.Queue != "support" {
			t.Errorf("digits %q, queue %q; path %s", c.digits(), c.Queue, c.path())
		}
	}
}
