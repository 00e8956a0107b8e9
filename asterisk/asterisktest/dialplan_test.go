package asterisktest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"hotline/trunks"
)

// events connects to Asterisk as the application and returns what it says of calls that come.
func events(t *testing.T, a *Asterisk) func() []string {
	t.Helper()
	header := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password))}}
	conn, resp, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(a.URL, "http", "ws", 1)+"/ari/events?app=hotline", header)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	stop := context.AfterFunc(t.Context(), func() { conn.Close() })
	t.Cleanup(func() { stop(); conn.Close() })
	return func() []string {
		t.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		for {
			var e struct {
				Type string   `json:"type"`
				Args []string `json:"args"`
			}
			if err := conn.ReadJSON(&e); err != nil {
				t.Fatalf("no StasisStart: %v\n%s", err, tail(a.Log(), 20))
			}
			if e.Type == "StasisStart" {
				return e.Args
			}
		}
	}
}

// invite sends an INVITE from an address of the loopback. Its answers are of no interest.
func invite(t *testing.T, a *Asterisk, from, user, callID string, headers ...string) string {
	t.Helper()
	to := net.UDPAddrFromAddrPort(a.SIPAddr)
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0\r\n", from)
	lines := []string{
		fmt.Sprintf("INVITE sip:%s@%s SIP/2.0", user, to), "Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";rport;branch=z9hG4bK" + secret(),
		"Max-Forwards: 70", "From: \"A\" <sip:13800138000@example.com>;tag=" + secret(), "Call-ID: " + callID, "CSeq: 1 INVITE",
		"Contact: <sip:x@" + conn.LocalAddr().String() + ">", "Content-Type: application/sdp",
	}
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "To:") }) {
		lines = append(lines, fmt.Sprintf("To: <sip:%s@%s>", user, to))
	}
	lines = append(lines, headers...)
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(sdp)), "", sdp)
	if _, err := conn.Write([]byte(strings.Join(lines, "\r\n"))); err != nil {
		t.Fatal(err)
	}
	return conn.LocalAddr().String()
}

// TestWhatHotlineIsTold: the arguments of the application, for calls as they come and for hostile ones.
func TestWhatHotlineIsTold(t *testing.T) {
	provider := trunks.Trunk{ID: "t2", Name: "provider", Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.2"}, Codecs: []string{"PCMA"},
		Register: &trunks.Register{Registrar: "127.0.0.9:9", Username: "acct", Password: "p", Realm: "x"}}}
	a := Start(t, Options{Trunks: []trunks.Trunk{{ID: "t1", Name: "acme", Settings: trunks.TrunkSettings{MatchAddresses: []string{"127.0.0.1"}}}, provider}})
	next := events(t, a)
	token := trunks.ContactToken(&provider)
	for _, c := range []struct {
		from, user, callID string
		headers            []string
		want               string // of all but the address
	}{
		{"127.0.0.1", "4000", "one@example.com", nil, "in t1 4000 allowed_not_screened one@example.com  ulaw|alaw"},
		{"127.0.0.1", "+861012345678", "two", []string{"Privacy: id"}, "in t1 +861012345678 prohib two  ulaw|alaw"},
		{"127.0.0.1", "help-desk", "three", []string{"Diversion: <sip:+8621555@a>", "Diversion: <sip:+8622666@a>"}, "in t1 help-desk allowed_not_screened three +8621555&+8622666 ulaw|alaw"},
		{"127.0.0.1", "4000,9,$%7BSHELL(id)%7D", "four%2C)(\"'{X}", nil, "in t1 40009SHELLid allowed_not_screened four%2CX  ulaw|alaw"},
		{"127.0.0.1", "4000", "five,evil,args", []string{"Diversion: <sip:1,2$%7BX%7D@a>"}, "in t1 4000 allowed_not_screened fiveevilargs 127BX7D ulaw|alaw"},
		{"127.0.0.2", token, "six", []string{"To: \"a<b@c:d\" <sip:+862188@example.com:5060;x=1>;y=2"}, "in t2 +862188 allowed_not_screened six  alaw"},
		{"127.0.0.2", token, "seven", []string{"P-Called-Party-ID: <sip:+862199@example.com>"}, "in t2 +862199 allowed_not_screened seven  alaw"},
	} {
		t.Run(c.callID, func(t *testing.T) {
			from := invite(t, a, c.from, c.user, c.callID, c.headers...)
			args := next()
			if len(args) != 8 || args[5] != from {
				t.Fatalf("%q, want 8 arguments and the address %s", args, from)
			}
			if got := strings.Join(slices.Delete(args, 5, 6), " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	// A stranger is no caller.
	invite(t, a, "127.0.0.3", "4000", "stranger")
	invite(t, a, "127.0.0.1", "4000", "last")
	if got := next(); !slices.Contains(got, "last") {
		t.Errorf("the stranger's call came in: %q", got)
	}
	for line := range strings.Lines(a.Log()) {
		if strings.Contains(line, "ERROR") || strings.Contains(line, "WARNING") && !strings.Contains(line, "127.0.0.9") {
			t.Error(strings.TrimSpace(line))
		}
	}
}
