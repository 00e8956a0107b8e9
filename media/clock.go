package media

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	frameTime  = 20 * time.Millisecond
	gather     = 2 * time.Millisecond // for so long packets may wait for others
	maxCatchUp = 5                    // ticks made up for after a stall; more would be a burst that peers drop anyway
)

// ticker is what a shard moves every 20 ms: a stream or a room.
type ticker interface {
	// tick does 20 ms of work; false takes it off the clock.
	tick(now time.Time) bool
}

// shard is one core's share of the streams: one goroutine that keeps the clock, one that reads the sockets.
type shard struct {
	engine *Engine
	epfd   int             // of the sockets
	bell   *os.File        // an epoll descriptor with epfd in it, watched by the Go runtime: no thread is blocked in epoll_wait
	poll   syscall.RawConn // of bell
	closed atomic.Bool

	mu      sync.Mutex
	sockets map[int32]*socket // by descriptor
	joining []ticker          // since the last tick

	tickers []ticker // of the clock's goroutine
	load    atomic.Int32
}

func newShard(e *Engine) (*shard, error) {
	sh := &shard{engine: e, sockets: make(map[int32]*socket)}
	var err error
	if sh.epfd, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	bell, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		syscall.Close(sh.epfd)
		return nil, err
	}
	if err = syscall.SetNonblock(bell, true); err == nil {
		err = syscall.EpollCtl(bell, syscall.EPOLL_CTL_ADD, sh.epfd, &syscall.EpollEvent{Events: oneRing})
	}
	sh.bell = os.NewFile(uintptr(bell), "epoll")
	if err == nil {
		sh.poll, err = sh.bell.SyscallConn()
	}
	if err != nil {
		sh.close()
		sh.end()
		return nil, err
	}
	return sh, nil
}

// oneRing lets the bell ring once, and not again until it is asked to.
const oneRing = syscall.EPOLLIN | syscall.EPOLLONESHOT

// close lets the reader come to its end; end, when it has, gives the descriptor back.
func (sh *shard) close() {
	sh.closed.Store(true)
	sh.bell.Close()
}

func (sh *shard) end() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	syscall.Close(sh.epfd)
	sh.epfd = -1
}

// watch lets the poller read s.
func (sh *shard) watch(s *socket) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sockets[int32(s.fd)] = s
	err := syscall.EpollCtl(sh.epfd, syscall.EPOLL_CTL_ADD, s.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(s.fd)})
	if err != nil {
		delete(sh.sockets, int32(s.fd))
		return err
	}
	return nil
}

// drop closes s and forgets it.
func (sh *shard) drop(s *socket) {
	sh.mu.Lock()
	if s.fd >= 0 {
		delete(sh.sockets, int32(s.fd))
	}
	sh.mu.Unlock()
	s.close()
}

// join puts t on the clock from the next tick on.
func (sh *shard) join(t ticker) {
	sh.load.Add(1)
	sh.mu.Lock()
	sh.joining = append(sh.joining, t)
	sh.mu.Unlock()
}

// read reads sockets until the shard is closed. Who finds several packets waits a little for the next ones before it looks again: what
// it costs to be woken, to read and to send is then paid once for many packets. A packet that comes alone is read at once.
func (sh *shard) read() {
	events := make([]syscall.EpollEvent, 256)
	full := make([]*socket, 0, len(events))
	buf := newBatch()
	for !sh.closed.Load() {
		n := ready(sh.epfd, events)
		if n == 0 {
			if sh.wait() != nil {
				return
			}
			continue
		}
		sh.mu.Lock()
		full = full[:0]
		for _, ev := range events[:n] {
			if s := sh.sockets[ev.Fd]; s != nil {
				full = append(full, s)
			}
		}
		sh.mu.Unlock()
		packets, most := 0, 0
		for _, s := range full {
			n := s.read(buf)
			packets, most = packets+n, max(most, n)
		}
		sh.engine.flush()
		if packets > 1 && most < batchSize { // a socket that filled the batch has more
			time.Sleep(gather)
		}
	}
}

// wait returns when a socket can be read. Packets that come while nobody waits here ring no bell and wake nobody.
func (sh *shard) wait() error {
	asked := false
	return sh.poll.Read(func(bell uintptr) bool {
		if !asked {
			asked = true
			syscall.EpollCtl(int(bell), syscall.EPOLL_CTL_MOD, sh.epfd, &syscall.EpollEvent{Events: oneRing}) // rings at once if there is something
		}
		var rung [1]syscall.EpollEvent
		return ready(int(bell), rung[:]) > 0
	})
}

// keepTime ticks every 20 ms, on a grid that does not drift, until ctx ends. The phase sets it apart from other shards, so that they
// do not want all cores at the same instant.
func (sh *shard) keepTime(ctx context.Context, phase time.Duration) {
	next := time.Now().Add(frameTime + phase)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		if behind := int(now.Sub(next) / frameTime); behind > maxCatchUp {
			sh.engine.stalls.Add(uint64(behind - maxCatchUp))
			next = next.Add(time.Duration(behind-maxCatchUp) * frameTime)
		}
		for ; !next.After(now); next = next.Add(frameTime) {
			sh.tick(next) // the time on the grid: music and the like go on evenly when ticks are late
		}
		timer.Reset(time.Until(next))
	}
}

// tick moves everything on this shard by 20 ms.
func (sh *shard) tick(now time.Time) {
	sh.mu.Lock()
	sh.tickers = append(sh.tickers, sh.joining...)
	clear(sh.joining)
	sh.joining = sh.joining[:0]
	sh.mu.Unlock()
	kept := sh.tickers[:0]
	for _, t := range sh.tickers {
		if t.tick(now) {
			kept = append(kept, t)
		} else {
			sh.load.Add(-1)
		}
	}
	clear(sh.tickers[len(kept):])
	sh.tickers = kept
	sh.engine.flush()
}
