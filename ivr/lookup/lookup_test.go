package lookup

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hotline"
)

// TestForbiddenAddresses is abuse case 45: wherever a name leads, an address inside is never connected to.
func TestForbiddenAddresses(t *testing.T) {
	inside := []string{
		"127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.8",
		"198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
		"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::1", "2001::1", "100::1",
	}
	for _, a := range inside {
		if reachable([]string{"crm.example.com"}, netip.AddrPortFrom(netip.MustParseAddr(a), 443)) {
			t.Errorf("%s can be reached", a)
		}
	}
	for _, a := range []string{"93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if !reachable([]string{"crm.example.com"}, netip.AddrPortFrom(netip.MustParseAddr(a), 443)) {
			t.Errorf("%s cannot be reached", a)
		}
		if reachable([]string{"crm.example.com"}, netip.AddrPortFrom(netip.MustParseAddr(a), 22)) {
			t.Errorf("port 22 of %s can be reached", a)
		}
	}
	allow := []string{"10.0.0.5:8080", "[fd00::7]:443"}
	for to, want := range map[string]bool{"10.0.0.5:8080": true, "[::ffff:10.0.0.5]:8080": true, "10.0.0.5:8081": false, "10.0.0.6:8080": false, "[fd00::7]:443": true, "[fd00::8]:443": false} {
		if reachable(allow, netip.MustParseAddrPort(to)) != want {
			t.Errorf("%s: want %v", to, want)
		}
	}
}

// TestDisguisedHosts: whatever the address in a flow looks like, the list decides, and then the connection.
func TestDisguisedHosts(t *testing.T) {
	_, port := server(t, func(w http.ResponseWriter, r *http.Request) { t.Error("a server inside was reached") })
	lists := [][]string{{"crm.example.com"}, {"localhost:" + port, "2130706433:" + port, "0x7f.1:" + port, "0177.0.0.1:" + port, "127.1:" + port, "[::1]:1", "localtest.invalid:" + port}}
	for _, allow := range lists {
		for _, url := range []string{
			"http://127.0.0.1:" + port + "/", "http://localhost:" + port + "/", "http://2130706433:" + port + "/", "http://0x7f.1:" + port + "/", "http://0177.0.0.1:" + port + "/",
			"http://127.1:" + port + "/", "http://[::1]:" + port + "/", "http://[::ffff:127.0.0.1]:" + port + "/", "http://[::ffff:7f00:1]:" + port + "/", "http://0:" + port + "/",
			"http://crm.example.com@127.0.0.1:" + port + "/", "http://127.0.0.1:" + port + "#crm.example.com", "http://crm.example.com.:" + port + "/", "http:///x", "http://%31%32%37.0.0.1:" + port + "/",
		} {
			_, err := New(allow).Do(t.Context(), Request{Method: "GET", URL: url, Timeout: 2 * time.Second})
			if err == nil {
				t.Errorf("%v: %s was asked", allow, url)
			}
		}
	}
}

// TestRebinding: a name that was harmless when it was looked at, and leads inside when it is connected to.
func TestRebinding(t *testing.T) {
	c := New([]string{"crm.example.com"})
	// The dialer resolves a name and judges each address that it is about to connect to; this is what it does with the second answer.
	if err := c.control(t.Context(), "tcp4", "127.0.0.1:443", nil); hotline.KindOf(err) != hotline.Denied {
		t.Errorf("got %v", err)
	}
	// And through the whole client: localhost is on the list by name, and its address is still judged.
	_, port := server(t, func(http.ResponseWriter, *http.Request) { t.Error("reached") })
	_, err := New([]string{"localhost:" + port}).Do(t.Context(), Request{Method: "GET", URL: "http://localhost:" + port, Timeout: time.Second})
	if hotline.KindOf(err) != hotline.Denied {
		t.Errorf("got %v", err)
	}
}

