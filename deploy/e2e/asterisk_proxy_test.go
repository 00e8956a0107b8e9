//go:build e2e

package e2e

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is the way from the product to Asterisk's ARI, which a test can cut, stop up, slow down and make lose answers.
type wire struct {
	t    testing.TB
	ear  net.Listener
	done sync.WaitGroup

	mu      sync.Mutex
	target  string // "": nobody is there
	changed *sync.Cond
	frozen  bool          // nothing goes through, and nobody is told
	delay   time.Duration // before what comes back is handed on
	lose    int           // of so many requests one's answer is lost with its connection; 0: none
	asked   int
	lost    int
	open    map[net.Conn]bool
}

// newWire listens; it leads nowhere yet.
func newWire(t testing.TB) *wire {
	t.Helper()
	ear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, ear: ear, open: map[net.Conn]bool{}}
	w.changed = sync.NewCond(&w.mu)
	w.done.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) url() string { return "http://" + w.ear.Addr().String() }

// set changes what the wire does.
func (w *wire) set(change func(*wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
	w.changed.Broadcast()
}

// cut breaks all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
}

func (w *wire) drop() {
	for c := range w.open {
		c.Close()
	}
}

func (w *wire) losses() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

func (w *wire) close() {
	w.ear.Close()
	w.set(func(w *wire) { w.frozen, w.delay = false, 0; w.drop() })
	w.done.Wait()
}

func (w *wire) accept() {
	for {
		client, err := w.ear.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		target := w.target
		w.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if target == "" || err != nil {
			client.Close()
			continue
		}
		w.mu.Lock()
		w.open[client], w.open[server] = true, true
		w.mu.Unlock()
		lost := &doom{}
		w.done.Go(func() { w.carry(server, client, lost, true) })
		w.done.Go(func() { w.carry(client, server, lost, false) })
	}
}

// doom is whether a connection is to break at the next answer.
type doom struct {
	sync.Mutex
	yes bool
}

// carry hands on what comes from one side until either ends.
func (w *wire) carry(to, from net.Conn, lost *doom, asking bool) {
	defer func() {
		to.Close()
		from.Close()
		w.mu.Lock()
		delete(w.open, to)
		delete(w.open, from)
		w.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !w.pass(buf[:n], lost, asking) {
			return
		}
		if err == nil {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// pass waits as long as the wire makes it wait, and says whether the bytes go on.
func (w *wire) pass(b []byte, lost *doom, asking bool) bool {
	lost.Lock()
	defer lost.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.frozen {
		w.changed.Wait()
	}
	if asking {
		w.asked += requests(b)
		lost.yes = lost.yes || w.lose > 0 && requests(b) > 0 && w.asked%w.lose == 0
		return true
	}
	if lost.yes {
		w.lost++
		return false
	}
	if d := w.delay; d > 0 {
		w.mu.Unlock()
		<-time.After(d)
		w.mu.Lock()
	}
	return true
}

// requests counts those that begin in some bytes; the one that asks for events is none.
func requests(b []byte) (n int) {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	for _, method := range []string{"GET ", "POST ", "PUT ", "DELETE "} {
		if strings.HasPrefix(string(line), method) && !bytes.Contains(line, []byte("/events")) {
			n = 1
		}
	}
	return n
}
