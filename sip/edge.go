package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"

	"hotline/call"
	"hotline/media"
	"hotline/sip/keeper"
	"hotline/sip/wire"
)

const product = "Hotline"

// The methods that are understood and the extensions that are kept, not only known.
var (
	methods    = []string{"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY"}
	extensions = []string{"timer", "100rel"}
	bodies     = map[string][]string{
		"INVITE": {"application/sdp"}, "UPDATE": {"application/sdp"}, "PRACK": {"application/sdp"}, "ACK": {"application/sdp"},
		"INFO": {"application/dtmf-relay", "application/dtmf"}, "NOTIFY": {"message/sipfrag"},
	}
)

func init() {
	// sipgo refuses to send more than 1,300 bytes over UDP, and reads no more than half of a datagram, unless it is told.
	sipmsg.UDPMTUSize = wire.MaxMessage
	sipmsg.TransportBufferReadSize = wire.MaxMessage
	sipmsg.SetDefaultLogger(slog.New(slog.DiscardHandler)) // it would write whole messages, credentials and all
}

// Config of an [Edge].
type Config struct {
	ListenUDPTCP string // "ip:port" for UDP and TCP; port 0: any, the same for both
	ListenTLS    string // "" for none
	TLSCert      string // PEM files
	TLSKey       string
	TLSRoots     *x509.CertPool // whom we believe when we connect; nil: the system's
	External     netip.Addr     // address that peers are told; the zero value: the address of the socket, or of the route to the peer
	Engine       *media.Engine
	Acceptor     call.Acceptor
	Directory    *Directory
	Trace        *Trace // nil: messages are not kept
	Log          *slog.Logger
	MaxCalls     int    // legs at a time; 0: 4,000
	Guard        *Guard // nil: one with the default limits
}

// Edge is the native SIP edge: it takes and makes calls by itself, over RTP of its own.
type Edge struct {
	cfg      Config
	log      *slog.Logger
	guard    *Guard
	keeper   *keeper.Keeper
	tpl      *sipmsg.TransportLayer
	txl      *sipmsg.TransactionLayer
	judge    *wire.Judge
	udp      net.PacketConn
	tcp, tls *wire.Stream // nil: none
	udpLaddr sipmsg.Addr
	cookie   string // in each branch of ours: what bears it and comes back is a loop
	legs     registry
	counts   counters
	work     sync.WaitGroup // goroutines of legs
	ctx      context.Context
	stop     context.CancelFunc
	routes   routeCache
	serving  atomic.Bool
}

// New opens the sockets, so that the addresses are known. Nothing is read before [Edge.Run].
func New(cfg Config) (*Edge, error) {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.MaxCalls == 0 {
		cfg.MaxCalls = 4000
	}
	if cfg.Engine == nil || cfg.Acceptor == nil || cfg.Directory == nil {
		return nil, errors.New("sip: Engine, Acceptor and Directory are needed")
	}
	e := &Edge{cfg: cfg, log: cfg.Log.With("part", "sip"), cookie: newTag()[:8]}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.legs.init()
	e.guard = cfg.Guard
	if e.guard == nil {
		e.guard = NewGuard(GuardConfig{Directory: cfg.Directory, Log: cfg.Log})
	}
	e.keeper = keeper.New(e, cfg.Directory, cfg.Log)
	e.judge = &wire.Judge{
		Allow: methods, Supported: extensions, Accept: bodies, Hook: e.hook, Gate: e.gate, Stranger: e.stranger, Seen: e.seen, Connect: e.connect,
		Malformed: e.guard.Malformed,
	}
	if err := e.listen(); err != nil {
		e.close()
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	nowhere := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("names in SIP messages are not looked up")
	}}
	e.tpl = sipmsg.NewTransportLayer(nowhere, sipmsg.NewParser(), nil, sipmsg.WithTransportLayerLogger(quiet))
	e.txl = sipmsg.NewTransactionLayer(e.tpl, sipmsg.WithTransactionLayerLogger(quiet),
		sipmsg.WithTransactionLayerUnhandledResponseHandler(func(*sipmsg.Response) {}))
	e.txl.OnRequest(e.onRequest)
	return e, nil
}

func (e *Edge) listen() error {
	var err error
	for range 10 { // with port 0, until one port is free for both
		if e.udp, err = net.ListenPacket("udp", e.cfg.ListenUDPTCP); err != nil {
			return fmt.Errorf("listen for SIP on %s/udp: %w", e.cfg.ListenUDPTCP, err)
		}
		var l net.Listener
		if l, err = net.Listen("tcp", e.udp.LocalAddr().String()); err == nil {
			e.tcp = wire.Listener(l, e.judge, "TCP")
			break
		}
		if !strings.HasSuffix(e.cfg.ListenUDPTCP, ":0") {
			break
		}
		e.udp.Close()
	}
	if err != nil {
		return fmt.Errorf("listen for SIP on %s/tcp: %w", e.cfg.ListenUDPTCP, err)
	}
	if c, ok := e.udp.(*net.UDPConn); ok {
		c.SetReadBuffer(4 << 20) // a burst of calls must not be lost between two reads
		c.SetWriteBuffer(4 << 20)
	}
	at := e.udp.LocalAddr().(*net.UDPAddr)
	e.udpLaddr = sipmsg.Addr{IP: at.IP, Port: at.Port}
	if e.cfg.ListenTLS == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(e.cfg.TLSCert, e.cfg.TLSKey)
	if err != nil {
		return fmt.Errorf("certificate for SIP over TLS: %w", err)
	}
	l, err := net.Listen("tcp", e.cfg.ListenTLS)
	if err != nil {
		return fmt.Errorf("listen for SIP on %s/tls: %w", e.cfg.ListenTLS, err)
	}
	e.tls = wire.Listener(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), e.judge, "TLS")
	return nil
}

