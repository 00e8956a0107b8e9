package sip

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/trunks/siptest"
)

// torture is what RFC 4475 asks of an endpoint for each of its 49 messages: the codes that may be answered; none: silence. Numbers
// that we do not have are 404, methods that we do not serve 405 (a registrar's answers are not ours to give).
var torture = map[string][]int{
	// 3.1.1 valid
	"wsinv": {481}, "intmeth": {405}, "esc01": {404}, "escnull": {405}, "esc02": {405}, "lwsdisp": {200}, "longreq": {404}, "dblreq": {405},
	"semiuri": {200}, "transports": {200}, "mpart01": {405}, "unreason": {}, "noreason": {},
	// 3.1.2 invalid
	"badinv01": {400}, "clerr": {400}, "ncl": {400}, "scalar02": {400}, "scalarlg": {}, "quotbal": {400}, "ltgtruri": {400}, "lwsruri": {400},
	"lwsstart": {400}, "trws": {400}, "escruri": {400}, "baddate": {404}, "regbadct": {400}, "badaspec": {400}, "baddn": {400},
	"badvers": {505}, "mismatch01": {400}, "mismatch02": {400, 501}, "bigcode": {},
	// 3.2 to 3.4
	"badbranch": {200}, "insuf": {400}, "unkscm": {416}, "novelsc": {416}, "unksm2": {405, 400}, "bext01": {420}, "invut": {415}, "regaut01": {405},
	"multi01": {400}, "mcl01": {400}, "bcast": {}, "zeromf": {200}, "cparam01": {405}, "cparam02": {405}, "regescrt": {405}, "sdp01": {406},
	"inv2543": {404},
}

func TestTorture(t *testing.T) {
	if len(torture) != 49 {
		t.Fatalf("%d messages, the RFC has 49", len(torture))
	}
	for _, transport := range []string{"udp", "tcp"} {
		r := newRig(t) // a transaction is the same over both, and its answer goes where it came from first
		for name, codes := range torture {
			t.Run(transport+"/"+name, func(t *testing.T) {
				data, err := os.ReadFile(filepath.Join("testdata", "rfc4475", name+".dat"))
				if err != nil {
					t.Fatal(err)
				}
				var got []int
				if transport == "udp" {
					got = overUDP(t, r, data, len(codes) > 0)
				} else {
					got = overTCP(t, r, data, len(codes) > 0 && name != "clerr")
				}
				if name == "dblreq" && transport == "tcp" { // on a stream the second message counts
					codes = []int{405, 404}
				}
				if name == "inv2543" && transport == "tcp" { // RFC 3261, 20.14: on a stream Content-Length must be there
					codes = []int{400}
				}
				if name == "clerr" && transport == "tcp" { // and a body that is too short is one that has not come yet
					codes = nil
				}
				if len(codes) == 0 && len(got) > 0 || len(codes) > 0 && (len(got) == 0 || !slices.Contains(codes, got[0])) {
					t.Errorf("answered %v, want one of %v", got, codes)
				}
				p := r.phone("127.0.0.1")
				p.send(p.request("OPTIONS", "after", "", ""))
				if m := p.want("SIP/2.0 "); !strings.HasPrefix(m, "SIP/2.0 200") {
					t.Errorf("the OPTIONS afterwards: %s", m)
				}
			})
		}
		r.edge.legs.expire(time.Now().Add(time.Minute)) // some messages share one branch: the later INVITE is absorbed as a retransmission
		r.gone()
	}
}

var client byte

// overUDP sends from port 5060 of an address of its own: without rport the answer goes to the port of the Via, or 5060.
func overUDP(t *testing.T, r *rig, data []byte, answer bool) []int {
	t.Helper()
	client++
	port := 5060
	if strings.Contains(string(data), "192.0.2.59:5050") {
		port = 5050
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 75, client), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteToUDPAddrPort(data, r.edge.Addr("UDP")); err != nil {
		t.Fatal(err)
	}
	return codesFrom(t, c, answer)
}

