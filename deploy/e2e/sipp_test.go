//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline/testport"
)

// scenario is sipp's caller: it is answered, plays its audio and digits, and hangs up after the pause.
const scenario = `<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
    INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "sipp" <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]T[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>
    Call-ID: [call_id]
    CSeq: 1 INVITE
    Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
    Max-Forwards: 70
    Content-Type: application/sdp
    Content-Length: [len]

    v=0
    o=sipp 1 1 IN IP4 [local_ip]
    s=-
    c=IN IP4 [media_ip]
    t=0 0
    m=audio [auto_media_port] RTP/AVP 8 0 101
    a=rtpmap:8 PCMA/8000
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
    ACK [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "sipp" <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]T[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 1 ACK
    Max-Forwards: 70
    Content-Length: 0
  ]]></send>
  <nop><action><exec play_pcap_audio="PCAP"/></action></nop>
  <pause milliseconds="PAUSE"/>
  <send retrans="500"><![CDATA[
    BYE [next_url] SIP/2.0
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
    From: "sipp" <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]T[call_number]
    To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
    Call-ID: [call_id]
    CSeq: 2 BYE
    Max-Forwards: 70
    Content-Length: 0
  ]]></send>
  <recv response="200"/>
</scenario>
`

// sippCall is what a sipp caller does.
type sippCall struct {
	number    string  // whom to call
	from      string  // E.164
	audio     []audio // what it sends, one after the other
	hold      time.Duration
	transport string // "u1" UDP (default), "t1" TCP
	calls     int    // 1 when 0
	rate      int    // calls a second
}

// audio is a stretch of what a caller sends: a tone (0 Hz is silence), or a digit.
type audio struct {
	hertz float64
	digit byte
	dur   time.Duration
}

// sipp runs the caller to its end and fails the test when sipp says that a call failed.
func (h *house) sipp(c sippCall) {
	h.t.Helper()
	program := need(h.t, "sipp", "sip-tester")
	dir := h.t.TempDir()
	pcap := filepath.Join(dir, "audio.pcap")
	if err := os.WriteFile(pcap, pcapFile(c.audio), 0o600); err != nil {
		h.t.Fatal(err)
	}
	text := strings.NewReplacer("PCAP", pcap, "PAUSE", fmt.Sprint(c.hold.Milliseconds())).Replace(scenario)
	xml, csv := filepath.Join(dir, "caller.xml"), filepath.Join(dir, "caller.csv")
	os.WriteFile(xml, []byte(text), 0o600)
	os.WriteFile(csv, []byte("SEQUENTIAL\n"+c.from+"\n"), 0o600)
	calls, rate, transport := max(c.calls, 1), max(c.rate, 1), c.transport
	if transport == "" {
		transport = "u1"
	}
	limit := c.hold + time.Duration(calls/rate)*time.Second + 40*time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, h.sip, "-s", c.number, "-sf", xml, "-inf", csv, "-i", "127.0.0.1", "-mi", "127.0.0.1",
		"-p", fmt.Sprint(testport.Free(h.t, "udp")), "-mp", fmt.Sprint(testport.Free(h.t, "udp")&^1), "-t", transport,
		"-m", fmt.Sprint(calls), "-r", fmt.Sprint(rate), "-nostdin", "-trace_err", "-error_file", filepath.Join(dir, "errors"))
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "errors"))
		h.t.Fatalf("sipp: %v\n%s\n%s", err, tail(string(said), 3000), tail(out.String(), 3000))
	}
}

