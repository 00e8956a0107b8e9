package wire

import (
	"bytes"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// Source is where a message came from.
type Source struct {
	Transport string // "UDP", "TCP", "TLS"
	Local     netip.AddrPort
	Remote    netip.AddrPort
}

// Refusal is a response that is given without state.
type Refusal struct {
	Code   int
	Reason string
	Tag    string // To tag; "" derives one from the request, the same for each retransmission
	Fields []Field
}

// Verdict of a gate.
type Verdict int

// The verdicts.
const (
	Pass Verdict = iota
	Drop
	Turn // away, with an answer
)

// Judge decides about messages.
type Judge struct {
	Allow     []string // methods
	Supported []string // option tags
	Accept    map[string][]string
	// Gate is asked first, before anything is parsed: a verdict of [Pass], [Drop], or [Turn] to answer with Stranger.
	Gate     func(src Source, data []byte) Verdict
	Stranger func(src Source) *Refusal
	// Seen is told of each whole message that passed the gate, and of each that is sent.
	Seen func(src Source, sent bool, data []byte)
	// Connect admits a stream connection; idle is how long it may say nothing. release is called when it is closed.
	Connect func(peer netip.Addr) (release func(), idle time.Duration, ok bool)
	// Malformed is told of each message that is no proper SIP, answered or not; nil if nobody counts them.
	Malformed func()
	// Hook is asked last, for each request that is well-formed, in the order of arrival on its socket. It must not block.
	Hook func(src Source, r *Raw) *Refusal
}

// Message judges one whole message. At most one of the results is not empty: what sipgo may read, or what is to be sent back to to.
func (j *Judge) Message(data []byte, src Source) (pass, answer []byte, to netip.AddrPort) {
	verdict := Pass
	if j.Gate != nil {
		if verdict = j.Gate(src, data); verdict == Drop {
			return nil, nil, to
		}
	}
	r, err := scan(data)
	if err != nil {
		return nil, nil, j.broken(to)
	}
	if verdict == Turn {
		if r.Status != 0 || r.Method == "ACK" || j.Stranger == nil {
			return nil, nil, to
		}
		return nil, r.Reply(j.Stranger(src), src), r.replyTo(src)
	}
	r.Data = data
	if j.Seen != nil {
		j.Seen(src, false, data)
	}
	if r.Status != 0 {
		if r.fault != nil || checkCommon(r) != nil {
			return nil, nil, j.broken(to)
		}
		pass = r.canonical()
		if _, err := sipmsg.ParseMessage(pass); err != nil {
			return nil, nil, j.broken(to)
		}
		return pass, nil, to
	}
	refusal := j.request(r)
	if refusal == nil {
		pass = r.canonical()
		if msg, err := sipmsg.ParseMessage(pass); err != nil || msg == nil {
			refusal = bad("cannot be parsed")
		}
	}
	if refusal != nil && refusal.Code == 400 {
		j.broken(to)
	}
	if refusal == nil && j.Hook != nil {
		refusal = j.Hook(src, r)
	}
	if refusal == nil {
		return pass, nil, to
	}
	if r.Method == "ACK" { // is never answered
		return nil, nil, to
	}
	return nil, r.Reply(refusal, src), r.replyTo(src)
}

// broken counts a message that is no proper SIP.
func (j *Judge) broken(to netip.AddrPort) netip.AddrPort {
	if j.Malformed != nil {
		j.Malformed()
	}
	return to
}

// request returns what is wrong with a request, nil if nothing is. The order is that of RFC 3261, section 8.2.
func (j *Judge) request(r *Raw) *Refusal {
	if !strings.EqualFold(strings.TrimSpace(r.Version), "SIP/2.0") {
		return &Refusal{Code: 505, Reason: "Version Not Supported"}
	}
	if r.Version != "SIP/2.0" && !strings.EqualFold(r.Version, "SIP/2.0") {
		return bad("white space after the SIP version")
	}
	if r.fault != nil {
		return bad(r.fault.Error())
	}
	if refusal := checkCommon(r); refusal != nil {
		return refusal
	}
	if refusal := checkURI(r.URI); refusal != nil {
		return refusal
	}
	if !contains(j.Allow, r.Method) {
		return &Refusal{Code: 405, Reason: "Method Not Allowed", Fields: []Field{{"Allow", strings.Join(j.Allow, ", ")}}}
	}
	if r.Method == "ACK" || r.Method == "CANCEL" { // sections 8.2.2.3 and 9.1: never refused for an extension
		return nil
	}
	if refusal := j.extensions(r); refusal != nil {
		return refusal
	}
	if v, ok := r.Get("Max-Forwards"); ok && r.Method == "INVITE" && strings.Trim(v, "0") == "" {
		return &Refusal{Code: 483, Reason: "Too Many Hops"} // a call that we take may go on to others; see RFC 4475, 3.3.11 for OPTIONS
	}
	return j.content(r)
}

func (j *Judge) extensions(r *Raw) *Refusal {
	var unknown []string
	for _, tag := range r.List("Require") {
		if !containsFold(j.Supported, tag) {
			unknown = append(unknown, tag)
		}
	}
	if unknown == nil {
		return nil
	}
	return &Refusal{Code: 420, Reason: "Bad Extension", Fields: []Field{{"Unsupported", strings.Join(unknown, ", ")}}}
}

// content checks body and acceptable answers (sections 8.2.3 and 21.4.6).
func (j *Judge) content(r *Raw) *Refusal {
	types, known := j.Accept[r.Method]
	if len(r.Body) > 0 && known {
		disposition, _ := r.Get("Content-Disposition")
		optional := strings.Contains(strings.ReplaceAll(strings.ToLower(disposition), " ", ""), "handling=optional")
		encoding, encoded := r.Get("Content-Encoding")
		typ, _ := r.Get("Content-Type")
		switch {
		case optional:
		case encoded && !strings.EqualFold(encoding, "identity"):
			return &Refusal{Code: 415, Reason: "Unsupported Media Type", Fields: []Field{{"Accept-Encoding", "identity"}}}
		case !containsFold(types, MediaType(typ)):
			return &Refusal{Code: 415, Reason: "Unsupported Media Type", Fields: []Field{{"Accept", strings.Join(types, ", ")}}}
		}
	}
	if r.Method != "INVITE" || r.Count("Accept") == 0 {
		return nil
	}
	accept := r.List("Accept")
	for _, a := range accept {
		if t := MediaType(a); t == "application/sdp" || t == "application/*" || t == "*/*" {
			return nil
		}
	}
	if len(accept) == 0 { // an empty Accept accepts nothing (section 20.1)
		return &Refusal{Code: 406, Reason: "Not Acceptable"}
	}
	return &Refusal{Code: 406, Reason: "Not Acceptable", Fields: []Field{{"Accept", "application/sdp"}}}
}

// MediaType returns type/subtype in lower case, without parameters.
func MediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

var singles = []string{"From", "To", "Call-ID", "CSeq"}

// checkCommon holds for requests and responses: the fields that every message must have, once, and their grammar.
func checkCommon(r *Raw) *Refusal {
	for _, name := range singles {
		switch r.Count(name) {
		case 0:
			return bad("missing " + name)
		case 1:
		default:
			return bad("several " + name + " fields")
		}
	}
	if len(r.List("Via")) == 0 {
		return bad("missing Via")
	}
	if r.Count("Max-Forwards") > 1 || r.Count("Content-Type") > 1 {
		return bad("several Max-Forwards or Content-Type fields")
	}
	if id, _ := r.Get("Call-ID"); id == "" || len(id) > 512 || strings.ContainsAny(id, " \t") {
		return bad("malformed Call-ID")
	}
	cseq, _ := r.Get("CSeq")
	_, method, ok := parseCSeq(cseq)
	if !ok {
		return bad("malformed CSeq")
	}
	if r.Status == 0 && method != r.Method {
		return bad("CSeq names another method")
	}
	if v, ok := r.Get("Max-Forwards"); ok {
		if n, err := strconv.ParseUint(v, 10, 16); err != nil || n > 255 {
			return bad("malformed Max-Forwards")
		}
	}
	return checkValues(r)
}

func checkValues(r *Raw) *Refusal {
	for _, v := range r.List("Via") {
		if _, err := ParseVia(v); err != nil {
			return bad("malformed Via")
		}
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		var values []string
		switch f.Name {
		case "From", "To", "Refer-To", "Referred-By":
			values = []string{f.Value}
		case "Contact", "Route", "Record-Route":
			values = splitTop(f.Value, ',')
		default:
			continue
		}
		for _, v := range values {
			a, err := ParseAddress(v)
			if err != nil || a.URI == "*" && f.Name != "Contact" || tooLong(a) {
				return bad("malformed " + f.Name)
			}
		}
	}
	return nil
}

func tooLong(a Address) bool {
	tag, _ := a.Params.Get("tag")
	return len(tag) > 256 || len(a.URI) > 4096
}

// checkURI judges the Request-URI: no brackets, white space or headers (RFC 3261, section 19.1.1); only schemes that we serve.
func checkURI(uri string) *Refusal {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !isURI(uri) || !isScheme(scheme) || len(uri) > 2048 {
		return bad("malformed Request-URI")
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
		host := rest[strings.LastIndexByte(rest, '@')+1:]
		if strings.Contains(host, "?") {
			return bad("header fields in the Request-URI")
		}
		host, _, _ = strings.Cut(host, ";")
		if _, _, ok := splitHostPort(host); !ok {
			return bad("malformed Request-URI")
		}
	case "tel": // RFC 3966 knows no header fields
		if strings.Contains(rest, "?") {
			return bad("header fields in the Request-URI")
		}
	default:
		return &Refusal{Code: 416, Reason: "Unsupported URI Scheme"}
	}
	return nil
}

func bad(why string) *Refusal {
	return &Refusal{Code: 400, Reason: "Bad Request", Fields: []Field{{"Warning", `399 hotline "` + why + `"`}}}
}

// Reply renders a stateless response (section 8.2.6, 8.2.7): the same for every retransmission of the request.
func (r *Raw) Reply(refusal *Refusal, src Source) []byte {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + strconv.Itoa(refusal.Code) + " " + refusal.Reason + "\r\n")
	top := true
	for _, v := range r.List("Via") {
		if top {
			v = withSource(v, src)
			top = false
		}
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		v, ok := r.Get(name)
		if !ok {
			continue
		}
		if name == "To" && refusal.Code != 100 && !hasTag(v) {
			tag := refusal.Tag
			if tag == "" {
				tag = r.tag()
			}
			v += ";tag=" + tag
		}
		b.WriteString(name + ": " + v + "\r\n")
	}
	for _, f := range refusal.Fields {
		b.WriteString(f.Name + ": " + f.Value + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return []byte(b.String())
}

func hasTag(to string) bool {
	a, err := ParseAddress(to)
	if err != nil {
		return strings.Contains(to, "tag=")
	}
	_, ok := a.Params.Get("tag")
	return ok
}

func (r *Raw) tag() string {
	h := fnv.New64a()
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		v, _ := r.Get(name)
		h.Write([]byte(v))
	}
	return "s" + strconv.FormatUint(h.Sum64(), 36)
}

// withSource fills in received and rport (RFC 3581, section 4).
func withSource(v string, src Source) string {
	via, err := ParseVia(v)
	if err != nil {
		return v
	}
	for i := range via.Params {
		if via.Params[i].Name == "rport" && via.Params[i].Value == "" {
			via.Params[i].Value = strconv.Itoa(int(src.Remote.Port()))
		}
	}
	if ip := src.Remote.Addr().Unmap().String(); ip != via.Host {
		if _, ok := via.Params.Get("received"); !ok {
			via.Params = append(via.Params, Param{"received", ip})
		}
	}
	return via.String()
}

// replyTo returns the address for a response over UDP (section 18.2.2, RFC 3581).
func (r *Raw) replyTo(src Source) netip.AddrPort {
	vias := r.List("Via")
	if len(vias) == 0 {
		return src.Remote
	}
	via, err := ParseVia(vias[0])
	if err != nil {
		return src.Remote
	}
	if _, ok := via.Params.Get("rport"); ok {
		return src.Remote
	}
	port := via.Port
	if port == 0 {
		port = 5060
	}
	return netip.AddrPortFrom(src.Remote.Addr(), uint16(port))
}

// canonical writes the message out in the one form that sipgo's parser reads well.
func (r *Raw) canonical() []byte {
	branch := r.lentBranch()
	b := make([]byte, 0, 1024)
	if r.Status != 0 {
		b = append(b, "SIP/2.0 "+strconv.Itoa(r.Status)+" "+r.Reason...)
	} else {
		b = append(b, r.Method+" "+r.URI+" SIP/2.0"...)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.Name {
		case "Content-Length":
			continue
		case "Via", "Contact", "Route", "Record-Route":
			for _, v := range splitTop(f.Value, ',') {
				b = append(b, "\r\n"+f.Name+": "+canonicalValue(f.Name, v)...)
				if f.Name == "Via" && branch != "" {
					b = append(b, branch...)
					branch = ""
				}
			}
		default:
			b = append(b, "\r\n"+f.Name+": "+canonicalValue(f.Name, f.Value)...)
		}
	}
	b = append(b, "\r\nContent-Length: "+strconv.Itoa(len(r.Body))+"\r\n\r\n"...)
	return append(b, r.Body...)
}

// lent marks a branch that is ours and not the client's.
const lent = ";branch=z9hG4bKrfc2543."

// lentBranch returns a branch for the top Via of a client of RFC 2543 that gives neither branch nor From tag: sipgo knows no other way
// to find its transaction. ACK and CANCEL get the one of their INVITE. It is taken out again before the Via goes back.
func (r *Raw) lentBranch() string {
	from, _ := r.Get("From")
	if r.Status != 0 || hasTag(from) {
		return ""
	}
	v, err := ParseVia(r.List("Via")[0])
	if _, has := v.Params.Get("branch"); err != nil || has {
		return ""
	}
	id, _ := r.Get("Call-ID")
	seq, _ := r.Get("CSeq")
	n, _, _ := parseCSeq(seq)
	h := fnv.New64a()
	h.Write([]byte(v.String() + "\x00" + id + "\x00" + from + "\x00" + strconv.FormatUint(uint64(n), 10)))
	return lent + strconv.FormatUint(h.Sum64(), 36)
}

// unlend takes a lent branch out of a response.
func unlend(p []byte) []byte {
	i := bytes.Index(p, []byte(lent))
	if i < 0 || !bytes.HasPrefix(p, []byte("SIP/2.0 ")) {
		return p
	}
	j := i + len(lent)
	for j < len(p) && (p[j] >= '0' && p[j] <= '9' || p[j] >= 'a' && p[j] <= 'z') {
		j++
	}
	return append(append(make([]byte, 0, len(p)), p[:i]...), p[j:]...)
}

func canonicalValue(name, value string) string {
	switch name {
	case "Via":
		if v, err := ParseVia(value); err == nil {
			return v.String()
		}
	case "From", "To", "Contact", "Route", "Record-Route", "Refer-To", "Referred-By":
		if a, err := ParseAddress(value); err == nil {
			return a.String()
		}
	case "CSeq":
		if n, m, ok := parseCSeq(value); ok {
			return strconv.FormatUint(uint64(n), 10) + " " + m
		}
	}
	return strings.TrimSpace(value)
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func containsFold(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}