func TestRedirects(t *testing.T) {
	var hits atomic.Int32
	_, inside := server(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for _, to := range []string{"http://127.0.0.1:" + inside, "http://169.254.169.254/latest", "file:///etc/passwd", "gopher://127.0.0.1:" + inside, "http://[::1]:" + inside} {
		host, port := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusTemporaryRedirect) })
		_, err := New([]string{host + ":" + port}).Do(t.Context(), Request{Method: "GET", URL: "http://" + host + ":" + port, Timeout: time.Second})
		if err == nil {
			t.Errorf("a redirect to %s was followed", to)
		}
	}
	if hits.Load() > 0 {
		t.Error("a redirect led inside")
	}
	host, port := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) })
	if _, err := New([]string{host + ":" + port}).Do(t.Context(), Request{Method: "GET", URL: "http://" + host + ":" + port, Timeout: time.Second}); err == nil {
		t.Error("redirects without end")
	}
}

func TestAnswers(t *testing.T) {
	var got map[string]string
	host, port := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("content type %q", r.Header.Get("Content-Type"))
		}
		json.NewDecoder(r.Body).Decode(&got)
		io.WriteString(w, `{"customer": {"level": "gold", "since": 2019, "vip": true, "tags": ["a"], "note": null}}`)
	})
	c := New([]string{host + ":" + port})
	answer, err := c.Do(t.Context(), Request{Method: "POST", URL: "http://" + host + ":" + port + "/x?y=z", Values: map[string]string{"caller": "+861"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if got["caller"] != "+861" {
		t.Errorf("sent %v", got)
	}
	for path, want := range map[string]string{"customer.level": "gold", "customer.since": "2019", "customer.vip": "true"} {
		if v, ok := Value(answer, path); !ok || v != want {
			t.Errorf("%s: %q", path, v)
		}
	}
	for _, path := range []string{"customer", "customer.tags", "customer.note", "customer.level.deeper", "nobody", ""} {
		if v, ok := Value(answer, path); ok {
			t.Errorf("%s: %q", path, v)
		}
	}
}

// TestFailures: each ends in time with a reason that does not hold what the caller typed.
func TestFailures(t *testing.T) {
	var tries atomic.Int32
	for name, answer := range map[string]http.HandlerFunc{
		"slow":     func(w http.ResponseWriter, r *http.Request) { tries.Add(1); <-r.Context().Done() },
		"error":    func(w http.ResponseWriter, r *http.Request) { tries.Add(1); w.WriteHeader(500) },
		"not json": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"a list":   func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "[1]") },
		"huge": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `{"a":"`+strings.Repeat("x", maxAnswer)+`"}`)
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 4096)); err != nil {
					return
				}
			}
		},
		"404":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) },
		"drops": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
	} {
		host, port := server(t, answer)
		tries.Store(0)
		begin := time.Now()
		_, err := New([]string{host + ":" + port}).Do(t.Context(), Request{
			Method: "GET", URL: "http://" + host + ":" + port, Values: map[string]string{"pin": "924681"}, Timeout: 200 * time.Millisecond, Retries: 1,
		})
		if hotline.KindOf(err) != hotline.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		if err != nil && strings.Contains(err.Error(), "924681") {
			t.Errorf("%s: the error tells what was typed: %v", name, err)
		}
		if (name == "slow" || name == "error") && tries.Load() != 2 {
			t.Errorf("%s was asked %d times", name, tries.Load())
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	host, port := server(t, func(w http.ResponseWriter, r *http.Request) { cancel(gone); <-r.Context().Done() })
	begin := time.Now()
	if _, err := New([]string{host + ":" + port}).Do(ctx, Request{Method: "GET", URL: "http://" + host + ":" + port, Timeout: 5 * time.Second, Retries: 3}); err == nil || time.Since(begin) > 2*time.Second {
		t.Errorf("the caller hung up: %v after %s", err, time.Since(begin))
	}
}

func TestAllowed(t *testing.T) {
	allow := []string{"crm.example.com", "API.example.com:8443", "10.0.0.5:8080", "[::1]:9000"}
	for host, want := range map[string]bool{
		"crm.example.com": true, "CRM.example.com.": true, "crm.example.com:443": true, "crm.example.com:22": false, "xcrm.example.com": false, "crm.example.com.evil.org": false,
		"api.example.com:8443": true, "api.example.com": false, "10.0.0.5:8080": true, "10.0.0.5": false, "[::1]:9000": true, "[::1]": false, "": false, ":80": false,
	} {
		if Allowed(allow, host) != want {
			t.Errorf("%q: want %v", host, want)
		}
	}
}

func server(t *testing.T, f http.HandlerFunc) (host, port string) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
