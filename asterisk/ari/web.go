package ari

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Limits of the connections for requests. Asterisk closes idle ones after 15 s (http.conf session_keep_alive): ours go before that, so
// that no request meets a closed one. It serves 100 sessions (session_limit) with a thread each.
const (
	idleTime  = 10 * time.Second
	sessions  = 24
	replySize = 64 << 20
	dialTime  = 5 * time.Second
)

// web carries requests by HTTP over kept connections.
type web struct {
	base, auth string
	client     *http.Client
	dialer     *net.Dialer
}

func newWeb(cfg Config) *web {
	w := &web{
		base:   strings.TrimSuffix(cfg.URL, "/") + "/ari",
		auth:   "Basic " + base64.StdEncoding.EncodeToString([]byte(cfg.User+":"+cfg.Password)),
		dialer: &net.Dialer{Timeout: dialTime},
	}
	if !strings.HasPrefix(cfg.URL, "https:") {
		w.dialer.Control = privateOnly
	}
	w.client = &http.Client{
		Transport: &http.Transport{
			DialContext: w.dialer.DialContext, TLSHandshakeTimeout: dialTime,
			MaxConnsPerHost: sessions, MaxIdleConnsPerHost: sessions, IdleConnTimeout: idleTime,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

// privateOnly refuses to connect to a public address without TLS: a name is judged by what it leads to, each time.
func privateOnly(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !private(addr.Addr()) {
		return fmt.Errorf("%s is a public address: over plain http the password would be read by others; use https, or a private network", addr.Addr())
	}
	return nil
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598; overlay networks use it too

func private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

func (w *web) carry(ctx context.Context, q request) (reply, error) {
	res, err := w.send(ctx, q)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, replySize+1))
	if err == nil && len(body) > replySize {
		err = fmt.Errorf("answer is longer than %d bytes", replySize)
	}
	return reply{res.StatusCode, body}, err
}

func (w *web) send(ctx context.Context, q request) (*http.Response, error) {
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.op.method, w.base+q.uri(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", w.auth)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := w.client.Do(req)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return res, err
}

func (w *web) close() { w.client.CloseIdleConnections() }
