package media

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"
)

// ports is the pool of even RTP ports; the odd port above each is for its RTCP. Ports are given out in the order in which they
// came back, so that late packets of an ended call find nobody for as long as possible.
type ports struct {
	mu   sync.Mutex
	ip   netip.Addr
	free []uint16 // a queue
	size int      // 0: the system chooses
	used int
}

func newPorts(ip netip.Addr, first, last int) *ports {
	p := &ports{ip: ip}
	for port := first + first%2; port > 0 && port < last; port += 2 {
		p.free = append(p.free, uint16(port))
	}
	p.size = len(p.free)
	return p
}

// open binds the next free port. Ports that another process holds are passed over and tried again later.
func (p *ports) open(input func([]byte, netip.AddrPort)) (*socket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size == 0 {
		s, err := openSocket(netip.AddrPortFrom(p.ip, 0), input)
		if err == nil {
			p.used++
		}
		return s, err
	}
	for range len(p.free) {
		port := p.free[0]
		p.free = p.free[1:]
		s, err := openSocket(netip.AddrPortFrom(p.ip, port), input)
		if err == nil {
			p.used++
			return s, nil
		}
		p.free = append(p.free, port)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, ErrNoPorts
}

// release gives the port of a closed socket back.
func (p *ports) release(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if p.size > 0 {
		p.free = append(p.free, port)
	}
}

func (p *ports) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}
