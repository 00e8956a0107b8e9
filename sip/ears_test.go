package sip

import (
	"net/netip"
	"strconv"
	"sync"

	"hotline/call"
)

// ears keeps what a stream hears.
type ears struct {
	mu sync.Mutex
	in []int16
}

func (e *ears) Frame(in, _ []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in = append(e.in, in...)
}

func (e *ears) pcm() []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int16(nil), e.in...)
}

func port(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// cause is a cause to hang up with.
func (c *caught) cause() call.Cause { return call.CauseBusy }
