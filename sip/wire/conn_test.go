package wire

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// Closing waits for the goroutine that accepts, even when a connection has come that nobody takes any more, and gives back its place.
func TestCloseWaitsForAccept(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	j := judge()
	admitted, released := make(chan struct{}, 2), make(chan struct{}, 2)
	j.Connect = func(netip.Addr) (func(), time.Duration, bool) {
		admitted <- struct{}{}
		return func() { released <- struct{}{} }, time.Minute, true
	}
	l := Listener(inner, j, "TCP")
	for range 2 { // the first is taken, the second is not
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	taken, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	<-admitted
	<-admitted
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-released:
	default:
		t.Error("the place of the connection that nobody took was not given back")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
	l.Close()
	taken.Close()
	<-released
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := Listener(unused, j, "TCP").Close(); err != nil {
		t.Error(err)
	}
}
