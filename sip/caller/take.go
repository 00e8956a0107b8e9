package caller

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/media"
	"hotline/sip/sdp"
	"hotline/trunks/header"
)

// Taking says how calls are taken.
type Taking struct {
	Ring    time.Duration         // before it is answered
	Refuse  int                   // a status such as 486 instead of an answer; 0 answers
	Codecs  []string              // PCMU, PCMA in order of preference; nil: both
	OnRing  func(from, to string) // nil: nobody wants to know
	OnDigit func(key byte)        // a key that the other side pressed
}

// incoming is a call that rings here.
type incoming struct {
	req  *sipmsg.Request
	tx   sipmsg.ServerTransaction
	tag  string
	done chan struct{} // the handler may return
	once sync.Once
}

func (in *incoming) free() { in.once.Do(func() { close(in.done) }) }

// waiting is how many calls may ring that nobody takes yet; more are busy.
const waiting = 64

// Take waits for a call and answers it, or refuses it and waits for the next. Calls that ring before somebody takes wait.
func (c *Client) Take(ctx context.Context, t Taking) (*Call, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case in := <-c.ringing:
			call, err := c.take(ctx, in, t)
			if call != nil || err != nil {
				return call, err
			}
		}
	}
}

// onInvite rings, and returns when the call was answered, refused or given up: sipgo ends the transaction then.
func (c *Client) onInvite(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	in := &incoming{req: req, tx: tx, tag: sipmsg.GenerateTagN(12), done: make(chan struct{})}
	in.respond(c, 180, "Ringing", nil)
	select {
	case c.ringing <- in:
	default:
		in.respond(c, 486, "Busy Here", nil)
		return
	}
	select {
	case <-in.done:
	case <-tx.Done():
	case <-c.closed:
	}
}

func (in *incoming) respond(c *Client, code int, reason string, body []byte) *sipmsg.Response {
	res := sipmsg.NewResponseFromRequest(in.req, code, reason, body)
	if to := res.To(); to != nil {
		to.Params.Remove("tag") // sipgo makes one up for each response
		to.Params.Add("tag", in.tag)
	}
	contact, err := parsed("Contact", c.contact(strings.ToLower(in.req.Transport())))
	if err == nil {
		res.AppendHeader(contact)
	}
	if body != nil {
		res.AppendHeader(sipmsg.NewHeader("Content-Type", "application/sdp"))
	}
	_ = in.tx.Respond(res)
	return res
}

// take answers one call. It returns nil when nobody is there any more, or it was refused.
func (c *Client) take(ctx context.Context, in *incoming, t Taking) (*Call, error) {
	defer in.free()
	if t.OnRing != nil {
		t.OnRing(header.Cut(header.Clean(in.req.From().Address.User), 64), header.Cut(header.Clean(in.req.Recipient.User), 64))
	}
	ring := time.NewTimer(t.Ring)
	defer ring.Stop()
	select {
	case <-ring.C:
	case <-in.tx.Done():
		return nil, nil
	case <-ctx.Done():
		in.respond(c, 480, "Temporarily Unavailable", nil)
		return nil, context.Cause(ctx)
	}
	if t.Refuse != 0 {
		in.respond(c, t.Refuse, "Refused", nil)
		return nil, nil
	}
	return c.answer(ctx, in, t)
}

// answer agrees on the audio and sends the 200 until it is acknowledged (RFC 3261, section 13.3.1.4).
func (c *Client) answer(ctx context.Context, in *incoming, t Taking) (*Call, error) {
	call := &Call{c: c, callID: in.req.CallID().Value(), transport: strings.ToLower(in.req.Transport()), ended: make(chan struct{}), acked: make(chan struct{})}
	var err error
	call.stream, err = c.engine.Open(media.OpenOptions{ID: call.callID, OnEvent: func(e media.StreamEvent) {
		if e.Kind == media.DigitDown && t.OnDigit != nil {
			t.OnDigit(e.Digit)
		}
	}})
	if err != nil {
		in.respond(c, 503, "Service Unavailable", nil)
		return nil, err
	}
	codecs := t.Codecs
	if codecs == nil {
		codecs = []string{"PCMU", "PCMA"}
	}
	call.sdp = sdp.Local{Addr: call.stream.Local(), Codecs: codecs, DTMF: true, Session: uint64(time.Now().Unix()), Version: 1}
	offer, err := sdp.Parse(in.req.Body())
	if err != nil {
		in.respond(c, 400, "Bad Session Description", nil)
		call.over(false, "")
		return nil, nil
	}
	agreed, ok := call.sdp.Choose(offer)
	if !ok || call.apply(agreed) != nil {
		in.respond(c, 488, "Not Acceptable Here", nil)
		call.over(false, "")
		return nil, nil
	}
	call.reverse(in)
	c.add(call)
	res := in.respond(c, 200, "OK", call.sdp.Answer(offer, agreed))
	if !call.acknowledged(ctx, in, res) {
		call.over(false, "")
		return nil, nil
	}
	return call, nil
}

// acknowledged repeats the 200 until the ACK comes.
func (call *Call) acknowledged(ctx context.Context, in *incoming, res *sipmsg.Response) bool {
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(32 * time.Second)
	for {
		select {
		case <-call.acked:
			return true
		case <-call.ended:
			return true
		case <-again.C:
			_ = call.c.ua.TransportLayer().WriteMsg(res)
		case <-deadline:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// reverse turns the dialog round: requests of ours go from the called to the caller (RFC 3261, section 12.1.1), as if we had
// sent the INVITE and the other side had answered it.
func (call *Call) reverse(in *incoming) {
	as := sipmsg.NewRequest(sipmsg.INVITE, in.req.From().Address)
	as.SetTransport(in.req.Transport())
	for _, h := range [][2]string{
		{"From", "<" + in.req.To().Address.String() + ">;tag=" + in.tag}, {"Call-ID", in.req.CallID().Value()}, {"CSeq", "1 INVITE"},
		{"Max-Forwards", "70"}, {"Contact", call.c.contact(call.transport)},
	} {
		if parsed, err := parsed(h[0], h[1]); err == nil {
			as.AppendHeader(parsed)
		}
	}
	back := sipmsg.NewResponse(200, "OK")
	tag, _ := in.req.From().Params.Get("tag")
	if to, err := parsed("To", "<"+in.req.From().Address.String()+">;tag="+tag); err == nil {
		back.AppendHeader(to)
	}
	if contact := in.req.Contact(); contact != nil {
		back.AppendHeader(sipmsg.HeaderClone(contact))
	}
	routes := in.req.GetHeaders("Record-Route")
	for i := len(routes) - 1; i >= 0; i-- { // a response to us would have them the other way round
		back.AppendHeader(sipmsg.NewHeader("Record-Route", routes[i].Value()))
	}
	call.invite, call.remote, call.seq = as, back, 1
}

// Local is where the telephone is reached.
func (c *Client) Local() netip.AddrPort { return c.local }