func overTCP(t *testing.T, r *rig, data []byte, answer bool) []int {
	t.Helper()
	c, err := net.Dial("tcp", r.edge.Addr("TCP").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	return codesFrom(t, c, answer)
}

func codesFrom(t *testing.T, c net.Conn, answer bool) []int {
	t.Helper()
	wait := 50 * time.Millisecond
	if answer {
		wait = 3 * time.Second
	}
	buf := make([]byte, 65536)
	c.SetReadDeadline(time.Now().Add(wait))
	n, _ := c.Read(buf)
	var out []int
	for _, m := range strings.Split(string(buf[:n]), "SIP/2.0 ")[1:] {
		code, err := strconv.Atoi(m[:min(3, len(m))])
		if err == nil && code >= 100 {
			out = append(out, code)
		}
	}
	return out
}

// TestTortureDetails looks at what the answers must carry.
func TestTortureDetails(t *testing.T) {
	r := newRig(t)
	p := r.phone("127.0.0.1")
	for _, c := range []struct{ method, extra, body, code, field, value string }{
		{"OPTIONS", "Require: gruu\r\nRequire: timer, x-none\r\n", "", "420", "Unsupported", "gruu, x-none"},
		{"NEWMETHOD", "", "", "405", "Allow", strings.Join(methods, ", ")},
		{"INVITE", "Content-Type: application/foo\r\n", "x", "415", "Accept", "application/sdp"},
		{"INVITE", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "x", "415", "Accept-Encoding", "identity"},
		{"INVITE", "Accept: text/plain\r\n", "", "406", "Accept", "application/sdp"},
		{"BYE", "", "", "481", "", ""},
		{"CANCEL", "", "", "481", "", ""},
		{"INFO", "", "", "481", "", ""},
		{"PRACK", "RAck: 1 1 INVITE\r\n", "", "481", "", ""},
		{"UPDATE", "", "", "481", "", ""},
		{"NOTIFY", "Event: refer\r\n", "", "481", "", ""},
		{"REFER", "Refer-To: <sip:a@b.example>\r\n", "", "403", "", ""},
		{"INVITE", "Session-Expires: 60\r\nSupported: timer\r\n", "", "422", "Min-SE", "90"},
		{"INVITE", "Content-Type: application/sdp\r\n", "v=0\r\n", "488", "", ""},
	} {
		t.Run(c.method+c.code, func(t *testing.T) {
			p.t, p.cseq = t, p.cseq+1
			p.send(p.with(c.method, newTag(), c.extra, c.body))
			m := p.want("SIP/2.0 " + c.code)
			p.to = "<sip:4000@127.0.0.1>"
			if c.field != "" && siptest.Header(m, c.field) != c.value {
				t.Errorf("%s: %q, want %q", c.field, siptest.Header(m, c.field), c.value)
			}
			if to := siptest.Header(m, "To"); !strings.Contains(to, ";tag=") {
				t.Errorf("To %q has no tag", to)
			}
		})
	}
	t.Run("hops", func(t *testing.T) {
		p.t, p.cseq = t, p.cseq+1
		p.send(strings.Replace(p.request("INVITE", "mf", "", testOffer("")), "Max-Forwards: 70", "Max-Forwards: 0", 1))
		p.want("SIP/2.0 483")
	})
	t.Run("merged", func(t *testing.T) { // RFC 3261, 8.2.2.2: the same request by two ways
		p := r.phone("127.0.0.1")
		p.send(p.request("INVITE", "way1", "", testOffer("")))
		l := r.leg()
		p.send(p.request("INVITE", "way2", "", testOffer("")))
		p.want("SIP/2.0 482")
		l.Hangup(t.Context(), call.CauseBusy)
	})
	t.Run("loop", func(t *testing.T) {
		p := r.phone("127.0.0.1")
		m := p.request("INVITE", "x", "", testOffer(""))
		via := fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%sabc\r\n", r.edge.Addr("UDP"), r.edge.cookie)
		p.send(strings.Replace(m, "Max-Forwards", via+"Max-Forwards", 1))
		p.want("SIP/2.0 482")
	})
}
