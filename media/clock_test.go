package media

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// Packets that come alone, in crowds larger than a batch, and again alone after a rest are all read: the bell rings whenever the reader
// waits. The engine comes to its end while packets still come.
func TestReaderMissesNothing(t *testing.T) {
	e, err := NewEngine(Config{BindIP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	var came atomic.Int64
	s, err := e.Listen(netip.AddrPortFrom(loopback, 0), func([]byte, netip.AddrPort) { came.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.Local()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := int64(0)
	for round := range 300 {
		for range []int{1, 2, 3, batchSize, 3*batchSize + 1}[round%5] {
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		for deadline := time.Now().Add(20 * time.Second); came.Load() < sent; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d of %d packets were read", round, came.Load(), sent)
			}
		}
		if round%7 == 0 {
			<-time.After(3 * gather) // the reader waits again
		}
	}
	flooding, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for flooding.Err() == nil {
			_, _ = conn.Write([]byte("x"))
		}
	}()
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the engine does not end while packets come")
	}
}