func (e *Edge) close() {
	e.stop()
	if e.udp != nil {
		e.udp.Close()
	}
	for _, l := range []*wire.Stream{e.tcp, e.tls} {
		if l != nil {
			l.Close()
		}
	}
}

// Addr returns the address on which a transport ("UDP", "TCP", "TLS") is listened to; the zero value when it is not.
func (e *Edge) Addr(transport string) netip.AddrPort {
	switch {
	case strings.EqualFold(transport, "UDP"):
		return e.udp.LocalAddr().(*net.UDPAddr).AddrPort()
	case strings.EqualFold(transport, "TCP"):
		return e.tcp.Addr().(*net.TCPAddr).AddrPort()
	case e.tls != nil:
		return e.tls.Addr().(*net.TCPAddr).AddrPort()
	}
	return netip.AddrPort{}
}

// Run serves until ctx ends. Then the legs that are left are hung up, and it returns when nothing of the edge is left.
func (e *Edge) Run(ctx context.Context) error {
	g, run := errgroup.WithContext(ctx)
	serve := func(f func() error) {
		g.Go(func() error {
			err := f()
			if run.Err() != nil || err == nil {
				return nil
			}
			return err
		})
	}
	serve(func() error { return e.tpl.ServeUDP(wire.PacketConn(e.udp, e.judge)) })
	serve(func() error { return e.tpl.ServeTCP(e.tcp) })
	if e.tls != nil {
		serve(func() error { return e.tpl.ServeTLS(e.tls) })
	}
	e.serving.Store(true)
	g.Go(func() error { return e.keeper.Run(run) })
	g.Go(func() error { return e.sweep(run) })
	g.Go(func() error {
		<-run.Done()
		e.serving.Store(false)
		e.hangupAll()
		e.close()
		e.tpl.Close()
		return nil
	})
	err := g.Wait()
	e.work.Wait()
	e.txl.Close()
	return err
}

// hangupAll ends what is left when the process stops; calls were drained before, if there was time.
func (e *Edge) hangupAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	legs := e.legs.all()
	for _, l := range legs {
		l.Hangup(ctx, call.CauseShutdown)
	}
	for _, l := range legs {
		l.tasks.Do(l.finish)
	}
}

// Listening tells whether the edge serves.
func (e *Edge) Listening() bool { return e.serving.Load() }

// TrunkStates returns how the trunks are.
func (e *Edge) TrunkStates() []TrunkState { return e.keeper.States() }

// Guard returns what stands between strangers and the edge, for its counters.
func (e *Edge) Guard() *Guard { return e.guard }

// localAddr returns the address under which a peer reaches us.
func (e *Edge) localAddr(transport string, peer netip.Addr) netip.AddrPort {
	at := e.Addr(transport)
	ip := at.Addr().Unmap()
	switch {
	case e.cfg.External.IsValid() && !peer.IsLoopback():
		ip = e.cfg.External
	case ip.IsUnspecified():
		ip = e.routes.toward(peer)
	}
	return netip.AddrPortFrom(ip, at.Port())
}

// routeCache remembers which of our addresses faces a peer.
type routeCache struct {
	mu sync.Mutex
	m  map[netip.Addr]netip.Addr
}

func (c *routeCache) toward(peer netip.Addr) netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a, ok := c.m[peer]; ok {
		return a
	}
	a := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if conn, err := net.Dial("udp", net.JoinHostPort(peer.String(), "5060")); err == nil { // sends nothing: asks the routing table
		a = conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		conn.Close()
	}
	if c.m == nil || len(c.m) > 4096 {
		c.m = map[netip.Addr]netip.Addr{}
	}
	c.m[peer] = a
	return a
}

// Exchange sends one request that is no INVITE and waits for its final response.
func (e *Edge) Exchange(ctx context.Context, req *sipmsg.Request, to netip.AddrPort, transport string) (*sipmsg.Response, error) {
	e.address(req, transport, to)
	tx, err := e.start(ctx, req, to)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, tx.Err()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// start sends a request as a client transaction. Over TCP and TLS it makes the connection first, if there is none.
func (e *Edge) start(ctx context.Context, req *sipmsg.Request, to netip.AddrPort) (*sipmsg.ClientTx, error) {
	e.guard.Expect(to)
	if transport := req.Transport(); transport != "UDP" && !e.connected(transport, to) {
		if err := e.dial(ctx, transport, to, req.Recipient.Host); err != nil {
			return nil, err
		}
	}
	return e.txl.Request(ctx, req)
}

func (e *Edge) connected(transport string, to netip.AddrPort) bool {
	c, err := e.tpl.GetConnection(transport, to.String())
	if err != nil {
		return false
	}
	c.TryClose()
	return true
}

// dial makes a connection by itself and hands it to the reader, so that what comes over it is judged like everything else.
func (e *Edge) dial(ctx context.Context, transport string, to netip.AddrPort, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return err
	}
	stream := e.tcp
	if transport == "TLS" {
		t := tls.Client(c, &tls.Config{ServerName: strings.Trim(name, "[]"), RootCAs: e.cfg.TLSRoots, MinVersion: tls.VersionTLS12})
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return fmt.Errorf("TLS with %s: %w", name, err)
		}
		c, stream = t, e.tls
	}
	if stream == nil {
		c.Close()
		return errors.New("no listener for " + transport + ": requests over it cannot be answered")
	}
	if err := stream.Add(ctx, c); err != nil {
		c.Close()
		return err
	}
	for tick := time.NewTicker(time.Millisecond); !e.connected(transport, to); { // until sipgo has put it into its table
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}
