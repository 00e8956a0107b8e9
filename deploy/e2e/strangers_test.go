//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotline/testport"

	"golang.org/x/sys/unix"
)

// street is another network, joined to this machine by a cable: what is in it is no trunk.
type street struct {
	t     testing.TB
	name  string
	cable string     // our end of it
	house netip.Addr // the product's address
	there netip.Addr // the stranger's
}

// streets counts them: tests that run side by side have one each.
var streets atomic.Int32

func newStreet(t testing.TB) *street {
	t.Helper()
	id := (os.Getpid() + 1000*int(streets.Add(1))) % 4096
	s := &street{
		t: t, name: fmt.Sprintf("hotline-e2e-%d", id),
		house: netip.AddrFrom4([4]byte{10, 203, byte(id >> 6), byte(id&63)*4 + 1}), there: netip.AddrFrom4([4]byte{10, 203, byte(id >> 6), byte(id&63)*4 + 2}),
	}
	near, far := fmt.Sprintf("hl%da", id), fmt.Sprintf("hl%db", id)
	s.cable = near
	s.ip("netns", "add", s.name)
	t.Cleanup(func() {
		exec.Command("ip", "link", "del", near).Run() // the other end goes with it
		if out, err := exec.Command("ip", "netns", "del", s.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del %s: %v %s", s.name, err, out)
		}
	})
	s.ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", s.name)
	s.ip("addr", "add", s.house.String()+"/30", "dev", near)
	s.ip("link", "set", near, "up")
	s.ip("-n", s.name, "addr", "add", s.there.String()+"/30", "dev", far)
	s.ip("-n", s.name, "link", "set", far, "up")
	s.ip("-n", s.name, "link", "set", "lo", "up")
	return s
}

func (s *street) ip(args ...string) {
	s.t.Helper()
	program := need(s.t, "ip", "iproute2")
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("this test calls from a network namespace of its own: run it as root, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN (ip %s: %v %s)",
			strings.Join(args, " "), err, out)
	}
}

// cut pulls the cable out, or puts it back.
func (s *street) cut(off bool) {
	s.t.Helper()
	state := "up"
	if off {
		state = "down"
	}
	s.ip("link", "set", s.cable, state)
}

// socket opens a socket in the street. A socket stays in the network in which it was made, whoever uses it.
func (s *street) socket() *net.UDPConn {
	s.t.Helper()
	type made struct {
		conn *net.UDPConn
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and no other gets it
		conn, err := s.listen()
		done <- made{conn, err}
	}()
	m := <-done
	if m.err != nil {
		s.t.Fatalf("open a socket in %s: %v", s.name, m.err)
	}
	s.t.Cleanup(func() { m.conn.Close() })
	return m.conn
}

func (s *street) listen() (*net.UDPConn, error) {
	f, err := os.Open("/var/run/netns/" + s.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.there, 0)))
}

// TestStrangers: who is no trunk gets nothing but a refusal, and who floods keeps nobody else from being answered.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	port := testport.Free(t, "udp")
	target := netip.AddrPortFrom(s.house, uint16(port)).String()
	h := newHouse(t, "HOTLINE_SIP_ADDR="+target)
	h.sip = target
	conn := s.socket()
	var answers []string
	for _, number := range []string{"4000", "4999"} { // there is one, and none
		answer, _, _ := strings.Cut(ask(t, conn, target, number, "+8613811400001", 3*time.Second), "\r\n")
		answers = append(answers, answer)
		if answer != "" && !strings.HasPrefix(answer, "SIP/2.0 403") {
			t.Errorf("a stranger who calls %s is answered %q", number, answer)
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("a stranger learns which numbers there are: %q", answers)
	}
	h.nothingOf("+8613811400001")
	if n := h.metric(`hotline_sip_guard_refused_total{reason="stranger"}`); n < 2 {
		t.Errorf("%v strangers were counted", n)
	}
	before := h.metric("process_resident_memory_bytes")

	stop, flooded := make(chan struct{}), make(chan int)
	go func() { flooded <- flood(conn, target, 5*time.Second, stop) }()
	const from = "+8613811400002"
	h.sipp(sippCall{number: "4000", from: from, audio: append([]audio{quiet(500 * time.Millisecond)}, digits("21", 500*time.Millisecond)...), hold: 3 * time.Second})
	close(stop)
	sent := <-flooded
	if c := h.ended(from); c.digits() != "21" {
		t.Errorf("path %s", c.path())
	}
	if sent < 2500 {
		t.Errorf("only %d INVITEs were sent in the flood: this test proves little", sent)
	}
	refused := 0.0
	for _, reason := range []string{"stranger", "flood", "crowd"} {
		refused += h.metric(`hotline_sip_guard_refused_total{reason="` + reason + `"}`)
	}
	if refused < float64(sent)*0.9 {
		t.Errorf("%v of %d INVITEs were counted as refused", refused, sent)
	}
	if grown := h.metric("process_resident_memory_bytes") - before; grown > 128<<20 {
		t.Errorf("the flood took %.0f MB", grown/(1<<20))
	}
	h.nothingOf("+8613811400003")
	h.settled()
}

// nothingOf checks that a caller left no call behind.
func (h *house) nothingOf(from string) {
	h.t.Helper()
	if calls := h.calls(from); len(calls) != 0 {
		h.t.Errorf("%d calls of a stranger are filed", len(calls))
	}
	if n := h.metric("hotline_sip_half_open"); n != 0 {
		h.t.Errorf("%v INVITEs of strangers wait for an answer", n)
	}
}

// flood sends 1,000 INVITEs a second, each a new call, for so long and then until stop.
func flood(conn *net.UDPConn, target string, d time.Duration, stop <-chan struct{}) (sent int) {
	to, local := netip.MustParseAddrPort(target), conn.LocalAddr().(*net.UDPAddr).AddrPort()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		select {
		case <-stop:
			if time.Since(begun) > d {
				return sent
			}
		default:
		}
		for range 5 {
			if _, err := conn.WriteToUDPAddrPort(invite(target, "4000", "+8613811400003", fmt.Sprintf("flood-%d", sent), local), to); err == nil {
				sent++
			}
		}
	}
}
