package ari

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gorilla/websocket"

	"hotline"
)

// Pauses before connecting again.
const (
	retryMax     = 5 * time.Second
	replacedTime = 30 * time.Second // somebody else is there: taking the application back at once would be a fight without end
	saidTime     = 5 * time.Minute  // between two lines of the log that say the same
	ghostTime    = time.Minute      // after a loss it may be ourselves: an Asterisk that stood still serves connections that we have given up
)

// Run keeps the connection until ctx ends: it connects, tells the handler, and tries again when the connection is lost. It is called
// once.
func (c *Client) Run(ctx context.Context) error {
	c.running(true)
	defer c.Close()
	defer c.running(false)
	pause, lost := c.cfg.Retry, time.Time{}
	for {
		ws, err := c.connect(ctx)
		if err == nil {
			began := time.Now()
			err = c.hold(ctx, ws)
			if time.Since(began) > retryMax {
				pause = c.cfg.Retry
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		c.complain(c.explain(err))
		wait := pause/2 + rand.N(pause)
		if c.cfg.Transport == Dialled {
			wait = 0 // it is Asterisk that pauses
		}
		switch {
		case !errors.Is(err, errReplaced):
			lost = time.Now()
		case time.Since(lost) > ghostTime:
			wait = c.replacedPause + rand.N(c.replacedPause/2+1)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, retryMax)
	}
}

func (c *Client) running(yes bool) {
	c.mu.Lock()
	c.runs = yes
	c.mu.Unlock()
}

// hold keeps one connection until it ends, and says why it did.
func (c *Client) hold(ctx context.Context, ws *websocket.Conn) error {
	cn := newConn(ctx, ws, c.cfg.PingEvery)
	ended := make(chan struct{})
	go func() { cn.read(); close(ended) }()
	pings := make(chan struct{})
	go func() { cn.ping(); close(pings) }()
	c.attach(cn)
	defer func() {
		cn.fail(errDown)
		<-ended
		<-pings
		c.detach(cn)
	}()
	info, err := c.greet(cn.ctx)
	if err != nil {
		return c.because(cn, err)
	}
	c.up(info)
	err = c.h.Up(cn.ctx, info)
	if err == nil {
		c.dispatch(cn)
		err = context.Cause(cn.ctx)
	}
	err = c.because(cn, err)
	cn.fail(err)
	c.down()
	c.h.Down(c.explain(err))
	return err
}

// greet learns who is there and says what we want to hear.
func (c *Client) greet(ctx context.Context) (Info, error) {
	info, err := c.Asterisk(ctx)
	if err != nil {
		if c.cfg.Transport == Websocket && Unavailable(err) && ctx.Err() == nil {
			err = hotline.Errorf(hotline.Unavailable, "ari.version.websocket", "%w; requests over the websocket need Asterisk %s, %s or %s: use transport http", err,
				sinceWebsocket[20], sinceWebsocket[21], sinceWebsocket[22])
		}
		return info, err
	}
	if err := tooOld(info.Version, c.cfg); err != nil {
		return info, err
	}
	for _, w := range c.news(info) {
		c.cfg.Log.Warn("this Asterisk has a known defect", "version", info.Version, "code", w.Code, "what", w.Text)
	}
	if err := c.do(ctx, opFilter, filter(c.cfg.App), nil); err != nil {
		return info, err
	}
	c.takeBackLeft()
	return info, nil
}

// news are the warnings of a version that was not seen before.
func (c *Client) news(info Info) []Warning {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Info.Version == info.Version {
		return nil
	}
	return info.Warnings
}

// because prefers the reason for which the connection ended to the error that followed from it.
func (c *Client) because(cn *conn, err error) error {
	if why := context.Cause(cn.ctx); why != nil {
		return why
	}
	return err
}

// dispatch hands events on until the connection has ended and the last is taken.
func (c *Client) dispatch(cn *conn) {
	for {
		items := cn.queue.take()
		if len(items) == 0 {
			return
		}
		for i := range items {
			c.deliver(&items[i])
		}
	}
}

func (c *Client) deliver(item *queued) {
	e := &item.event
	e.Node = c.cfg.Name
	if c.sieve.repeated(item.data) || !c.sieve.pass(e, time.Now()) {
		c.mu.Lock()
		c.state.Doubles++
		c.mu.Unlock()
		return
	}
	owners := c.watchers.of(e)
	for _, o := range owners {
		o.take(*e)
	}
	if len(owners) == 0 {
		c.h.Event(*e)
	}
}

func (c *Client) attach(cn *conn) {
	c.mu.Lock()
	c.conn = cn
	c.mu.Unlock()
}

func (c *Client) detach(cn *conn) {
	c.mu.Lock()
	c.conn = nil
	c.state.Events += cn.events.Load()
	c.mu.Unlock()
}

func (c *Client) up(info Info) {
	c.Requester.mu.Lock()
	c.last = nil
	c.Requester.mu.Unlock()
	c.silent.Store(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.state.Info.Started.IsZero() {
		c.state.Reconnects++
	}
	c.state.Connected, c.state.Since, c.state.Info, c.state.Err, c.state.Code = true, time.Now(), info, "", ""
	c.state.Tries = 0
	c.said = ""
	c.cfg.Log.Info("connected with Asterisk", "version", info.Version, "transport", c.cfg.Transport)
}

func (c *Client) down() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Connected, c.state.Since = false, time.Now()
}

// note keeps why there is no connection.
func (c *Client) note(err error) {
	c.mu.Lock()
	c.state.Err, c.state.Code = err.Error(), code(err)
	c.state.Tries++
	c.mu.Unlock()
}

// complain keeps why there is no connection, and writes it down when it begins, when the reason changes and every few minutes.
func (c *Client) complain(err error) {
	if c.said != code(err) || time.Since(c.saidAt) > saidTime {
		c.said, c.saidAt = code(err), time.Now()
		c.cfg.Log.Warn("not connected with Asterisk", "err", err)
	}
	c.note(err)
}

func code(err error) string {
	var e *hotline.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return "ari.failed"
}

// explain says what the end of a connection means to the one who has to mend it.
func (c *Client) explain(err error) error {
	var known *hotline.Error
	if errors.As(err, &known) {
		return err
	}
	code, mend := "ari.down", ""
	switch {
	case errors.Is(err, errReplaced):
		code = "ari.replaced"
		mend = fmt.Sprintf("; each Hotline needs its own Stasis application, this one has %q", c.cfg.App)
	case errors.Is(err, errDead), errors.Is(err, errSilent):
		code = "ari.dead"
	}
	return hotline.Errorf(hotline.Unavailable, code, "Asterisk %s: %w%s", c.cfg.Name, err, mend)
}
