package ari_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
)

// wire is a proxy between a client and Asterisk whose connections can be cut or frozen.
type wire struct {
	net.Listener
	to     string
	frozen atomic.Bool
	tasks  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: l, to: to}
	w.tasks.Go(w.accept)
	t.Cleanup(func() { _ = l.Close(); w.cut(); w.tasks.Wait() })
	return w
}

func (w *wire) accept() {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		w.tasks.Go(func() { w.pump(in, out) })
		w.tasks.Go(func() { w.pump(out, in) })
	}
}

// pump carries bytes; while it is frozen they are swallowed, as a dead cable does.
func (w *wire) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	defer to.Close()
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if w.frozen.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.conns = nil
}

// outbound are the configuration files with which Asterisk dials a client.
func outbound(url, user, password string) map[string]string {
	return map[string]string{
		"websocket_client.conf": "[hotline]\ntype = websocket_client\nuri = " + url + "\nprotocols = ari\nusername = " + user + "\npassword = " + password +
			"\nconnection_type = persistent\nconnection_timeout = 2000\nreconnect_interval = 250\n",
		"ari.conf": "\n[hotline-out]\ntype = outbound_websocket\nwebsocket_client_id = hotline\napps = hotline\nsubscribe_all = no\nlocal_ari_user = hotline\n\n[" + user +
			"]\ntype = user\npassword = " + password + "\n",
	}
}

// echo is a dialplan where a Local channel stays alive by itself.
const echo = "\n[echo]\nexten => _X.,1,Answer()\n same => n,Wait(600)\n"

// way is a client connected with a real Asterisk by one transport, over a wire.
type way struct {
	*stage
	a *asterisktest.Asterisk
	w *wire
}

// connect starts an Asterisk and a client on it. An Asterisk that dials the client does so from the beginning, before there is one.
func connect(t *testing.T, transport ari.Transport) way {
	t.Helper()
	e := newEar()
	cfg := ari.Config{Name: "real", User: "other", Password: "a-password-of-17-K", Transport: transport, PingEvery: 500 * time.Millisecond, Retry: time.Millisecond}
	extra := map[string]string{"extensions.conf": echo}
	var w *wire
	var serves atomic.Pointer[ari.Client]
	if transport == ari.Dialled {
		web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if c := serves.Load(); c != nil {
				c.Serve(rw, r)
				return
			}
			http.Error(rw, "not yet", http.StatusServiceUnavailable)
		}))
		t.Cleanup(web.Close)
		w = newWire(t, web.Listener.Addr().String())
		for name, text := range outbound("ws://"+w.Addr().String()+"/asterisk/real", cfg.User, cfg.Password) {
			extra[name] = text
		}
	}
	a := asterisktest.Start(t, asterisktest.Options{Extra: extra})
	cfg.URL = a.URL
	if transport != ari.Dialled {
		w = newWire(t, strings.TrimPrefix(a.URL, "http://"))
		cfg.URL, cfg.User, cfg.Password = "http://"+w.Addr().String(), a.User, a.Password
	}
	st := &stage{T: t, c: client(t, cfg, e), ear: e, cfg: cfg}
	serves.Store(st.c)
	start(t, st.c)
	st.up(1)
	return way{stage: st, a: a, w: w}
}

