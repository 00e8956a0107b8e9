package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestWhy(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	_, refused := net.DialTimeout("tcp", closed.Addr().String(), 5*time.Second)
	_, name := net.DefaultResolver.LookupHost(t.Context(), "no.such.name.invalid")
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() { // ends with the listener
		c, err := plain.Accept()
		if err == nil {
			fmt.Fprint(c, "SIP/2.0 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	_, handshake := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", plain.Addr().String(), nil)
	for want, err := range map[Reason]error{
		NotListening: refused, UnknownName: name, BadTLS: handshake, NoAnswer: errors.New("transaction timeout"), Unreachable: errors.New("x"),
	} {
		if err == nil {
			t.Fatalf("%s: nothing failed", want)
		}
		if got := Why(fmt.Errorf("wrapped: %w", err)); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
	if Why(context.DeadlineExceeded) != NoAnswer {
		t.Error("a deadline is silence")
	}
}

func TestRefused(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from, to := netip.MustParseAddr("127.0.0.1"), c.LocalAddr().String()
	if Refused(t.Context(), from, to, 200*time.Millisecond) {
		t.Error("a port that is silent is not dead")
	}
	c.Close()
	if !Refused(t.Context(), from, to, 5*time.Second) {
		t.Error("the host says that nobody listens")
	}
}
