package caller

import (
	"context"
	"time"

	"github.com/emiago/sipgo"
	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/sip/sdp"
	"hotline/trunks/header"
)

// sipOption keeps sipgo from adding to a request that is complete.
func sipOption(c *sipgo.Client, req *sipmsg.Request) error {
	if req.Via() == nil {
		return sipgo.ClientRequestAddVia(c, req)
	}
	return nil
}

// inDialog makes a request within the call (RFC 3261, section 12.2.1.1).
func (call *Call) inDialog(method sipmsg.RequestMethod, body []byte) *sipmsg.Request {
	call.mu.Lock()
	res := call.remote
	call.mu.Unlock()
	target := call.invite.Recipient
	if contact := res.Contact(); contact != nil {
		target = contact.Address
	}
	req := sipmsg.NewRequest(method, target)
	req.SetTransport(call.invite.Transport())
	call.c.own(req)
	routes := res.GetHeaders("Record-Route")
	for i := len(routes) - 1; i >= 0; i-- {
		req.AppendHeader(sipmsg.NewHeader("Route", routes[i].Value()))
	}
	if len(routes) > 0 {
		if next, ok := header.First(routes[len(routes)-1].Value()); ok {
			req.SetDestination(next.Host)
		}
	}
	sipmsg.CopyHeaders("From", call.invite, req)
	sipmsg.CopyHeaders("To", res, req)
	sipmsg.CopyHeaders("Call-ID", call.invite, req)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: call.number(method), MethodName: method})
	sipmsg.CopyHeaders("Max-Forwards", call.invite, req)
	if method != sipmsg.BYE {
		sipmsg.CopyHeaders("Contact", call.invite, req)
	}
	if method == sipmsg.ACK {
		// RFC 3261, section 13.2.2.4: with the credentials of the INVITE.
		sipmsg.CopyHeaders("Authorization", call.invite, req)
		sipmsg.CopyHeaders("Proxy-Authorization", call.invite, req)
	}
	if body != nil {
		req.AppendHeader(sipmsg.NewHeader("Content-Type", "application/sdp"))
	}
	req.SetBody(body)
	return req
}

// Hangup sends BYE and ends the call whatever is answered.
func (call *Call) Hangup(ctx context.Context) {
	select {
	case <-call.ended:
		return
	default:
	}
	_, _ = call.do(ctx, call.inDialog(sipmsg.BYE, nil)) // the call is over either way
	call.over(false, "")
}

func (call *Call) do(ctx context.Context, req *sipmsg.Request) (*sipmsg.Response, error) {
	ctx, stop := context.WithTimeout(ctx, 8*time.Second)
	defer stop()
	return call.c.client.Do(ctx, req, sipOption)
}

// Hold puts the other side on hold (RFC 3264, section 8.4) or takes it back.
func (call *Call) Hold(ctx context.Context, on bool) error {
	dir := sdp.SendRecv
	if on {
		dir = sdp.SendOnly
	}
	call.mu.Lock()
	call.sdp.Version++
	offer := call.sdp.Offer(dir)
	call.mu.Unlock()
	req := call.inDialog(sipmsg.INVITE, offer)
	res, err := call.do(ctx, req)
	if err != nil {
		return err
	}
	if !res.IsSuccess() {
		return &Failed{Status: res.StatusCode, Reason: header.Cut(res.Reason, 128), Why: reasonOf(res)}
	}
	ack := call.inDialog(sipmsg.ACK, nil)
	ack.CSeq().SeqNo = req.CSeq().SeqNo
	if err := call.c.client.WriteRequest(ack, sipOption); err != nil {
		return err
	}
	return call.take(res.Body())
}

// Request sends a request of any method within the call, for tests; the response is whatever comes.
func (call *Call) Request(ctx context.Context, method sipmsg.RequestMethod, contentType string, body []byte) (*sipmsg.Response, error) {
	req := call.inDialog(method, nil)
	if contentType != "" {
		req.AppendHeader(sipmsg.NewHeader("Content-Type", contentType))
		req.SetBody(body)
	}
	return call.do(ctx, req)
}

// over ends the call, once.
func (call *Call) over(byPeer bool, why string) {
	call.finish.Do(func() {
		call.byPeer, call.why = byPeer, why
		call.c.remove(call)
		call.stream.Close()
		close(call.ended)
	})
}

func (call *Call) onBye(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	_ = tx.Respond(sipmsg.NewResponseFromRequest(req, 200, "OK", nil))
	why := ""
	if h := req.GetHeader("Reason"); h != nil {
		why = header.Cut(h.Value(), 200)
	}
	call.over(true, why)
}

// onAck takes the ACK of our 200.
func (call *Call) onAck(*sipmsg.Request, sipmsg.ServerTransaction) {
	if call.acked != nil {
		call.first.Do(func() { close(call.acked) })
	}
}

// onReinvite takes a new offer (hold, resume, a new address), or makes one when there is none.
func (call *Call) onReinvite(req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	respond := func(code int, reason string, body []byte) {
		res := sipmsg.NewResponseFromRequest(req, code, reason, body)
		sipmsg.CopyHeaders("Contact", call.invite, res)
		if body != nil {
			res.AppendHeader(sipmsg.NewHeader("Content-Type", "application/sdp"))
		}
		_ = tx.Respond(res)
	}
	call.mu.Lock()
	call.sdp.Version++
	local := call.sdp
	call.mu.Unlock()
	if len(req.Body()) == 0 {
		if req.IsInvite() {
			respond(200, "OK", local.Offer(sdp.SendRecv))
		} else {
			respond(200, "OK", nil)
		}
		return
	}
	s, err := sdp.Parse(req.Body())
	if err != nil {
		respond(400, "Bad Session Description", nil)
		return
	}
	r, ok := local.Choose(s)
	if !ok || call.apply(r) != nil {
		respond(488, "Not Acceptable Here", nil)
		return
	}
	respond(200, "OK", local.Answer(s, r))
}
