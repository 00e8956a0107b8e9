package caller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/media"
	"hotline/sip/reach"
	"hotline/sip/sdp"
	"hotline/trunks/digest"
	"hotline/trunks/header"
)

// Invite says whom to call and as whom.
type Invite struct {
	To         string // sip:4000@127.0.0.1:5060, ;transport=tcp if wanted
	From       string // number or user; "" is anonymous
	Name       string // display name
	Username   string // for a challenge; "" answers none
	Password   string
	Codecs     []string       // PCMU, PCMA in order of preference; nil: both
	NoDTMF     bool           // do not offer telephone-event
	Headers    []string       // further lines, "Name: value"
	OnProgress func(Progress) // nil: nobody wants to know
	OnDigit    func(byte)     // a key that the other side pressed
}

// Progress of a call that is not answered yet.
type Progress struct {
	Status int
	Reason string
	Early  bool // audio comes before the answer
	After  time.Duration
}

// Failed says why a call was not answered.
type Failed struct {
	Status int
	Reason string // of the response
	Why    string // of the Reason header, if there was one (RFC 3326)
}

func (f *Failed) Error() string {
	s := fmt.Sprintf("the call was refused: %d %s", f.Status, f.Reason)
	if f.Why != "" {
		s += " (" + f.Why + ")"
	}
	return s
}

// Call is a call that was answered. It ends by [Call.Hangup] or by the other side.
type Call struct {
	c         *Client
	callID    string
	transport string
	invite    *sipmsg.Request
	stream    *media.Stream
	sdp       sdp.Local
	answer    time.Duration

	mu     sync.Mutex
	agreed sdp.Result
	remote *sipmsg.Response // the 200
	seq    uint32

	ended  chan struct{}
	acked  chan struct{} // of a call that was taken; nil: we called
	first  sync.Once     // ACK
	finish sync.Once
	byPeer bool
	why    string
}

// Call rings and returns when the call is answered. When ctx ends before that, the call is cancelled; a 200 that crosses the CANCEL
// is acknowledged and hung up.
func (c *Client) Call(ctx context.Context, inv Invite) (*Call, error) {
	req, transport, err := c.request(inv)
	if err != nil {
		return nil, err
	}
	call := &Call{c: c, callID: req.CallID().Value(), transport: transport, ended: make(chan struct{})}
	call.stream, err = c.engine.Open(media.OpenOptions{ID: call.callID, OnEvent: func(e media.StreamEvent) {
		if e.Kind == media.DigitDown && inv.OnDigit != nil {
			inv.OnDigit(e.Digit)
		}
	}})
	if err != nil {
		return nil, fmt.Errorf("audio: %w", err)
	}
	codecs := inv.Codecs
	if codecs == nil {
		codecs = []string{"PCMU", "PCMA"}
	}
	call.sdp = sdp.Local{Addr: call.stream.Local(), Codecs: codecs, DTMF: !inv.NoDTMF, Session: uint64(time.Now().Unix()), Version: 1}
	req.SetBody(call.sdp.Offer(sdp.SendRecv))
	req.AppendHeader(sipmsg.NewHeader("Content-Type", "application/sdp"))
	c.add(call)
	if err := call.ring(ctx, inv, req); err != nil {
		call.over(false, "")
		return nil, err
	}
	return call, nil
}

// request makes the INVITE without a body.
func (c *Client) request(inv Invite) (*sipmsg.Request, string, error) {
	var to sipmsg.Uri
	target := inv.To
	if !strings.HasPrefix(target, "sip:") && !strings.HasPrefix(target, "sips:") {
		target = "sip:" + target
	}
	if err := sipmsg.ParseUri(header.Clean(target), &to); err != nil || to.Host == "" || to.User == "" {
		return nil, "", hotline.Errorf(hotline.Invalid, "caller.bad_address", "%q is no SIP address such as sip:4000@127.0.0.1", inv.To)
	}
	transport := "udp"
	if t, ok := to.UriParams.Get("transport"); ok && t != "" {
		transport = strings.ToLower(t)
	}
	from := "sip:anonymous@anonymous.invalid"
	if inv.From != "" {
		from = "sip:" + header.User(inv.From) + "@" + c.host()
	}
	name := ""
	if inv.Name != "" {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(header.Clean(inv.Name)) + `" `
	}
	req := sipmsg.NewRequest(sipmsg.INVITE, to)
	req.SetTransport(strings.ToUpper(transport))
	for _, h := range [][2]string{
		{"From", name + "<" + from + ">;tag=" + sipmsg.GenerateTagN(12)},
		{"To", "<" + to.String() + ">"},
		{"Call-ID", hotline.NewID()},
		{"CSeq", "1 INVITE"},
		{"Max-Forwards", "70"},
		{"Contact", c.contact(transport)},
		{"Allow", "INVITE, ACK, CANCEL, BYE, UPDATE, INFO, OPTIONS, NOTIFY"},
		{"User-Agent", "hotline-caller"},
	} {
		h, err := parsed(h[0], h[1])
		if err != nil {
			return nil, "", err
		}
		req.AppendHeader(h)
	}
	for _, line := range inv.Headers {
		k, v, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(k) == "" {
			return nil, "", hotline.Errorf(hotline.Invalid, "caller.bad_header", "%q is no header line such as Subject: hello", line)
		}
		req.AppendHeader(sipmsg.NewHeader(header.Clean(strings.TrimSpace(k)), header.Clean(strings.TrimSpace(v))))
	}
	return req, transport, nil
}

