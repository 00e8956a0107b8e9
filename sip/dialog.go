package sip

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/trunks/header"
)

// dialog is the state of RFC 3261, section 12: who talks to whom, and where requests go.
type dialog struct {
	callID    string
	localTag  string
	remoteTag string // "" from a client of RFC 2543
	local     sipmsg.Uri
	localName string
	remote    sipmsg.Uri
	localSeq  uint32
	remoteSeq uint32 // 0: nothing came yet
	target    sipmsg.Uri
	routes    []sipmsg.Uri
	transport string
	peer      netip.AddrPort // where the signalling came from: where it goes when the target is no address
	allow     []string       // methods that the peer understands
}

// newTag returns a tag or token that cannot be guessed.
func newTag() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func paramOf(ps sipmsg.HeaderParams, name string) string {
	for _, kv := range ps {
		if strings.EqualFold(kv.K, name) {
			return kv.V
		}
	}
	return ""
}

func fromTag(m sipmsg.Message) string { return paramOf(m.From().Params, "tag") }

func toTag(m sipmsg.Message) string { return paramOf(m.To().Params, "tag") }

// uasDialog is the dialog that an INVITE to us makes (section 12.1.1).
func uasDialog(req *sipmsg.Request, localTag string) dialog {
	d := dialog{
		callID: req.CallID().Value(), localTag: localTag, remoteTag: fromTag(req),
		local: *req.To().Address.Clone(), localName: req.To().DisplayName, remote: *req.From().Address.Clone(),
		remoteSeq: req.CSeq().SeqNo, transport: req.Transport(), peer: addrPortOf(req.Source()),
	}
	for _, h := range req.GetHeaders("Record-Route") {
		if rr, ok := h.(*sipmsg.RecordRouteHeader); ok {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	d.target = d.remote
	d.learn(req)
	return d
}

// learn takes the remote target and the methods from a request or response of the peer that may refresh them (section 12.2).
func (d *dialog) learn(m sipmsg.Message) {
	if hs := m.GetHeaders("Contact"); len(hs) == 1 {
		if c, ok := hs[0].(*sipmsg.ContactHeader); ok && (c.Address.Scheme == "sip" || c.Address.Scheme == "sips") {
			d.target = *c.Address.Clone()
			d.target.Headers = nil
		}
	}
	if allow := listOf(m, "Allow"); allow != nil {
		d.allow = allow
	}
}

// route takes the route set from a response to our INVITE (section 12.1.2).
func (d *dialog) route(res *sipmsg.Response) {
	d.routes = nil
	for _, h := range res.GetHeaders("Record-Route") {
		if rr, ok := h.(*sipmsg.RecordRouteHeader); ok {
			d.routes = append(d.routes, *rr.Address.Clone())
		}
	}
	slices.Reverse(d.routes)
}

// listOf returns the comma-separated elements of all header fields of that name.
func listOf(m sipmsg.Message, name string) []string {
	var out []string
	for _, h := range m.GetHeaders(name) {
		for v := range strings.SplitSeq(h.Value(), ",") {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

func hasToken(m sipmsg.Message, name, token string) bool {
	return slices.ContainsFunc(listOf(m, name), func(s string) bool { return strings.EqualFold(s, token) })
}

// valueOf returns the value of a header field, "" when it is missing.
func valueOf(m sipmsg.Message, name string) string {
	if hs := m.GetHeaders(name); len(hs) > 0 {
		return hs[0].Value()
	}
	return ""
}

func addrPortOf(s string) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// hop returns where the next request of the dialog goes. A host name in a Contact is not looked up, and a private address that
// comes from a public one is not believed: both mean the address that the peer signalled from.
func (d *dialog) hop() netip.AddrPort {
	uri := &d.target
	if len(d.routes) > 0 {
		uri = &d.routes[0]
	}
	addr, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	addr = addr.Unmap()
	from := d.peer.Addr()
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() || (local(addr) && !local(from)) || (addr.IsLoopback() != from.IsLoopback()) {
		return d.peer
	}
	port := uri.Port
	if port == 0 {
		port = sipmsg.DefaultPort(d.transport)
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// local reports whether an address means something only near its owner.
func local(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()
}

// request makes the next request inside the dialog (section 12.2.1.1). ACK and CANCEL have their own makers.
func (e *Edge) request(d *dialog, method sipmsg.RequestMethod) *sipmsg.Request {
	d.localSeq++
	return e.requestAt(d, method, d.localSeq)
}

func (e *Edge) requestAt(d *dialog, method sipmsg.RequestMethod, seq uint32) *sipmsg.Request {
	req := sipmsg.NewRequest(method, *d.target.Clone())
	for i := range d.routes {
		req.AppendHeader(&sipmsg.RouteHeader{Address: *d.routes[i].Clone()})
	}
	from := &sipmsg.FromHeader{DisplayName: d.localName, Address: *d.local.Clone(), Params: sipmsg.NewParams()}
	from.Params.Add("tag", d.localTag)
	to := &sipmsg.ToHeader{Address: *d.remote.Clone(), Params: sipmsg.NewParams()}
	if d.remoteTag != "" {
		to.Params.Add("tag", d.remoteTag)
	}
	callID := sipmsg.CallIDHeader(d.callID)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&callID)
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: seq, MethodName: method})
	e.address(req, d.transport, d.hop())
	if method != sipmsg.BYE {
		req.AppendHeader(e.Contact(d.transport, d.peer.Addr()))
	}
	return req
}

// address gives a request its Via, its hop limit and its way out.
func (e *Edge) address(req *sipmsg.Request, transport string, to netip.AddrPort) {
	transport = strings.ToUpper(transport)
	at := e.localAddr(transport, to.Addr())
	via := &sipmsg.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: transport, Host: hostOf(at.Addr()), Port: int(at.Port()),
		Params: sipmsg.NewParams()}
	via.Params.Add("branch", "z9hG4bK"+e.cookie+newTag())
	via.Params.Add("rport", "")
	req.RemoveHeader("Via")
	req.PrependHeader(via)
	if req.MaxForwards() == nil {
		hops := sipmsg.MaxForwardsHeader(70)
		req.AppendHeader(&hops)
	}
	if valueOf(req, "User-Agent") == "" {
		req.AppendHeader(sipmsg.NewHeader("User-Agent", product))
	}
	if req.Body() == nil {
		req.SetBody(nil)
	}
	req.SetTransport(transport)
	req.SetDestination(to.String())
	if transport == "UDP" {
		req.Laddr = e.udpLaddr
	}
}

// Contact is where the peer reaches us.
func (e *Edge) Contact(transport string, peer netip.Addr) *sipmsg.ContactHeader {
	at := e.localAddr(transport, peer)
	uri := sipmsg.Uri{Scheme: "sip", User: "hotline", Host: hostOf(at.Addr()), Port: int(at.Port())}
	if !strings.EqualFold(transport, "UDP") {
		uri.UriParams = sipmsg.NewParams()
		uri.UriParams.Add("transport", strings.ToLower(transport))
	}
	return &sipmsg.ContactHeader{Address: uri}
}

func hostOf(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// reply makes a response inside the dialog.
func (e *Edge) reply(req *sipmsg.Request, code int, reason, localTag string, body []byte) *sipmsg.Response {
	res := sipmsg.NewResponseFromRequest(req, code, reason, body)
	if code != 100 {
		res.To().Params.Add("tag", localTag)
	}
	if body != nil {
		res.AppendHeader(sipmsg.NewHeader("Content-Type", "application/sdp"))
	}
	return res
}

// add appends a header field whose value may have come from outside: sipgo does not look for line ends in it.
func add(m sipmsg.Message, name, value string) {
	m.AppendHeader(sipmsg.NewHeader(name, header.Clean(value)))
}
