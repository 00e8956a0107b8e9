// Package reach says in plain words why nobody was reached at an address.
//
// It owns the few reasons there are, each with a stable code for translation, and finds the one behind an error of a library, whose
// words mean nothing to whoever has to mend a trunk. It never sends anything but [Refused]'s question whether a port is dead. Start at
// [Why].
package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Reason is why nobody was reached: the last part of a code such as trunk.no_answer.
type Reason string

// The reasons.
const (
	NoAnswer     Reason = "no_answer"
	NotListening Reason = "not_listening" // the host is there and says that the port is not
	NoRoute      Reason = "no_route"
	UnknownName  Reason = "unknown_name"
	BadTLS       Reason = "tls"
	Unreachable  Reason = "unreachable" // none of the others
)

// Why finds the reason in an error of the network or of sipgo's transactions.
func Why(err error) Reason {
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		verify  *tls.CertificateVerificationError
		timeout net.Error
	)
	switch {
	case errors.As(err, &dns):
		return UnknownName
	case errors.Is(err, syscall.ECONNREFUSED):
		return NotListening
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return NoRoute
	case errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &record), errors.As(err, &alert),
		errors.As(err, &verify):
		return BadTLS
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout(),
		err != nil && strings.Contains(err.Error(), "timeout"): // sipgo's timers B and F are no net.Error
		return NoAnswer
	}
	return Unreachable
}

// At says the reason as an English sentence about an address.
func (r Reason) At(where string) string {
	switch r {
	case NoAnswer:
		return "no answer from " + where
	case NotListening:
		return "nobody listens at " + where
	case NoRoute:
		return "no route to " + where
	case UnknownName:
		return "the name " + where + " is not known to the DNS"
	case BadTLS:
		return "the TLS certificate of " + where + " is not accepted"
	}
	return where + " cannot be reached"
}

// Refused asks whether a UDP port is known to be dead: an empty line, which SIP takes for a keep-alive (RFC 5626, section 3.5.1), is
// sent to it, and a host that is there answers with ICMP when nobody listens. false means nothing: firewalls are silent. It waits
// until ctx ends or wait is over.
func Refused(ctx context.Context, from netip.Addr, to string, wait time.Duration) bool {
	dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	c, err := dialer.DialContext(ctx, "udp", to)
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	c.SetReadDeadline(time.Now().Add(wait))
	if _, err := c.Write([]byte("\r\n\r\n")); err != nil {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	_, err = c.Read(make([]byte, 64))
	return errors.Is(err, syscall.ECONNREFUSED)
}
