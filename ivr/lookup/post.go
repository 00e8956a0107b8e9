package lookup

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"hotline"
)

// Post sends a JSON body to an address, once, under the same rules as [Client.Do]. What is answered is not read.
func (c *Client) Post(ctx context.Context, address string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return refused("%.80q is no address of a web service", address)
	}
	if !Allowed(c.allow, u.Host) {
		return refused("%q is not on the list of hosts that may be asked", u.Host)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return refused("%.80q is no address of a web service", address)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Hotline")
	res, err := c.http.Do(req)
	if err != nil {
		return hotline.Errorf(hotline.Unavailable, "lookup.failed", "%s cannot be reached: %w", u.Host, unwrapURL(err))
	}
	res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return hotline.Errorf(hotline.Unavailable, "lookup.status", "%s answered %d", u.Host, res.StatusCode)
	}
	return nil
}
