// Package resolve turns the name of a SIP host into addresses (RFC 3263), in the order in which to try them.
//
// It is asked ahead of time, by whoever keeps a trunk; a call never waits for DNS, and names that strangers write into messages never
// come here.
package resolve

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"hotline"
)

// Host finds the addresses of a host: itself, its SRV records when no port is given (RFC 3263, section 4.2), its addresses.
func Host(ctx context.Context, host string, port int, transport string) ([]netip.AddrPort, error) {
	standard := 5060
	if transport == "tls" {
		standard = 5061
	}
	if port == 0 && !isAddr(host) {
		if out := viaSRV(ctx, host, transport); len(out) > 0 {
			return out, nil
		}
	}
	if port == 0 {
		port = standard
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), uint16(port))}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &hotline.Error{Kind: hotline.Unavailable, Code: "trunk.unknown_name", Message: "the name " + host + " cannot be looked up", Err: err}
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	// IPv4 first: most providers' media is there.
	slices.SortStableFunc(out, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return out, nil
}

func viaSRV(ctx context.Context, host, transport string) []netip.AddrPort {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	service, proto := "sip", transport
	if transport == "tls" {
		service, proto = "sips", "tcp"
	}
	_, records, err := net.DefaultResolver.LookupSRV(ctx, service, proto, host) // sorted by priority, shuffled by weight
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, r := range records {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.Target)
		if err != nil {
			continue
		}
		for _, ip := range ips {
			out = append(out, netip.AddrPortFrom(ip.Unmap(), r.Port))
		}
	}
	return out
}

func isAddr(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
