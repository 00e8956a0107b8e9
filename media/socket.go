package media

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"hotline"
)

// The standard library would do one packet a system call and one goroutine a socket. Here thousands of sockets are read by one
// goroutine a core, many packets a call (recvmmsg, sendmmsg), without allocating: decision 002. None of these calls waits, so they are
// raw: the runtime need not be told of them, and does not hand the core to another thread when one of them sends for a while.

const (
	maxPacket = 1500 // bytes; longer datagrams are no audio of ours and are dropped
	batchSize = 64   // packets a system call
)

type mmsghdr struct {
	hdr syscall.Msghdr
	n   uint32
	_   uint32
}

// batch is room for the packets of one recvmmsg or sendmmsg. It must live on the heap: the kernel sees its addresses.
type batch struct {
	n    int // packets to be sent
	read int // packets that were received last: their headers are to be reset
	bufs [batchSize][maxPacket]byte
	msgs [batchSize]mmsghdr
	iovs [batchSize]syscall.Iovec
	adrs [batchSize]syscall.RawSockaddrInet6 // large enough for both families
}

func newBatch() *batch {
	b := &batch{read: batchSize}
	for i := range b.msgs {
		b.iovs[i].SetLen(maxPacket)
		b.iovs[i].Base = &b.bufs[i][0]
		b.msgs[i].hdr.Iov = &b.iovs[i]
		b.msgs[i].hdr.Iovlen = 1
		b.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&b.adrs[i]))
	}
	return b
}

// socket is one UDP socket. Its reader is the poller of a shard; its mutex keeps reading and closing apart.
type socket struct {
	mu    sync.Mutex
	fd    int // -1: closed
	local netip.AddrPort
	// input takes a packet, from the poller's goroutine; b is only valid during the call.
	input func(b []byte, from netip.AddrPort)
}

func openSocket(local netip.AddrPort, input func([]byte, netip.AddrPort)) (*socket, error) {
	family := syscall.AF_INET
	if local.Addr().Is6() {
		family = syscall.AF_INET6
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, &hotline.Error{Kind: hotline.Unavailable, Code: "media.no_socket", Message: "cannot make a UDP socket: " + err.Error(), Err: err}
	}
	s := &socket{fd: fd, local: local, input: input}
	var sa syscall.Sockaddr = &syscall.SockaddrInet4{Port: int(local.Port()), Addr: as4(local.Addr())}
	if family == syscall.AF_INET6 {
		sa = &syscall.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16()}
	}
	if err := syscall.Bind(fd, sa); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	if local.Port() == 0 {
		if sa, err = syscall.Getsockname(fd); err != nil {
			syscall.Close(fd)
			return nil, err
		}
		port := 0
		switch sa := sa.(type) {
		case *syscall.SockaddrInet4:
			port = sa.Port
		case *syscall.SockaddrInet6:
			port = sa.Port
		}
		s.local = netip.AddrPortFrom(local.Addr(), uint16(port))
	}
	return s, nil
}

func as4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		return a.As4()
	}
	return b
}

// widen asks for kernel buffers that hold what many streams send in 20 ms.
func (s *socket) widen() {
	const size = 16 << 20 // taken only while packets wait: a few hundred milliseconds of 1,000 streams
	if syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, size) != nil {
		syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, size) // as much as the system allows
	}
	if syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUFFORCE, size) != nil {
		syscall.SetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, size)
	}
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd >= 0 {
		syscall.Close(s.fd) // takes it out of the epoll set as well: the descriptor was never duplicated
		s.fd = -1
	}
}

// read hands the packets that wait in the socket to input, and tells how many.
func (s *socket) read(b *batch) (packets int) {
	s.mu.Lock()
	n := 0
	if s.fd >= 0 {
		n = b.receive(s.fd)
	}
	s.mu.Unlock()
	for i := range n {
		m := &b.msgs[i]
		if m.hdr.Flags&syscall.MSG_TRUNC == 0 {
			s.input(b.bufs[i][:m.n], b.source(i))
		}
	}
	return n
}

// send sends one packet at once. Errors are of no use to a stream: what is lost is lost, as on the way.
func (s *socket) send(p []byte, to netip.AddrPort) {
	if len(p) == 0 || !to.IsValid() || s.fd < 0 {
		return
	}
	var sa syscall.RawSockaddrInet6
	n, ok := putAddr(&sa, to, s.local.Addr().Is6())
	if !ok {
		return
	}
	syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&sa)), uintptr(n))
}

// ready returns how many descriptors of an epoll descriptor can be read right now, and which.
func ready(epfd int, events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (b *batch) receive(fd int) int {
	for i := range b.read {
		b.msgs[i].hdr.Namelen = syscall.SizeofSockaddrInet6
		b.msgs[i].hdr.Flags = 0
	}
	b.read = 0
	n, _, errno := syscall.RawSyscall6(sysRecvmmsg, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[0])), batchSize, syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	b.read = int(n)
	return b.read
}

func (b *batch) source(i int) netip.AddrPort {
	sa := &b.adrs[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	if sa.Family == syscall.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*syscall.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port)
}

// add queues a copy of p; it tells whether there was room.
func (b *batch) add(p []byte, to netip.AddrPort, v6 bool) bool {
	if b.n == batchSize || len(p) > maxPacket {
		return false
	}
	i := b.n
	size, ok := putAddr(&b.adrs[i], to, v6)
	if !ok {
		return true
	}
	copy(b.bufs[i][:], p)
	b.iovs[i].SetLen(len(p))
	b.msgs[i].hdr.Namelen = size
	b.n++
	return true
}

// flush sends what is queued.
func (b *batch) flush(fd int) {
	for sent := 0; sent < b.n; {
		n, _, errno := syscall.RawSyscall6(sysSendmmsg, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[sent])), uintptr(b.n-sent),
			syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 || n == 0 {
			n = 1 // the first one cannot be sent (unreachable, buffer full): the others may
		}
		sent += int(n)
	}
	b.n = 0
}

// putAddr writes the socket address of to, for a socket of either family, and returns its size.
func putAddr(sa *syscall.RawSockaddrInet6, to netip.AddrPort, v6 bool) (size uint32, ok bool) {
	port := (*[2]byte)(unsafe.Pointer(&sa.Port))
	binary.BigEndian.PutUint16(port[:], to.Port())
	addr := to.Addr().Unmap()
	if v6 {
		sa.Family, sa.Flowinfo, sa.Scope_id = syscall.AF_INET6, 0, 0
		sa.Addr = addr.As16()
		return syscall.SizeofSockaddrInet6, true
	}
	if !addr.Is4() {
		return 0, false
	}
	sa.Family = syscall.AF_INET
	(*syscall.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr = addr.As4()
	return syscall.SizeofSockaddrInet4, true
}
