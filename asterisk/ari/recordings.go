package ari

import (
	"context"
	"io"
	"net/http"
)

// Stored is a recording that Asterisk keeps.
type Stored struct {
	Name   string `json:"name"`
	Format string `json:"format"`
}

// StoredRecordings lists the recordings that Asterisk keeps.
func (r *Requester) StoredRecordings(ctx context.Context) ([]Stored, error) {
	var out []Stored
	err := r.do(ctx, opStored, params{}, &out)
	return out, err
}

// StoredFile reads one. It goes by HTTP whatever the transport is, and has no limit of time but ctx.
func (r *Requester) StoredFile(ctx context.Context, name string) (io.ReadCloser, error) {
	q, err := opStoredFile.request(with("recordingName", name))
	if err != nil {
		return nil, err
	}
	res, err := r.http.send(ctx, q)
	if err != nil {
		return nil, r.lost(q, err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		return nil, r.refused(q, reply{res.StatusCode, body})
	}
	return res.Body, nil
}

// DeleteStored deletes one.
func (r *Requester) DeleteStored(ctx context.Context, name string) error {
	return r.do(ctx, opDeleteStored, with("recordingName", name), nil)
}
