package media

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

const (
	firstReport    = 2 * time.Second // so that short calls have a round trip too
	reportInterval = 5 * time.Second // RFC 3550, section 6.2: the least, times 0.5 to 1.5
	maxRTT         = 10 * time.Second
	ntpEpoch       = 2208988800 // seconds from 1900 to 1970
	fraction       = 1 << 32
)

// control is the RTCP of a stream (RFC 3550, section 6).
type control struct {
	next     time.Time // of our next report
	sent     uint32    // middle of the NTP time of our last sender report
	sentAt   time.Time
	peerSR   uint32 // likewise of the peer's last one
	peerSRAt time.Time

	rtt          time.Duration
	remoteLost   int64
	remoteJitter float64 // samples

	late, concealed uint64   // of jitter buffers that are gone
	since           baseline // of Quality
}

// ReceiveRTCP takes a packet that came in on the RTCP port.
func (s *Stream) ReceiveRTCP(b []byte, from netip.AddrPort) {
	s.mu.Lock()
	if !s.closed && s.configured {
		s.takeRTCP(b, from)
	}
	s.deliver()
}

// takeRTCP reads reports of the peer. Only its host is heard: behind NAT its RTCP port cannot be known.
func (s *Stream) takeRTCP(b []byte, from netip.AddrPort) {
	if from.Addr() != s.in.source.addr.Addr() || from != s.rtcpRemote() && !s.setup.LatchNAT {
		s.in.strangers++
		return
	}
	if s.cipher != nil {
		if b = s.cipher.OpenRTCP(b); b == nil {
			s.in.invalid++
			return
		}
	}
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		s.in.invalid++
		return
	}
	now := s.engine.now()
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			if p.SSRC == s.in.stats.ssrc {
				s.control.peerSR, s.control.peerSRAt = uint32(p.NTPTime>>16), now
			}
			s.takeReports(p.Reports, now)
		case *rtcp.ReceiverReport:
			s.takeReports(p.Reports, now)
		}
	}
}

func (s *Stream) takeReports(reports []rtcp.ReceptionReport, now time.Time) {
	c := &s.control
	for _, r := range reports {
		if r.SSRC != s.out.ssrc {
			continue
		}
		c.remoteLost = int64(int32(r.TotalLost<<8) >> 8) // 24 bits, signed
		c.remoteJitter = float64(r.Jitter)
		if r.LastSenderReport == 0 || r.LastSenderReport != c.sent {
			continue
		}
		held := time.Duration(r.Delay) * time.Second / 65536
		if rtt := now.Sub(c.sentAt) - held; rtt >= 0 && rtt < maxRTT {
			c.rtt = rtt
		}
	}
}

// rtcpRemote returns where reports go: next to where RTP goes, if the peer turned out to be elsewhere than signalled.
func (s *Stream) rtcpRemote() netip.AddrPort {
	switch {
	case !s.in.source.moved:
		return s.setup.RemoteRTCP
	case s.setup.RTCPMux:
		return s.in.source.addr
	}
	return nextPort(s.in.source.addr)
}

// report sends a report when it is time.
func (s *Stream) report(now time.Time) {
	if now.Before(s.control.next) {
		return
	}
	s.control.next = now.Add(time.Duration((0.5 + rand.Float64()) * float64(reportInterval)))
	s.sendRTCP(s.reports(s.engine.now())...)
}

// reports returns a compound packet: SR or RR, then the mandatory CNAME.
func (s *Stream) reports(now time.Time) []rtcp.Packet {
	var blocks []rtcp.ReceptionReport
	if r := &s.in.stats; r.started {
		block := rtcp.ReceptionReport{
			SSRC: r.ssrc, FractionLost: r.fraction(), TotalLost: uint32(max(0, r.lost())) & 0x7fffff,
			LastSequenceNumber: r.extended(), Jitter: uint32(r.jitter),
		}
		if s.control.peerSR != 0 {
			block.LastSenderReport = s.control.peerSR
			block.Delay = uint32(now.Sub(s.control.peerSRAt) * 65536 / time.Second)
		}
		blocks = append(blocks, block)
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: s.out.ssrc, Reports: blocks}
	if s.out.packets > 0 {
		ntp := ntpTime(now)
		s.control.sent, s.control.sentAt = uint32(ntp>>16), now
		first = &rtcp.SenderReport{
			SSRC: s.out.ssrc, NTPTime: ntp, RTPTime: s.out.ts, PacketCount: s.out.packets, OctetCount: s.out.octets, Reports: blocks,
		}
	}
	return []rtcp.Packet{first, rtcp.NewCNAMESourceDescription(s.out.ssrc, "hotline")}
}

// sendGoodbye tells the peer that no more comes (RFC 3550, section 6.6).
func (s *Stream) sendGoodbye() {
	if s.configured && s.out.packets > 0 {
		s.sendRTCP(append(s.reports(s.engine.now()), &rtcp.Goodbye{Sources: []uint32{s.out.ssrc}})...)
	}
}

func (s *Stream) sendRTCP(packets ...rtcp.Packet) {
	to := s.rtcpRemote()
	if !to.IsValid() || !s.in.source.addr.IsValid() {
		return
	}
	b, err := rtcp.Marshal(packets)
	if err != nil {
		return
	}
	if s.cipher != nil {
		b = s.cipher.SealRTCP(b)
	}
	s.way.SendRTCP(b, to)
}

func ntpTime(t time.Time) uint64 {
	return uint64(t.Unix()+ntpEpoch)<<32 | uint64(t.Nanosecond())*fraction/uint64(time.Second)
}
