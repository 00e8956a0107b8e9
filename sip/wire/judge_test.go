package wire

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"
)

func judge() *Judge {
	return &Judge{
		Allow: []string{"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO"}, Supported: []string{"timer"},
		Accept: map[string][]string{"INVITE": {"application/sdp"}},
	}
}

var src = Source{"UDP", netip.MustParseAddrPort("192.0.2.9:5060"), netip.MustParseAddrPort("192.0.2.1:5061")}

const whole = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct{ message, answer string }{
		"good":             {whole + "\r\n", ""},
		"no Via":           {strings.Replace(whole, "Via", "Xia", 1) + "\r\n", "400"},
		"no From":          {strings.Replace(whole, "From", "Xrom", 1) + "\r\n", "400"},
		"no To":            {strings.Replace(whole, "To:", "Xo:", 1) + "\r\n", "400"},
		"no Call-ID":       {strings.Replace(whole, "Call-ID", "Xall-ID", 1) + "\r\n", "400"},
		"no CSeq":          {strings.Replace(whole, "CSeq", "XSeq", 1) + "\r\n", "400"},
		"no end":           {whole, "400"},
		"control":          {whole + "X: a\x01b\r\n\r\n", "400"},
		"NUL":              {whole + "X: a\x00b\r\n\r\n", "400"},
		"lone CR":          {whole + "X: a\rb\r\n\r\n", "400"},
		"lone LF":          {whole + "X: a\nb: c\r\n\r\n", "400"},
		"no colon":         {whole + "hello\r\n\r\n", "400"},
		"10,000 fields":    {whole + strings.Repeat("X: y\r\n", 10000) + "\r\n", "400"},
		"long field":       {whole + "X: " + strings.Repeat("y", 10000) + "\r\n\r\n", "400"},
		"length +":         {whole + "Content-Length: +3\r\n\r\nabc", "400"},
		"length huge":      {whole + "Content-Length: 99999999999999999999\r\n\r\nabc", "400"},
		"lengths":          {whole + "Content-Length: 3\r\nl: 4\r\n\r\nabc", "400"},
		"lengths the same": {whole + "Content-Length: 3\r\nl: 3\r\n\r\nabc", ""},
		"hops":             {whole + "Max-Forwards: 256\r\n\r\n", "400"},
		"no hops left":     {whole + "Max-Forwards: 0\r\n\r\n", ""},
		"folded":           {whole + "Subject: a\r\n b\r\n\tc\r\n\r\n", ""},
		"not SIP":          {"GET / HTTP/1.1\r\n\r\n", "silence"},
		"binary":           {"\x80\x00\x01\x02", "silence"},
		"ACK":              {strings.Replace(strings.ReplaceAll(whole, "OPTIONS", "ACK"), "Call-ID", "X", 1) + "\r\n", "silence"},
	} {
		pass, answer, to := judge().Message([]byte(c.message), src)
		switch {
		case c.answer == "":
			if pass == nil || answer != nil {
				t.Errorf("%s: answered %s", name, answer)
			}
		case c.answer == "silence":
			if pass != nil || answer != nil {
				t.Errorf("%s: not silent", name)
			}
		default:
			if !bytes.HasPrefix(answer, []byte("SIP/2.0 "+c.answer)) || pass != nil {
				t.Errorf("%s: passed %t, answered %s", name, pass != nil, answer)
			}
			if want := netip.MustParseAddrPort("192.0.2.1:5060"); name != "no Via" && to != want {
				t.Errorf("%s: answer to %v, want the port of the Via %v", name, to, want)
			}
		}
	}
}

func TestReplyIsTheSameAgain(t *testing.T) {
	m := []byte(strings.Replace(whole, ";branch", ";rport;branch", 1) + "Require: x\r\n\r\n")
	_, a, to := judge().Message(m, src)
	_, b, _ := judge().Message(m, src)
	if !bytes.Equal(a, b) || !bytes.Contains(a, []byte("rport=5061")) || to != src.Remote {
		t.Errorf("%s\n%s\n%v", a, b, to)
	}
}

func TestLentBranchComesBackOut(t *testing.T) {
	m := strings.Replace(strings.Replace(whole, ";branch=z9hG4bKx", "", 1), ";tag=1", "", 1) + "\r\n"
	pass, _, _ := judge().Message([]byte(m), src)
	if !bytes.Contains(pass, []byte(lent)) {
		t.Fatalf("%s", pass)
	}
	out := unlend(bytes.Replace(pass, []byte("OPTIONS sip:a@b SIP/2.0"), []byte("SIP/2.0 200 OK"), 1))
	if bytes.Contains(out, []byte("branch")) || !bytes.Contains(out, []byte("Via: SIP/2.0/UDP 192.0.2.1:5060\r\n")) {
		t.Errorf("%s", out)
	}
}

// FuzzMessage: whatever comes, nothing panics; what passes is read by sipgo with all that every message must have, and passes again
// unchanged; an answer is one message.
func FuzzMessage(f *testing.F) {
	files, _ := filepath.Glob("../testdata/rfc4475/*.dat")
	if len(files) != 49 {
		f.Fatalf("%d torture messages", len(files))
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(whole + "\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pass, answer, _ := judge().Message(b, src)
		if pass != nil && answer != nil {
			t.Fatal("passed and answered")
		}
		if answer != nil {
			if head, rest, ok := bytes.Cut(answer, []byte("\r\n\r\n")); !ok || len(rest) > 0 || bytes.ContainsAny(bytes.ReplaceAll(head, []byte("\r\n"), nil), "\r\n") {
				t.Fatalf("%q", answer)
			}
		}
		if pass == nil {
			return
		}
		m, err := sipmsg.ParseMessage(pass)
		if err != nil || m.Via() == nil || m.From() == nil || m.To() == nil || m.CallID() == nil || m.CSeq() == nil {
			t.Fatalf("%v\n%s", err, pass)
		}
		again, _, _ := judge().Message(pass, src)
		if !bytes.Equal(again, pass) {
			t.Fatalf("not canonical:\n%q\n%q", pass, again)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	body := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	m := []byte(strings.ReplaceAll(whole, "OPTIONS", "INVITE") + "Contact: <sip:x@192.0.2.1:5060>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nSupported: timer\r\n\r\n" + body)
	j := judge()
	b.ReportAllocs()
	for b.Loop() {
		if pass, _, _ := j.Message(m, src); pass == nil {
			b.Fatal("refused")
		}
	}
}
