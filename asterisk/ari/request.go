package ari

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// request is an operation with its values: what goes over the wire.
type request struct {
	op   *operation
	id   string // the value of the last path parameter, for errors
	path string // "/channels/hl-1/answer"
	args string // "a=b&c=d", percent-encoded
	body []byte // JSON, or nil
}

func (q request) uri() string {
	if q.args == "" {
		return q.path
	}
	return q.path + "?" + q.args
}

// reply is Asterisk's answer.
type reply struct {
	status int
	body   []byte
}

// courier carries a request to Asterisk and brings the answer. Its errors are those of the way, never answers.
type courier interface {
	carry(ctx context.Context, q request) (reply, error)
}

// request fills an operation in. A value that the operation does not declare is a fault of ours.
func (o *operation) request(p params) (request, error) {
	q := request{op: o, path: o.path}
	args := make([]string, 0, len(p.values))
	for name, value := range p.values {
		hole := "{" + name + "}"
		switch {
		case strings.Contains(o.path, hole):
			if value == "" {
				return q, fmt.Errorf("ari: %s: %s is empty", o.name, name)
			}
			q.path = strings.Replace(q.path, hole, url.PathEscape(value), 1)
			q.id = value
		case !slices.Contains(o.query, name):
			return q, fmt.Errorf("ari: %s does not declare %s", o.name, name)
		case value != "":
			args = append(args, name+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
		}
	}
	if q.id == "" {
		q.id = p.values["channelId"]
	}
	slices.Sort(args)
	q.args = strings.Join(args, "&")
	if len(p.body) == 0 {
		return q, nil
	}
	for name := range p.body {
		if o.whole == "" && !slices.Contains(o.body, name) {
			return q, fmt.Errorf("ari: %s does not declare %s", o.name, name)
		}
	}
	var err error
	q.body, err = json.Marshal(p.body)
	return q, err
}

// Requester makes requests without listening: by HTTP, for those who only look and mend. A [Client] has one that goes its own way.
type Requester struct {
	cfg  Config
	http *web
	via  func() (courier, error)

	requests, failed, silent atomic.Uint64 // silent: time-outs in a row
	onSilent                 func()        // several requests in a row got no answer
	wg                       sync.WaitGroup
	quit                     chan struct{} // closed at the end: what is being taken back hurries

	mu     sync.Mutex
	undone map[string]*operation // what may have been made although nobody waits for it, by id
	last   error                 // the last failure that is no normal outcome
}

// NewRequester makes one. It refuses what [Check] refuses.
func NewRequester(cfg Config) (*Requester, error) {
	cfg.Transport = HTTP
	if err := Check(cfg); err != nil {
		return nil, err
	}
	r := newRequester(cfg.withDefaults())
	r.via = func() (courier, error) { return r.http, nil }
	return r, nil
}

func newRequester(cfg Config) *Requester {
	return &Requester{cfg: cfg, http: newWeb(cfg), undone: map[string]*operation{}, quit: make(chan struct{})}
}

// Close waits for what is being taken back, and closes connections. It is called once.
func (r *Requester) Close() {
	close(r.quit)
	r.wg.Wait()
	r.http.close()
}

// do makes a request and reads its answer into out.
func (r *Requester) do(ctx context.Context, o *operation, p params, out any) error {
	q, err := o.request(p)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return r.lost(q, err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	var a reply
	if o.undo == nil {
		a, err = r.ask(ctx, q)
	} else {
		a, err = r.make(ctx, q)
	}
	if err != nil {
		return err
	}
	if out == nil || len(a.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil && !onlyTypes(err) {
		return r.lost(q, fmt.Errorf("answer is not readable: %w", err))
	}
	return nil
}

// silence is how long an unanswered request must have waited to count as a sign that nobody listens.
const silence = 2 * time.Second

// ask carries a request and judges the answer.
func (r *Requester) ask(ctx context.Context, q request) (reply, error) {
	r.requests.Add(1)
	via, err := r.via()
	if err != nil {
		r.failed.Add(1)
		return reply{}, r.lost(q, err)
	}
	began := time.Now()
	a, err := via.carry(ctx, q)
	if err != nil {
		r.failed.Add(1)
		if ctx.Err() == context.DeadlineExceeded && time.Since(began) >= min(silence, r.cfg.Timeout) && r.silent.Add(1) >= 3 && r.onSilent != nil {
			r.onSilent()
		}
		return reply{}, r.note(r.lost(q, err))
	}
	r.silent.Store(0)
	if a.status/100 == 2 {
		return a, nil
	}
	err = r.refused(q, a)
	if !normal(status(err)) {
		r.failed.Add(1)
		r.note(err)
	}
	return reply{}, err
}

func (r *Requester) note(err error) error {
	r.mu.Lock()
	r.last = err
	r.mu.Unlock()
	return err
}
