// Package caller is a telephone: it calls a SIP address with real audio, presses keys, speaks, and says what it hears.
//
// It is what `hotline call` and the tests of the whole product ring us up with. It stands on sipgo's transactions and on package
// media, and knows nothing of trunks, calls or tickets. Start at [Client.Call] or
// [Client.Take]; [Ear] listens, [Script] presses.
package caller

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/media"
)

// Config of a [Client].
type Config struct {
	Engine *media.Engine // nil: one of its own
	IP     netip.Addr    // address to call from; the zero value is 127.0.0.1
	Port   uint16        // for SIP; 0: any
	Wait   bool          // calls are taken, see [Client.Take]; else they are refused
	Log    *slog.Logger  // nil: nothing is logged
}

// Client is a telephone that can hold many calls at once.
type Client struct {
	cfg    Config
	engine *media.Engine
	ua     *sipgo.UserAgent
	client *sipgo.Client
	local  netip.AddrPort // UDP and TCP

	mu    sync.Mutex
	calls map[string]*Call // by Call-ID

	ringing chan *incoming // nil: no calls are taken
	closed  chan struct{}

	stop func()
	done sync.WaitGroup
}

// New opens the telephone's sockets.
func New(cfg Config) (*Client, error) {
	if !cfg.IP.IsValid() {
		cfg.IP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	c := &Client{cfg: cfg, engine: cfg.Engine, calls: map[string]*Call{}, closed: make(chan struct{})}
	if cfg.Wait {
		c.ringing = make(chan *incoming, waiting)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	if c.engine == nil {
		engine, err := media.NewEngine(media.Config{BindIP: cfg.IP, Log: cfg.Log})
		if err != nil {
			cancel()
			return nil, fmt.Errorf("audio: %w", err)
		}
		c.engine = engine
		c.done.Go(func() {
			if err := engine.Run(ctx); err != nil && ctx.Err() == nil {
				cfg.Log.Error("audio stopped", "err", err)
			}
		})
	}
	if err := c.listen(); err != nil {
		cancel()
		c.done.Wait()
		return nil, err
	}
	return c, nil
}

// listen opens one port for UDP and TCP, so that requests of the other side reach us by either.
func (c *Client) listen() error {
	udp, tcp, err := bothOn(netip.AddrPortFrom(c.cfg.IP, c.cfg.Port))
	if err != nil {
		return err
	}
	c.local = udp.LocalAddr().(*net.UDPAddr).AddrPort()
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("hotline-caller"), sipgo.WithUserAgentHostname(hostOf(c.cfg.IP)),
		sipgo.WithUserAgentTransportLayerOptions(sipmsg.WithTransportLayerLogger(c.cfg.Log)),
		sipgo.WithUserAgentTransactionLayerOptions(sipmsg.WithTransactionLayerLogger(c.cfg.Log)))
	if err != nil {
		return fmt.Errorf("SIP: %w", err)
	}
	server, err := sipgo.NewServer(ua, sipgo.WithServerLogger(c.cfg.Log))
	if err != nil {
		return fmt.Errorf("SIP: %w", err)
	}
	c.handle(server)
	c.ua = ua
	c.client, err = sipgo.NewClient(ua, sipgo.WithClientLogger(c.cfg.Log), sipgo.WithClientHostname(c.host()),
		sipgo.WithClientPort(int(c.local.Port())), sipgo.WithClientNAT())
	if err != nil {
		return fmt.Errorf("SIP: %w", err)
	}
	ended := make(chan struct{})
	c.done.Go(func() { // ends when the socket is closed
		defer close(ended)
		_ = server.ServeUDP(udp)
	})
	c.done.Go(func() { _ = server.ServeTCP(tcp) })
	c.served(ended)
	before := c.stop
	c.stop = func() {
		udp.Close()
		tcp.Close()
		ua.Close()
		before()
	}
	return nil
}

// served returns when sipgo knows the socket, however long a busy machine takes: for a request that leaves earlier sipgo would bind
// the same port once more, and fail.
func (c *Client) served(ended <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := c.ua.TransportLayer().GetConnection("udp", c.local.String()); err == nil {
			_, _ = conn.TryClose() // gives back the reference
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// bothOn opens a port for UDP and TCP; for port 0 it finds one that is free for both.
func bothOn(at netip.AddrPort) (net.PacketConn, net.Listener, error) {
	var err error
	for range 200 { // many callers that start together meet on the way from one to the other
		var udp *net.UDPConn
		udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			break
		}
		var tcp net.Listener
		tcp, err = net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp, nil
		}
		udp.Close()
		if at.Port() != 0 {
			break
		}
	}
	return nil, nil, hotline.Errorf(hotline.Unavailable, "caller.no_port", "no port for SIP on %s: %w", at, err)
}

// Close hangs up nothing: calls must have ended. It closes the sockets and waits until everything has stopped.
func (c *Client) Close() {
	close(c.closed)
	c.stop()
	c.done.Wait()
}

// handle answers what the other side asks within our calls.
func (c *Client) handle(server *sipgo.Server) {
	in := func(f func(*Call, *sipmsg.Request, sipmsg.ServerTransaction)) sipgo.RequestHandler {
		return func(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
			if call := c.find(req); call != nil {
				f(call, req, tx)
				return
			}
			if !req.IsAck() {
				_ = tx.Respond(sipmsg.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
			}
		}
	}
	server.OnBye(in((*Call).onBye))
	server.OnInvite(func(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
		if tag, _ := req.To().Params.Get("tag"); tag == "" && c.ringing != nil && c.find(req) == nil {
			c.onInvite(req, tx)
			return
		}
		in((*Call).onReinvite)(req, tx)
	})
	server.OnUpdate(in((*Call).onReinvite))
	server.OnAck(in((*Call).onAck))
	for _, method := range []sipmsg.RequestMethod{sipmsg.INFO, sipmsg.NOTIFY, sipmsg.MESSAGE} {
		server.OnRequest(method, in(func(_ *Call, req *sipmsg.Request, tx sipmsg.ServerTransaction) {
			_ = tx.Respond(sipmsg.NewResponseFromRequest(req, 200, "OK", nil))
		}))
	}
	server.OnOptions(func(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
		_ = tx.Respond(sipmsg.NewResponseFromRequest(req, 200, "OK", nil))
	})
}

func (c *Client) find(req *sipmsg.Request) *Call {
	id := req.CallID()
	if id == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id.Value()]
}

func (c *Client) add(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[call.callID] = call
}

func (c *Client) remove(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, call.callID)
}

// own makes a request leave from the socket that its Via and Contact name, as phones do and NAT needs. Over TCP each connection has
// a port of its own.
func (c *Client) own(req *sipmsg.Request) {
	if req.Transport() == "UDP" {
		req.Laddr = sipmsg.Addr{IP: c.local.Addr().AsSlice(), Port: int(c.local.Port())}
	}
}

// contact is where the other side reaches us.
func (c *Client) contact(transport string) string {
	s := "<sip:caller@" + net.JoinHostPort(c.local.Addr().String(), strconv.Itoa(int(c.local.Port())))
	if transport != "udp" {
		s += ";transport=" + transport
	}
	return s + ">"
}

// host is our own address as it stands in a SIP URI.
func (c *Client) host() string { return hostOf(c.local.Addr()) }

func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]" // RFC 3261, section 25.1: IPv6reference
	}
	return a.String()
}
