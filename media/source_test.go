package media

import (
	"net/netip"
	"testing"
	"time"
)

var (
	signalledAddr = netip.MustParseAddrPort("192.0.2.1:4000")
	natAddr       = netip.MustParseAddrPort("198.51.100.7:30000")
	strangerAddr  = netip.MustParseAddrPort("203.0.113.9:5555")
)

func newSource(nat bool, latchIP netip.Addr) *source {
	s := &source{}
	s.set(&Setup{Remote: signalledAddr, LatchNAT: nat, LatchIP: latchIP}, &Setup{})
	return s
}

func (s *source) try(from netip.AddrPort, ssrc uint32, seqs ...uint16) (accepted bool) {
	for _, seq := range seqs {
		accepted = s.accept(from, &packet{ssrc: ssrc, seq: seq})
	}
	return accepted
}

func TestSourceWithoutNATHearsTheSignalledOneOnly(t *testing.T) {
	s := newSource(false, netip.Addr{})
	if s.try(strangerAddr, 1, 1, 2, 3, 4, 5, 6, 7, 8) || s.try(netip.AddrPortFrom(signalledAddr.Addr(), 4002), 1, 1, 2, 3, 4) || s.addr != signalledAddr {
		t.Error("a stranger was followed")
	}
	if !s.try(signalledAddr, 9, 100) {
		t.Error("the peer is not heard")
	}
}

func TestSourceFollowsNATOnce(t *testing.T) {
	s := newSource(true, netip.Addr{})
	if s.try(strangerAddr, 7, 1) || s.try(natAddr, 1, 10, 11) {
		t.Error("followed too early")
	}
	if !s.try(natAddr, 1, 12) || s.addr != natAddr {
		t.Error("three in sequence are not followed")
	}
	if s.try(strangerAddr, 1, 13, 14, 15, 16) || s.try(strangerAddr, 7, 1, 2, 3, 4) || s.addr != natAddr {
		t.Error("followed a second time")
	}
	if s.try(signalledAddr, 1, 17, 18, 19) {
		t.Error("the old address is still heard")
	}
}

func TestSourceWantsContinuity(t *testing.T) {
	s := newSource(true, netip.Addr{})
	if !s.try(signalledAddr, 1, 65534, 65535) {
		t.Fatal("the peer is not heard")
	}
	if s.try(strangerAddr, 2, 0, 1, 2, 3) || s.try(strangerAddr, 1, 5000, 5001, 5002, 5003) || s.try(strangerAddr, 1, 65535) {
		t.Error("a stranger without the peer's SSRC and sequence was followed")
	}
	if !s.try(natAddr, 1, 3) || s.addr != natAddr {
		t.Error("the peer moved with its stream going on, and was not followed")
	}
}

func TestSourceFollowsOnlyTheAddressOfTheSignalling(t *testing.T) {
	s := newSource(true, natAddr.Addr())
	if s.try(strangerAddr, 1, 1, 2, 3, 4, 5) {
		t.Error("a stranger was followed")
	}
	if !s.try(natAddr, 1, 1, 2, 3) {
		t.Error("the peer was not followed")
	}
	old := Setup{Remote: signalledAddr, LatchNAT: true, LatchIP: natAddr.Addr()}
	if s.set(&old, &old); s.addr != natAddr {
		t.Error("a re-INVITE that changes nothing lost the NAT binding")
	}
	moved := old
	moved.Remote = netip.MustParseAddrPort("192.0.2.1:4100")
	if s.set(&moved, &old); s.addr != moved.Remote {
		t.Error("a new address in a re-INVITE is not used")
	}
}

// TestSourceThatIsNotReachable: the peer names a private address, so that nothing may be sent there; its packets show where it is.
func TestSourceThatIsNotReachable(t *testing.T) {
	s := &source{}
	s.set(&Setup{LatchNAT: true, LatchIP: natAddr.Addr()}, &Setup{})
	if s.try(strangerAddr, 1, 1, 2, 3, 4, 5) || !s.try(natAddr, 1, 1, 2, 3) || s.addr != natAddr {
		t.Errorf("followed %v", s.addr)
	}
	s = &source{}
	s.set(&Setup{LatchNAT: true}, &Setup{})
	if s.try(strangerAddr, 1, 1, 2, 3, 4, 5) {
		t.Error("followed somebody though nothing at all is known of the peer")
	}
}

func TestReceptionCountsLoss(t *testing.T) {
	var r reception
	now := time.Now()
	seq := uint16(65000)
	for i := range 2000 {
		seq++
		if i > 0 && i%10 == 0 {
			continue // lost
		}
		now = now.Add(frameTime)
		if !r.update(&packet{ssrc: 1, seq: seq}, now) {
			t.Fatalf("packet %d is refused", i)
		}
		if i%7 == 0 && r.update(&packet{ssrc: 1, seq: seq}, now) {
			t.Fatal("a duplicate is taken")
		}
	}
	if r.lost() != 199 || r.total() != 1801 {
		t.Errorf("lost %d, received %d", r.lost(), r.total())
	}
	if f := r.fraction(); f < 24 || f > 27 {
		t.Errorf("fraction %d/256", f)
	}
	late := seq - 3
	if r.update(&packet{ssrc: 1, seq: late}, now) {
		t.Error("a packet that came before is taken again")
	}
}

func TestReceptionRestartsAndSSRCs(t *testing.T) {
	var r reception
	now := time.Now()
	feed := func(ssrc uint32, seq uint16) bool {
		return r.update(&packet{ssrc: ssrc, seq: seq}, now)
	}
	for i := range uint16(10) {
		feed(1, i)
	}
	if feed(1, 30000) || !feed(1, 30001) {
		t.Error("a jump must be believed with its second packet")
	}
	if feed(2, 1) || feed(2, 2) || feed(2, 3) {
		t.Error("another SSRC is heard while the peer talks")
	}
	now = now.Add(switchAfter)
	if !feed(2, 4) {
		t.Error("another SSRC does not take over after the first fell silent")
	}
	if feed(1, 30002) {
		t.Error("the old SSRC is heard")
	}
	if r.total() != 12 {
		t.Errorf("%d packets counted over all, want 12", r.total())
	}
}

func TestMOS(t *testing.T) {
	for _, c := range []struct {
		loss, burst float64
		delay       time.Duration
		low, high   float64
	}{
		{0, 1, 40 * time.Millisecond, 4.35, 4.45}, // the best of G.711
		{0.01, 1, 40 * time.Millisecond, 4.2, 4.4},
		{0.05, 1, 40 * time.Millisecond, 3.7, 4.0},
		{0.05, 4, 40 * time.Millisecond, 3.5, 3.85}, // in bursts it is worse
		{0.05, 10, 40 * time.Millisecond, 3.4, 3.81},
		{0.2, 1, 40 * time.Millisecond, 2.0, 2.9},
		{0, 1, 400 * time.Millisecond, 3.0, 3.8},
		{1, 100, time.Second, 1, 1.1},
	} {
		if got := mos(c.loss, c.burst, c.delay); got < c.low || got > c.high {
			t.Errorf("loss %v in bursts of %v, delay %v: MOS %v, want %v to %v", c.loss, c.burst, c.delay, got, c.low, c.high)
		}
	}
}
