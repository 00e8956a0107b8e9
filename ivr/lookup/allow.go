package lookup

import (
	"net"
	"net/netip"
	"strings"
)

// Allowed says whether host, as it stands in an address ("crm.example.com", "[::1]:8080"), is on the list. An entry without a port
// stands for the ports 80 and 443.
func Allowed(allow []string, host string) bool {
	name, port := split(host)
	if name == "" {
		return false
	}
	for _, entry := range allow {
		entryName, entryPort := split(entry)
		if !strings.EqualFold(name, entryName) {
			continue
		}
		if port == entryPort || (entryPort == "" && (port == "80" || port == "443")) || (port == "" && (entryPort == "80" || entryPort == "443")) {
			return true
		}
	}
	return false
}

func split(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, ""
	}
	return strings.TrimSuffix(strings.Trim(name, "[]"), "."), port
}

// reachable says whether a connection may be made: to public addresses, and to those which the list names with their port.
func reachable(allow []string, to netip.AddrPort) bool {
	ip := to.Addr().Unmap().WithZone("")
	for _, entry := range allow {
		if named, err := netip.ParseAddrPort(entry); err == nil && named.Addr().Unmap() == ip && named.Port() == to.Port() {
			return true
		}
	}
	return public(ip) && (to.Port() == 80 || to.Port() == 443 || portListed(allow, to.Port()))
}

// portListed says whether some entry of a name bears this port.
func portListed(allow []string, port uint16) bool {
	for _, entry := range allow {
		if _, p := split(entry); p != "" && p == itoa(port) {
			return true
		}
	}
	return false
}

func itoa(port uint16) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):]
}

// special lists what the standard library's predicates leave out (IANA special-purpose registries, RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space, used inside clouds
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"),        // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/96"), // NAT64: an IPv4 address in disguise
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other mappings
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address in disguise
	netip.MustParsePrefix("fec0::/10"),
}

func public(ip netip.Addr) bool {
	if !ip.IsValid() || !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
