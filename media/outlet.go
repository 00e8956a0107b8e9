package media

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"hotline"
)

// outlet collects what many streams send through one socket. It leaves in batches of 64 packets, and when whoever made the streams
// send is done (clock and poller): [Engine.flush].
type outlet struct {
	socket *socket

	mu     sync.Mutex
	out    *batch
	closed bool
}

// addOutlet lets s send in batches.
func (e *Engine) addOutlet(s *socket) *outlet {
	o := &outlet{socket: s, out: newBatch()}
	e.changeOutlets(func(list []*outlet) []*outlet { return append(list, o) })
	return o
}

// dropOutlet ends it, and what it has not sent is not sent; before its socket is closed, as descriptors are used again.
func (e *Engine) dropOutlet(o *outlet) {
	e.changeOutlets(func(list []*outlet) []*outlet {
		return slices.DeleteFunc(list, func(other *outlet) bool { return other == o })
	})
	o.mu.Lock()
	o.closed, o.out.n = true, 0
	o.mu.Unlock()
}

func (e *Engine) changeOutlets(change func([]*outlet) []*outlet) {
	e.outletsMu.Lock()
	defer e.outletsMu.Unlock()
	var list []*outlet
	if present := e.outlets.Load(); present != nil {
		list = slices.Clone(*present)
	}
	list = change(list)
	e.outlets.Store(&list)
}

// queue sends a copy of b with the next batch.
func (o *outlet) queue(b []byte, to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	v6 := o.socket.local.Addr().Is6()
	if !o.out.add(b, to, v6) {
		o.out.flush(o.socket.fd)
		o.out.add(b, to, v6)
	}
}

// flush sends what the streams have queued. Whoever makes streams send calls it when done: clock and poller.
func (e *Engine) flush() {
	list := e.outlets.Load()
	if list == nil {
		return
	}
	for _, o := range *list {
		o.mu.Lock()
		if o.out.n > 0 {
			o.out.flush(o.socket.fd)
		}
		o.mu.Unlock()
	}
}

// Socket is a UDP socket for [Transport]s of other packages. The engine reads it, many packets a system call.
type Socket struct {
	engine *Engine
	shard  *shard
	socket *socket
	out    *outlet
}

// Listen opens a socket; input gets what arrives, from one goroutine of the engine, and must neither wait nor keep the packet.
func (e *Engine) Listen(at netip.AddrPort, input func(b []byte, from netip.AddrPort)) (*Socket, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	so, err := openSocket(at, input)
	if err != nil {
		if refused := (*hotline.Error)(nil); errors.As(err, &refused) {
			return nil, err
		}
		return nil, hotline.Errorf(hotline.Unavailable, "media.cannot_listen", "cannot open UDP %v: %w", at, err)
	}
	so.widen()
	s := &Socket{engine: e, shard: e.idlest(), socket: so}
	if err := s.shard.watch(so); err != nil {
		so.close()
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	s.shard.load.Add(1)
	s.out = e.addOutlet(so)
	return s, nil
}

// Local returns the address that the socket is bound to.
func (s *Socket) Local() netip.AddrPort { return s.socket.local }

// Queue sends a copy of b with what else is sent in the same turn of the clock or the poller.
func (s *Socket) Queue(b []byte, to netip.AddrPort) { s.out.queue(b, to) }

// Send sends b at once.
func (s *Socket) Send(b []byte, to netip.AddrPort) {
	s.out.mu.Lock() // against Close
	defer s.out.mu.Unlock()
	if !s.out.closed {
		s.socket.send(b, to)
	}
}

// Close ends the socket; input may still be called once.
func (s *Socket) Close() {
	s.engine.dropOutlet(s.out)
	s.shard.load.Add(-1)
	s.shard.drop(s.socket)
}
