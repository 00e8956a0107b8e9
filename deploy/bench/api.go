package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// client calls the product's API.
type client struct{ base, token string }

func (c *client) do(ctx context.Context, method, path, contentType string, body any) ([]byte, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		reader, contentType = bytes.NewReader(raw), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	return raw, nil
}

// settle waits until every call is filed, at most two minutes, and returns when that was.
func (c *client) settle(ctx context.Context) (time.Time, error) {
	limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		raw, err := c.do(limited, "GET", "/api/v1/system", "", nil)
		if err != nil {
			return time.Time{}, fmt.Errorf("waiting for the journal: %w", err)
		}
		var system struct {
			Depth int `json:"journal_depth"`
		}
		if err := json.Unmarshal(raw, &system); err != nil {
			return time.Time{}, err
		}
		if system.Depth == 0 {
			return time.Now(), nil
		}
		wait(limited, 50*time.Millisecond)
	}
}
