package media

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	frameTime  = 20 * time.Millisecond
	maxCatchUp = 5 // ticks made up for after a stall; more would be a burst that peers drop anyway
)

// ticker is what a shard moves every 20 ms: a stream or a room.
type ticker interface {
	// tick does 20 ms of work; false takes it off the clock.
	tick(now time.Time) bool
}

// shard is one core's share of the streams: one goroutine that keeps the clock, one that reads the sockets.
type shard struct {
	engine *Engine
	file   *os.File        // the epoll descriptor, itself watched by the Go runtime: no thread is blocked in epoll_wait
	poll   syscall.RawConn // of file

	mu      sync.Mutex
	sockets map[int32]*socket // by descriptor
	joining []ticker          // since the last tick

	tickers []ticker // of the clock's goroutine
	load    atomic.Int32
}

func newShard(e *Engine) (*shard, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	sh := &shard{engine: e, file: os.NewFile(uintptr(fd), "epoll"), sockets: make(map[int32]*socket)}
	if sh.poll, err = sh.file.SyscallConn(); err != nil {
		sh.file.Close()
		return nil, err
	}
	return sh, nil
}

// watch lets the poller read s.
func (sh *shard) watch(s *socket) error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.sockets[int32(s.fd)] = s
	var err error
	ctlErr := sh.poll.Control(func(epfd uintptr) {
		err = syscall.EpollCtl(int(epfd), syscall.EPOLL_CTL_ADD, s.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(s.fd)})
	})
	if err := errors.Join(err, ctlErr); err != nil {
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

// read reads sockets until the epoll descriptor is closed.
func (sh *shard) read() {
	events := make([]syscall.EpollEvent, 256)
	full := make([]*socket, 0, len(events))
	buf := newBatch()
	for {
		n := 0
		err := sh.poll.Read(func(fd uintptr) bool {
			var err error
			n, err = ready(fd, events)
			return n > 0 || err != nil && !errors.Is(err, syscall.EINTR)
		})
		if err != nil {
			return
		}
		sh.mu.Lock()
		full = full[:0]
		for _, ev := range events[:max(n, 0)] {
			if s := sh.sockets[ev.Fd]; s != nil {
				full = append(full, s)
			}
		}
		sh.mu.Unlock()
		for _, s := range full {
			s.read(buf)
		}
		sh.engine.flush()
	}
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
