package keeper

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/trunks"
	"hotline/trunks/header"
)

// exchangeTime is how long an answer is waited for: RFC 3261's 64*T1 is too long to notice that a trunk is dead.
const exchangeTime = 8 * time.Second

// ping asks for a sign of life (OPTIONS; RFC 3261, section 11) until ctx ends. Any answer but 408 and 503 is one. After a miss it
// asks more often, so that a dead trunk is known within half a minute.
func (k *Keeper) ping(ctx context.Context, l *line) {
	every := time.Duration(l.trunk.Settings.OptionsIntervalS) * time.Second
	ident := newIdent()
	for {
		rtt, err := k.pingOnce(ctx, l, ident)
		if ctx.Err() != nil {
			return
		}
		k.mu.Lock()
		l.alive = err == nil
		if err == nil {
			l.misses, l.rtt = 0, rtt
			if l.trunk.Settings.Register == nil || l.registered {
				l.err = nil
			}
		} else {
			l.misses++
			l.err = troubleOf(err)
		}
		k.judge(l)
		k.mu.Unlock()
		wait := every
		if err != nil {
			wait = min(every, 10*time.Second)
		}
		pause(ctx, wait)
	}
}

func (k *Keeper) pingOnce(ctx context.Context, l *line, id *ident) (time.Duration, error) {
	addrs, transport, err := k.Addr(l.trunk.ID)
	if err != nil {
		k.resolve(ctx, l)
		return 0, err
	}
	host, port, _ := l.trunk.Target()
	uri := sipmsg.Uri{Scheme: "sip", Host: host, Port: port}
	for _, to := range addrs {
		contact := k.contact(l, transport, to)
		req := id.request(sipmsg.OPTIONS, uri, contact, contact)
		req.AppendHeader(sipmsg.NewHeader("Accept", "application/sdp"))
		start := time.Now()
		var res *sipmsg.Response
		res, err = k.exchange(ctx, req, to, transport)
		if err == nil && (res.StatusCode == 408 || res.StatusCode == 503) {
			err = refusal("trunk.options_refused", "OPTIONS", res.StatusCode, res.Reason)
		}
		if err != nil {
			if ctx.Err() == nil {
				k.Shun(l.trunk.ID, to, err)
			}
			continue
		}
		k.Heard(l.trunk.ID, to)
		return time.Since(start), nil
	}
	return 0, err
}

// contact is the URI by which a trunk reaches us: its own user part tells its calls from others'.
func (k *Keeper) contact(l *line, transport string, peer netip.AddrPort) string {
	uri := k.edge.Contact(transport, peer.Addr()).Address
	uri.User = trunks.ContactToken(&l.trunk)
	return uri.String()
}

func (k *Keeper) exchange(ctx context.Context, req *sipmsg.Request, to netip.AddrPort, transport string) (*sipmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	res, err := k.edge.Exchange(ctx, req, to, transport)
	if err != nil {
		return nil, Unreached(to, transport, err)
	}
	return res, nil
}

// ident is what requests of one series have in common (RFC 3261, section 10.2: a registrar wants one Call-ID and rising CSeq).
type ident struct {
	callID, tag string
	seq         uint32
}

func newIdent() *ident { return &ident{callID: hotline.NewID(), tag: sipmsg.GenerateTagN(12)} }

// request makes the next request of the series. Max-Forwards, Via and Content-Length are the edge's.
func (id *ident) request(method sipmsg.RequestMethod, uri sipmsg.Uri, aor, contact string) *sipmsg.Request {
	id.seq++
	req := sipmsg.NewRequest(method, uri)
	req.AppendHeader(sipmsg.NewHeader("From", fmt.Sprintf("<%s>;tag=%s", header.Clean(aor), id.tag)))
	to := uri.String()
	if method == sipmsg.REGISTER {
		to = aor
	}
	req.AppendHeader(sipmsg.NewHeader("To", fmt.Sprintf("<%s>", header.Clean(to))))
	req.AppendHeader(sipmsg.NewHeader("Call-ID", id.callID))
	req.AppendHeader(sipmsg.NewHeader("CSeq", fmt.Sprintf("%d %s", id.seq, method)))
	req.AppendHeader(sipmsg.NewHeader("Contact", "<"+header.Clean(contact)+">"))
	return req
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
