// Package lookup asks a web service of the organisation, and nothing else.
//
// Whoever may edit a flow could otherwise make Hotline read what only Hotline reaches: the cloud's metadata, a database's port, its
// own API. So a host must be on the list of the process, and the address is judged when the connection is made, after every name
// was resolved and every redirect followed: a name that changes its mind between check and use gains nothing. It never keeps a
// connection or a cookie. Start reading at [Client.Do].
package lookup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"hotline"
)

// maxAnswer is more than any answer about one caller needs.
const maxAnswer = 64 << 10

// Client asks hosts of an allow-list.
type Client struct {
	allow []string
	http  *http.Client
}

// Request says what to ask.
type Request struct {
	Method  string
	URL     string
	Values  map[string]string // query of a GET, JSON object of a POST
	Timeout time.Duration     // of each try
	Retries int
}

// New returns a client for the hosts of allow: "crm.example.com" (ports 80 and 443) or "10.0.0.5:8080". Private and loopback
// addresses are reached only if the list names them as addresses with a port.
func New(allow []string) *Client {
	c := &Client{allow: allow}
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: c.control}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			Proxy:                  nil, // a proxy would connect where we must not
			DisableKeepAlives:      true,
			TLSHandshakeTimeout:    5 * time.Second,
			MaxResponseHeaderBytes: 32 << 10,
		},
		CheckRedirect: c.redirect,
	}
	return c
}

// Do asks, again after a failure that may pass, and returns the JSON object of the answer. It takes at most
// (Retries + 1) × Timeout and some.
func (c *Client) Do(ctx context.Context, r Request) (map[string]any, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return nil, hotline.Errorf(hotline.Invalid, "lookup.url", "the address of the look-up cannot be read")
	}
	if !Allowed(c.allow, u.Host) {
		return nil, refused("host %q is not on the list of hosts that may be asked", u.Host)
	}
	for try := 0; ; try++ {
		answer, again, err := c.once(ctx, r, u)
		if err == nil || !again || try >= r.Retries {
			return answer, err
		}
		select {
		case <-time.After(100 * time.Millisecond << try):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Client) once(ctx context.Context, r Request, u *url.URL) (answer map[string]any, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req, err := build(ctx, r, *u)
	if err != nil {
		return nil, false, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		var refusal *hotline.Error
		if errors.As(err, &refusal) {
			return nil, false, refusal
		}
		// The error of net/http holds the address with its query: what the caller typed may be in it.
		return nil, true, hotline.Errorf(hotline.Unavailable, "lookup.failed", "%s cannot be asked: %w", u.Host, unwrapURL(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		again = res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests
		return nil, again, hotline.Errorf(hotline.Unavailable, "lookup.status", "%s answered %d", u.Host, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, true, hotline.Errorf(hotline.Unavailable, "lookup.failed", "the answer of %s broke off: %w", u.Host, err)
	}
	if len(body) > maxAnswer {
		return nil, false, hotline.Errorf(hotline.Unavailable, "lookup.too_big", "the answer of %s is longer than %d bytes", u.Host, maxAnswer)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, hotline.Errorf(hotline.Unavailable, "lookup.not_json", "the answer of %s is no JSON object", u.Host)
	}
	return answer, false, nil
}

func unwrapURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func build(ctx context.Context, r Request, u url.URL) (*http.Request, error) {
	var body io.Reader
	if r.Method == http.MethodGet {
		q := u.Query()
		for k, v := range r.Values {
			q.Set(k, v)
		}
		u.RawQuery = q.Encode()
	} else {
		b, err := json.Marshal(r.Values)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Hotline")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// Value finds a path of keys ("customer.level") in an answer. Numbers, texts and flags are values; anything else is none.
func Value(answer map[string]any, path string) (string, bool) {
	var at any = answer
	for _, key := range strings.Split(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return "", false
		}
		at = m[key]
	}
	switch v := at.(type) {
	case string:
		if len(v) > 1000 {
			return "", false
		}
		return v, true
	case float64, bool:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
	return "", false
}

func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return refused("more than 3 redirects")
	}
	if !Allowed(c.allow, req.URL.Host) || (req.URL.Scheme != "http" && req.URL.Scheme != "https") {
		return refused("redirect to %q, which is not on the list of hosts that may be asked", req.URL.Host)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme == "http" {
		return refused("redirect from https to http")
	}
	return nil
}

// control judges the address of a connection just before it is made: the name was resolved, there is nothing left to change.
func (c *Client) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused("address %q cannot be judged", address)
	}
	if reachable(c.allow, to) {
		return nil
	}
	return refused("address %s is not public; name it with its port in the list of hosts if it is meant", to)
}

func refused(format string, args ...any) *hotline.Error {
	return hotline.Errorf(hotline.Denied, "lookup.refused", "look-up refused: %s", fmt.Sprintf(format, args...))
}