// parsed makes a header of the type that sipgo finds again.
func parsed(name, value string) (sipmsg.Header, error) {
	raw := "OPTIONS sip:a SIP/2.0\r\n" + name + ": " + value + "\r\n\r\n"
	msg, err := sipmsg.ParseMessage([]byte(raw))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return msg.(*sipmsg.Request).GetHeader(name), nil
}

// ring sends the INVITE and follows it to its end, once more with credentials if they are asked for.
func (call *Call) ring(ctx context.Context, inv Invite, req *sipmsg.Request) error {
	start := time.Now()
	for {
		res, err := call.follow(ctx, inv, req, start)
		var failed *Failed
		if err == nil || !errors.As(err, &failed) || failed.Status != 401 && failed.Status != 407 || inv.Username == "" || call.seq > 2 {
			return err
		}
		if req, err = call.authorized(inv, req, res); err != nil {
			return err
		}
	}
}

// authorized is the INVITE again, with an answer to the challenge.
func (call *Call) authorized(inv Invite, req *sipmsg.Request, res *sipmsg.Response) (*sipmsg.Request, error) {
	from, to := "WWW-Authenticate", "Authorization"
	if res.StatusCode == 407 {
		from, to = "Proxy-Authenticate", "Proxy-Authorization"
	}
	var asked []string
	for _, h := range res.GetHeaders(from) {
		asked = append(asked, h.Value())
	}
	value, err := digest.Answer(asked, digest.Login{Username: inv.Username, Password: inv.Password}, "INVITE", req.Recipient.String())
	if err != nil {
		return nil, err
	}
	next := req.Clone()
	next.RemoveHeader("Via")
	next.RemoveHeader(to)
	next.CSeq().SeqNo++
	next.AppendHeader(sipmsg.NewHeader(to, value))
	return next, nil
}

// follow runs one INVITE transaction.
func (call *Call) follow(ctx context.Context, inv Invite, req *sipmsg.Request, start time.Time) (*sipmsg.Response, error) {
	call.invite = req
	call.seq = req.CSeq().SeqNo
	call.c.own(req)
	tx, err := call.c.client.TransactionRequest(context.WithoutCancel(ctx), req)
	if err != nil {
		return nil, call.unreached(req, err)
	}
	quiet, done := context.WithCancel(ctx)
	defer done()
	dead := call.probe(quiet, req)
	cancelled, heard := false, false
	// gaveUp says why there is no call: the context's reason, and that nobody was there if nobody ever said anything.
	gaveUp := func() error {
		if heard {
			return context.Cause(ctx)
		}
		return hotline.Errorf(hotline.Unavailable, "caller.no_answer", "nobody answers at %s over %s: %w", req.Recipient.String(), call.transport, context.Cause(ctx))
	}
	stop := ctx.Done()
	var giveUp <-chan time.Time
	for {
		select {
		case res := <-tx.Responses():
			heard, dead = true, nil
			switch {
			case res.IsProvisional():
				call.provisional(inv, res, start)
				if cancelled && giveUp == nil {
					call.cancel(req)
				}
			case res.IsSuccess():
				return res, call.answered(ctx, tx, res, start, cancelled)
			default:
				return res, &Failed{Status: res.StatusCode, Reason: header.Cut(res.Reason, 128), Why: reasonOf(res)}
			}
		case <-tx.Done():
			if cancelled {
				return nil, gaveUp()
			}
			return nil, call.unreached(req, tx.Err())
		case <-dead:
			tx.Terminate()
			return nil, call.unreached(req, syscall.ECONNREFUSED)
		case <-stop:
			stop, cancelled = nil, true
			giveUp = time.After(5 * time.Second)
			call.cancel(req)
		case <-giveUp:
			tx.Terminate()
			return nil, gaveUp()
		}
	}
}

// unreached says in plain words why nobody was reached.
func (call *Call) unreached(req *sipmsg.Request, err error) error {
	why := reach.Why(err)
	text := why.At(target(req) + " over " + strings.ToUpper(call.transport))
	return &hotline.Error{Kind: hotline.Unavailable, Code: "caller." + string(why), Message: text, Err: err}
}

// probe asks, beside the INVITE over UDP, whether the port is known to be dead: nobody has to wait 32 s (timer B) for what the host
// says at once. A second is given to a program that is just starting. The channel is closed if the port is dead.
func (call *Call) probe(ctx context.Context, req *sipmsg.Request) <-chan struct{} {
	dead := make(chan struct{})
	if call.transport == "udp" {
		call.c.done.Go(func() {
			for range 3 {
				if !reach.Refused(ctx, call.c.local.Addr(), target(req), 2*time.Second) {
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(500 * time.Millisecond):
				}
			}
			close(dead)
		})
	}
	return dead
}