// pcapFile makes one continuous PCMA stream with its digits as RFC 4733 events, each with a timestamp of its own: sipp replays the
// packets and their spacing.
func pcapFile(parts []audio) []byte {
	var out bytes.Buffer
	le := binary.LittleEndian
	head := make([]byte, 24)
	le.PutUint32(head, 0xa1b2c3d4)
	le.PutUint16(head[4:], 2)
	le.PutUint16(head[6:], 4)
	le.PutUint32(head[16:], 65535)
	le.PutUint32(head[20:], 1) // Ethernet
	out.Write(head)

	at, seq, stamp := time.Duration(0), uint16(1), uint32(0)
	packet := func(payloadType byte, stamp uint32, payload []byte) {
		rtp := make([]byte, 12, 12+len(payload))
		rtp[0], rtp[1] = 0x80, payloadType
		binary.BigEndian.PutUint16(rtp[2:], seq)
		binary.BigEndian.PutUint32(rtp[4:], stamp)
		binary.BigEndian.PutUint32(rtp[8:], 0x51505001)
		seq++
		writePacket(&out, at, append(rtp, payload...))
		at += 20 * time.Millisecond
	}
	for _, part := range parts {
		frames := int(part.dur / (20 * time.Millisecond))
		if part.digit != 0 {
			event := byte(strings.IndexByte("0123456789*#ABCD", part.digit))
			for i := range frames + 3 {
				end := byte(0)
				if i >= frames {
					end = 0x80
				}
				n := uint16(min(i+1, frames) * 160)
				packet(101, stamp, []byte{event, end | 10, byte(n >> 8), byte(n)})
			}
			stamp += uint32(frames+3) * 160
			continue
		}
		for range frames {
			payload := make([]byte, 160)
			for i := range payload {
				payload[i] = alaw(int16(8000 * math.Sin(2*math.Pi*part.hertz*float64(stamp+uint32(i))/8000)))
			}
			packet(8, stamp, payload)
			stamp += 160
		}
	}
	return out.Bytes()
}

func writePacket(out *bytes.Buffer, at time.Duration, rtp []byte) {
	eth := make([]byte, 14+20+8)
	eth[12] = 0x08 // IPv4
	ip, udp := eth[14:], eth[34:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(rtp)))
	copy(ip[12:], []byte{127, 0, 0, 1, 127, 0, 0, 1})
	binary.BigEndian.PutUint16(udp, 5000)
	binary.BigEndian.PutUint16(udp[2:], 5002)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(rtp)))
	head := make([]byte, 16)
	le := binary.LittleEndian
	le.PutUint32(head, uint32(at/time.Second))
	le.PutUint32(head[4:], uint32(at%time.Second/time.Microsecond))
	le.PutUint32(head[8:], uint32(len(eth)+len(rtp)))
	le.PutUint32(head[12:], uint32(len(eth)+len(rtp)))
	out.Write(head)
	out.Write(eth)
	out.Write(rtp)
}

// alaw encodes one sample by the definition of G.711, apart from the product's own tables.
func alaw(s int16) byte {
	sign := byte(0x80)
	v := int(s)
	if v < 0 {
		sign, v = 0, -v-1
	}
	v = min(v>>3, 4095)
	exponent := 0
	for e := v >> 5; e > 0; e >>= 1 {
		exponent++
	}
	var code byte
	if exponent == 0 {
		code = byte(v >> 1)
	} else {
		code = byte(exponent<<4 | (v>>exponent)&0x0f)
	}
	return (sign | code) ^ 0x55
}

// tone, quiet and digits make stretches of audio.
func tone(hertz float64, dur time.Duration) audio { return audio{hertz: hertz, dur: dur} }
func quiet(dur time.Duration) audio               { return audio{dur: dur} }
func digits(keys string, gap time.Duration) []audio {
	var parts []audio
	for i := range len(keys) {
		parts = append(parts, audio{digit: keys[i], dur: 120 * time.Millisecond}, quiet(gap))
	}
	return parts
}

func TestPcapALawMatchesG711(t *testing.T) {
	// Reference values of ITU-T G.711, table 1a.
	for sample, want := range map[int16]byte{0: 0xd5, -16: 0x55, 32767: 0xaa, -32768: 0x2a, 1000: 0xfa, -1000: 0x7a} {
		if got := alaw(sample); got != want {
			t.Errorf("alaw(%d) = %#x, want %#x", sample, got, want)
		}
	}
}
