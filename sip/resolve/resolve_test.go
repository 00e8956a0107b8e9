package resolve

import (
	"net/netip"
	"testing"

	"hotline"
)

func TestHost(t *testing.T) {
	for _, c := range []struct {
		host      string
		port      int
		transport string
		want      string
	}{
		{"192.0.2.1", 0, "udp", "192.0.2.1:5060"},
		{"192.0.2.1", 0, "tls", "192.0.2.1:5061"},
		{"192.0.2.1", 5080, "tls", "192.0.2.1:5080"},
		{"2001:db8::1", 0, "tcp", "[2001:db8::1]:5060"},
		{"::ffff:192.0.2.1", 0, "udp", "192.0.2.1:5060"},
		{"localhost", 5070, "udp", "127.0.0.1:5070"},
	} {
		got, err := Host(t.Context(), c.host, c.port, c.transport)
		if err != nil || len(got) == 0 || got[0] != netip.MustParseAddrPort(c.want) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	if _, err := Host(t.Context(), "nowhere.invalid", 5060, "udp"); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("a name of nobody: %v, want unavailable", err)
	}
}