// target is the host and port that a request goes to.
func target(req *sipmsg.Request) string {
	port := req.Recipient.Port
	if port == 0 {
		port = sipmsg.DefaultPort(req.Transport())
	}
	return net.JoinHostPort(strings.Trim(req.Recipient.Host, "[]"), strconv.Itoa(port))
}

func reasonOf(res *sipmsg.Response) string {
	h := res.GetHeader("Reason")
	if h == nil {
		return ""
	}
	return header.Cut(h.Value(), 200)
}

func (call *Call) provisional(inv Invite, res *sipmsg.Response, start time.Time) {
	early := false
	if len(res.Body()) > 0 && call.take(res.Body()) == nil {
		early = true
	}
	if inv.OnProgress != nil {
		inv.OnProgress(Progress{Status: res.StatusCode, Reason: header.Cut(res.Reason, 128), Early: early, After: time.Since(start)})
	}
}

// take reads the other side's description and lets audio flow.
func (call *Call) take(body []byte) error {
	s, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	r, ok := call.sdp.Accept(s)
	if !ok {
		return errors.New("the other side speaks no codec of ours")
	}
	return call.apply(r)
}

func (call *Call) apply(r sdp.Result) error {
	codec, _ := media.CodecByName(r.Codec)
	err := call.stream.Configure(media.Setup{
		Codec: codec, PayloadType: r.PT, DTMFPayloadType: r.DTMFPT, Ptime: time.Duration(r.Ptime) * time.Millisecond,
		Remote: r.Remote, RemoteRTCP: r.RTCP, RTCPMux: r.Mux, Direction: direction(r.Ours), InbandDTMF: r.DTMFPT == 0,
	})
	if err == nil {
		call.mu.Lock()
		call.agreed = r
		call.mu.Unlock()
	}
	return err
}

func direction(d sdp.Direction) media.Direction {
	switch d {
	case sdp.SendOnly:
		return media.SendOnly
	case sdp.RecvOnly:
		return media.RecvOnly
	case sdp.Inactive:
		return media.Inactive
	}
	return media.SendRecv
}

// answered acknowledges a 200, and each time that it comes again.
func (call *Call) answered(ctx context.Context, tx sipmsg.ClientTransaction, res *sipmsg.Response, start time.Time, cancelled bool) error {
	call.answer = time.Since(start)
	call.mu.Lock()
	call.remote = res
	call.mu.Unlock()
	ack := func() { _ = call.c.client.WriteRequest(call.inDialog(sipmsg.ACK, nil), sipOption) }
	ack()
	call.c.done.Go(func() {
		for {
			select {
			case again := <-tx.Responses():
				if again.IsSuccess() {
					ack()
				}
			case <-tx.Done():
				return
			}
		}
	})
	err := call.take(res.Body())
	if cancelled {
		err = context.Cause(ctx)
	}
	if err != nil {
		bye, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		call.Hangup(bye)
	}
	return err
}

func (call *Call) cancel(invite *sipmsg.Request) {
	req := sipmsg.NewRequest(sipmsg.CANCEL, invite.Recipient)
	for _, name := range []string{"Via", "From", "To", "Call-ID", "Route", "Max-Forwards"} {
		sipmsg.CopyHeaders(name, invite, req)
	}
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sipmsg.CANCEL})
	req.SetTransport(invite.Transport())
	req.SetBody(nil)
	call.c.own(req)
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	tx, err := call.c.client.TransactionRequest(ctx, req, sipOption)
	if err != nil {
		stop()
		return
	}
	call.c.done.Go(func() {
		defer stop()
		defer tx.Terminate()
		select {
		case <-tx.Responses():
		case <-tx.Done():
		case <-ctx.Done():
		}
	})
}

// Stream is the call's audio.
func (call *Call) Stream() *media.Stream { return call.stream }

// CallID is the SIP Call-ID.
func (call *Call) CallID() string { return call.callID }

// AnsweredAfter is the time from the INVITE to the 200.
func (call *Call) AnsweredAfter() time.Duration { return call.answer }

// Remote is where the other side's audio comes from.
func (call *Call) Remote() netip.AddrPort {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.agreed.Remote
}

// Ended is closed when the call has ended.
func (call *Call) Ended() <-chan struct{} { return call.ended }

// Why tells, after the end, who hung up, and the Reason header if there was one.
func (call *Call) Why() (byPeer bool, reason string) {
	<-call.ended
	return call.byPeer, call.why
}

// Press presses keys.
func (call *Call) Press(ctx context.Context, digits string) error {
	return call.stream.SendDigits(ctx, digits, 100*time.Millisecond, 100*time.Millisecond)
}

// number is for CSeq of our requests in the dialog.
func (call *Call) number(method sipmsg.RequestMethod) uint32 {
	call.mu.Lock()
	defer call.mu.Unlock()
	if method != sipmsg.ACK {
		call.seq++
	}
	return call.seq
}