// call makes a channel that is answered and in the application, with external media in a bridge.
func (w way) call(id string) {
	w.Helper()
	ctx := w.Context()
	_, err := w.c.Create(ctx, ari.CreateChannel{ID: id, Endpoint: "Local/100@echo", Args: []string{"out", "x y+ü"}, Variables: map[string]string{"CALLERID(num)": "+49 30 1"}})
	w.fatal(err)
	start := w.ear.event(w, "StasisStart", is(id))
	w.equal("arguments", strings.Join(start.Args, "|"), "out|x y+ü")
	w.equal("caller", start.Channel.Caller.Number, "+49 30 1")
	w.fatal(w.c.Dial(ctx, id, 10*time.Second))
	w.ear.event(w, "Dial", func(e ari.Event) bool { return e.Peer != nil && e.Peer.ID == id && e.DialStatus == "ANSWER" })
	m, err := w.c.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-" + id, Host: "127.0.0.1:9", Format: "ulaw"})
	w.fatal(err)
	if m.Variables["UNICASTRTP_LOCAL_PORT"] == "" {
		w.Fatalf("external media does not say where it listens: %+v", m)
	}
	_, err = w.c.CreateBridge(ctx, "hl-b-"+id, "mixing")
	w.fatal(err)
	w.ear.event(w, "StasisStart", is("hl-m-"+id)) // the answer comes sooner, and a bridge takes it only then
	w.fatal(w.c.AddToBridge(ctx, "hl-b-"+id, id, "hl-m-"+id))
	b, err := w.c.Bridge(ctx, "hl-b-"+id)
	w.fatal(err)
	w.equal("channels of the bridge", len(b.Channels), 2)
}

// end takes a call down and expects that nothing is left.
func (w way) end(id string) {
	w.Helper()
	ctx := w.Context()
	w.fatal(w.c.Hangup(ctx, id, 17))
	gone := w.ear.event(w, "ChannelDestroyed", is(id))
	w.equal("cause", gone.Cause, 17)
	w.fatal(w.c.Hangup(ctx, "hl-m-"+id, 0))
	w.fatal(w.c.DestroyBridge(ctx, "hl-b-"+id))
	w.ear.event(w, "StasisEnd", is("hl-m-"+id))
	for _, err := range []error{w.c.Answer(ctx, id), w.c.Hangup(ctx, id, 0), w.c.DestroyBridge(ctx, "hl-b-"+id)} {
		if !ari.Gone(err) {
			w.Fatalf("after the end: %v", err)
		}
	}
}

// TestTransports does the same over each transport, with a real Asterisk: a call, the verbs, a cut socket, a half-open one.
func TestTransports(t *testing.T) {
	for _, transport := range []ari.Transport{ari.HTTP, ari.Websocket, ari.Dialled} {
		t.Run(string(transport), func(t *testing.T) {
			w := connect(t, transport)
			t.Run("call", func(t *testing.T) { w.with(t).wholeCall() })
			t.Run("verbs", func(t *testing.T) { w.with(t).verbs() })
			t.Run("cut", func(t *testing.T) { w.with(t).cutInACall() })
			t.Run("half-open", func(t *testing.T) { w.with(t).halfOpen() })
			t.Run("frozen", func(t *testing.T) { w.with(t).frozen() })
		})
	}
}

func (w way) with(t *testing.T) way {
	st := *w.stage
	st.T = t
	w.stage = &st
	return w
}

func (w way) wholeCall() {
	failed := w.c.State().Failed // an Asterisk that dials us may do so before it is ready to answer
	w.call("hl-1")
	v, err := w.c.Variable(w.Context(), "hl-1", "CALLERID(num)")
	w.fatal(err)
	w.equal("variable", v, "+49 30 1")
	if _, err = w.c.Variable(w.Context(), "hl-1", "NOTHING"); !ari.Gone(err) {
		w.Fatalf("a variable that is not set: %v", err)
	}
	w.end("hl-1")
	s := w.c.State()
	w.equal("doubles", s.Doubles, uint64(0))
	if s.Failed != failed || s.Info.Version == "" || !s.Connected {
		w.Fatalf("state: %+v", s)
	}
}

// verbs tries each request once and expects the outcome that Asterisk gives it.
func (w way) verbs() {
	ctx, c := w.Context(), w.c
	w.call("hl-2")
	gone := func(err error) bool { return ari.Gone(err) }
	fine := func(err error) bool { return err == nil }
	for _, v := range []struct {
		name string
		err  error
		ok   func(error) bool
	}{
		{"Ring", c.Ring(ctx, "hl-2"), fine}, {"RingStop", c.RingStop(ctx, "hl-2"), fine}, {"Progress", c.Progress(ctx, "hl-2"), fine},
		{"Hold", c.Hold(ctx, "hl-2"), fine}, {"Unhold", c.Unhold(ctx, "hl-2"), fine},
		{"SetVariable", c.SetVariable(ctx, "hl-2", "X_1", "a&b=c d+e"), fine},
		{"SendDTMF", c.SendDTMF(ctx, "hl-2", "12#"), fine},
		{"MusicOn in a bridge", c.MusicOn(ctx, "hl-2", ""), fine}, {"MusicOff in a bridge", c.MusicOff(ctx, "hl-2"), fine},
		{"RemoveFromBridge", c.RemoveFromBridge(ctx, "hl-b-hl-2", "hl-2"), fine},
		{"RemoveFromBridge again", c.RemoveFromBridge(ctx, "hl-b-hl-2", "hl-2"), ari.Unprocessable},
		{"MusicOn", c.MusicOn(ctx, "hl-2", ""), fine}, {"MusicOff", c.MusicOff(ctx, "hl-2"), fine},
		{"AddToBridge", c.AddToBridge(ctx, "hl-b-hl-2", "hl-2"), fine}, {"AddToBridge again", c.AddToBridge(ctx, "hl-b-hl-2", "hl-2"), fine},
		{"AddToBridge of nobody", c.AddToBridge(ctx, "nobody", "hl-2"), gone},
		{"Subscribe", c.Subscribe(ctx, "channel:hl-2"), fine}, {"Unsubscribe", c.Unsubscribe(ctx, "channel:hl-2"), fine},
		{"TransferProgress", c.TransferProgress(ctx, "hl-2", "channel_progress"), fine},
		{"Redirect", c.Redirect(ctx, "hl-2", "SIP/nobody"), ari.Unprocessable},
		{"Dial of nobody", c.Dial(ctx, "nobody", 0), gone},
	} {
		if !v.ok(v.err) {
			w.Errorf("%s: %v", v.name, v.err)
		}
	}
	value, err := c.Variable(ctx, "hl-2", "X_1")
	w.fatal(err)
	w.equal("variable", value, "a&b=c d+e")
	w.lists()
	if _, err := c.CreateBridge(ctx, "hl-b-hl-2", "mixing"); !ari.Conflict(err) {
		w.Errorf("a bridge whose id is taken: %v", err)
	}
	if _, err := c.Create(ctx, ari.CreateChannel{ID: "hl-2", Endpoint: "Local/100@echo"}); !ari.Conflict(err) {
		w.Errorf("a channel whose id is taken: %v", err)
	}
	if _, err := c.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-hl-2", Host: "127.0.0.1:9", Format: "ulaw"}); err == nil || ari.Unavailable(err) {
		w.Errorf("external media whose id is taken: %v", err)
	}
	w.end("hl-2")
	w.originateAndContinue()
}

func (w way) lists() {
	ctx, c := w.Context(), w.c
	channels, err := c.Channels(ctx)
	w.fatal(err)
	bridges, err := c.Bridges(ctx)
	w.fatal(err)
	app, err := c.Application(ctx)
	w.fatal(err)
	if len(channels) != 3 || len(bridges) != 1 || len(app.Channels) != 2 {
		w.Errorf("%d channels, %d bridges, %d channels of the application", len(channels), len(bridges), len(app.Channels))
	}
	ch, err := c.Channel(ctx, "hl-2")
	w.fatal(err)
	w.equal("state", ch.State+" in "+ch.Dialplan.App, "Up in Stasis")
	if _, err := c.Endpoints(ctx); err != nil {
		w.Error(err)
	}
	if _, err := c.Endpoint(ctx, "PJSIP", "nobody"); !ari.Gone(err) {
		w.Errorf("an endpoint that is none: %v", err)
	}
	folder, err := c.GetVariable(ctx, "ASTDATADIR")
	if err != nil || folder == "" {
		w.Errorf("global variable: %q %v", folder, err)
	}
}

func (w way) originateAndContinue() {
	ctx, c := w.Context(), w.c
	_, err := c.Originate(ctx, ari.CreateChannel{ID: "hl-3", Endpoint: "Local/100@echo", Args: []string{"out"}, CallerID: `"A B" <100>`, Timeout: 5 * time.Second})
	w.fatal(err)
	w.ear.event(w, "StasisStart", is("hl-3"))
	w.fatal(c.Answer(ctx, "hl-3"))
	w.fatal(c.Continue(ctx, "hl-3", "echo", "100", 1))
	w.ear.event(w, "StasisEnd", is("hl-3"))
	if err := c.Hold(ctx, "hl-3"); !ari.Conflict(err) {
		w.Errorf("hold outside of the application: %v", err)
	}
	w.fatal(c.Hangup(ctx, "hl-3", 0))
}

// cutInACall cuts the connection in a call: it comes back, and the call is still there.
func (w way) cutInACall() {
	w.call("hl-4")
	ups := len(w.ear.ups)
	w.w.cut()
	w.ear.until(w, "Down", func() bool { return len(w.ear.downs) == ups })
	w.up(ups + 1)
	ch, err := w.c.Channel(w.Context(), "hl-4")
	w.fatal(err)
	w.equal("state after the cut", ch.State, "Up")
	w.end("hl-4")
}

// halfOpen swallows all bytes: nobody says that the connection is gone.
func (w way) halfOpen() {
	ups := len(w.ear.ups)
	w.w.frozen.Store(true)
	w.ear.until(w, "Down", func() bool { return len(w.ear.downs) == ups })
	if err := w.ear.downs[ups-1]; !strings.Contains(err.Error(), "no sign of life") {
		w.Fatalf("down: %v", err)
	}
	w.w.cut()
	w.w.frozen.Store(false)
	w.up(ups + 1)
	w.call("hl-5")
	w.end("hl-5")
}

// frozen stops Asterisk itself for a while.
func (w way) frozen() {
	ups := len(w.ear.ups)
	w.a.Freeze()
	w.ear.until(w, "Down", func() bool { return len(w.ear.downs) == ups })
	if err := w.c.Hold(context.WithoutCancel(w.Context()), "nobody"); !ari.Unavailable(err) {
		w.Fatalf("a request without a connection: %v", err)
	}
	w.a.Thaw()
	w.up(ups + 1)
	w.call("hl-6")
	w.end("hl-6")
}

// TestReplaced has two programs with one application on a real Asterisk: the first is told, and does not take it back at once.
func TestReplaced(t *testing.T) {
	a := asterisktest.Start(t, asterisktest.Options{})
	one, two := newEar(), newEar()
	first := run(t, config(a, ari.HTTP), one)
	one.connected(t, 1)
	run(t, config(a, ari.HTTP), two)
	two.connected(t, 1)
	one.until(t, "Down", func() bool { return len(one.downs) == 1 })
	if err := one.downs[0]; !strings.Contains(err.Error(), "another program") {
		t.Fatalf("down: %v", err)
	}
	if s := first.State(); s.Connected || s.Code != "ari.replaced" {
		t.Fatalf("state: %+v", s)
	}
}

// TestVersion16 is refused, and named, unless it is allowed.
func TestVersion16(t *testing.T) {
	a := asterisktest.Start(t, asterisktest.Options{Version: "16"})
	st := &stage{T: t, ear: newEar(), cfg: config(a, ari.HTTP)}
	st.c = run(t, st.cfg, st.ear)
	st.code("ari.version.old")
	e := newEar()
	cfg := config(a, ari.HTTP)
	cfg.AllowOld, cfg.App = true, "other"
	run(t, cfg, e)
	e.connected(t, 1)
	if !strings.HasPrefix(e.ups[0].Version, "16.") {
		t.Fatal(e.ups[0])
	}
}
