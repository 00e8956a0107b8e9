package wire

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Param is a parameter of a header field or URI, the name in lower case.
type Param struct{ Name, Value string }

// Params are parameters in their order.
type Params []Param

// Get returns the value of the first parameter of that name.
func (ps Params) Get(name string) (string, bool) {
	for _, p := range ps {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

func (ps Params) String() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(";")
		b.WriteString(p.Name)
		if p.Value != "" {
			b.WriteString("=")
			b.WriteString(p.Value)
		}
	}
	return b.String()
}

var errParams = errors.New("malformed parameters")

// parseParams understands ";a=b ; c" with white space anywhere around the separators. s starts after the first semicolon.
func parseParams(s string) (Params, error) {
	var out Params
	for _, part := range splitTop(s, ';') {
		part = strings.TrimSpace(part)
		name, value, given := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !isToken(name) || given && value == "" || len(out) >= 64 {
			return nil, errParams
		}
		switch {
		case strings.HasPrefix(value, `"`):
			if !isQuoted(value) {
				return nil, errParams
			}
		case strings.ContainsAny(value, " \t\",<>"):
			return nil, errParams
		}
		out = append(out, Param{name, value})
	}
	return out, nil
}

// isQuoted reports whether s is one whole quoted string.
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// Via is one hop.
type Via struct {
	Transport string // upper case
	Host      string
	Port      int // 0 when absent
	Params    Params
}

var errVia = errors.New("malformed Via")

// ParseVia understands one element of a Via field, white space in the odd places of RFC 4475's wsinv included.
func ParseVia(s string) (Via, error) {
	var v Via
	head, params, hasParams := strings.Cut(s, ";")
	parts := strings.SplitN(head, "/", 3)
	if len(parts) != 3 || !strings.EqualFold(strings.TrimSpace(parts[0]), "SIP") || strings.TrimSpace(parts[1]) != "2.0" {
		return v, errVia
	}
	transport, sentBy, ok := strings.Cut(strings.TrimSpace(parts[2]), " ")
	if !ok {
		transport, sentBy, ok = strings.Cut(strings.TrimSpace(parts[2]), "\t")
	}
	if !ok || !isToken(transport) {
		return v, errVia
	}
	v.Transport = strings.ToUpper(transport)
	if v.Host, v.Port, ok = splitHostPort(sentBy); !ok {
		return v, errVia
	}
	if hasParams {
		var err error
		if v.Params, err = parseParams(params); err != nil {
			return v, err
		}
	}
	return v, nil
}

// splitHostPort understands host, host:port, [v6], [v6]:port.
func splitHostPort(s string) (host string, port int, ok bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return "", 0, false
		}
		if _, err := netip.ParseAddr(s[1:i]); err != nil {
			return "", 0, false
		}
		host, s = s[1:i], strings.TrimSpace(s[i+1:])
		if s == "" {
			return host, 0, true
		}
		if s[0] != ':' {
			return "", 0, false
		}
		port, ok = parsePort(s[1:])
		return host, port, ok
	}
	host, rest, hasPort := strings.Cut(s, ":")
	host = strings.TrimSpace(host)
	if !isHost(host) {
		return "", 0, false
	}
	if !hasPort {
		return host, 0, true
	}
	port, ok = parsePort(rest)
	return host, port, ok
}

func parsePort(s string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	return int(n), err == nil && n > 0
}

func isHost(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func (v Via) String() string {
	host := v.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if v.Port != 0 {
		host += ":" + strconv.Itoa(v.Port)
	}
	return "SIP/2.0/" + v.Transport + " " + host + v.Params.String()
}

// Branch returns the branch parameter if it has the magic cookie and something behind it (RFC 3261, section 8.1.1.7; RFC 4475, 3.2.1).
func (v Via) Branch() string {
	b, _ := v.Params.Get("branch")
	if len(b) > len(magic) && strings.EqualFold(b[:len(magic)], magic) {
		return b
	}
	return ""
}

const magic = "z9hG4bK"

// Address is name-addr or addr-spec with the parameters of the field.
type Address struct {
	Display string // without quotes and escapes
	quoted  string // the same as it was written, if it was quoted
	URI     string
	Params  Params
}

var errAddress = errors.New("malformed address")

// ParseAddress understands the value of From, To, Contact and their kin (RFC 3261, section 20.10).
func ParseAddress(s string) (Address, error) {
	var a Address
	s = strings.TrimSpace(s)
	rest := s
	switch {
	case strings.HasPrefix(s, `"`):
		end := quotedEnd(s)
		if end < 0 {
			return a, errAddress
		}
		a.quoted = s[:end]
		a.Display, rest = unquote(a.quoted), strings.TrimSpace(s[end:])
		if !strings.HasPrefix(rest, "<") {
			return a, errAddress
		}
	default:
		if i := strings.IndexByte(s, '<'); i >= 0 && !strings.ContainsAny(s[:i], ";") {
			a.Display, rest = strings.TrimSpace(s[:i]), s[i:]
			if !isDisplay(a.Display) {
				return a, errAddress
			}
		}
	}
	var params string
	if strings.HasPrefix(rest, "<") {
		i := strings.IndexByte(rest, '>')
		if i < 0 {
			return a, errAddress
		}
		a.URI, params = rest[1:i], strings.TrimSpace(rest[i+1:])
		if params != "" && params[0] != ';' {
			return a, errAddress
		}
		params = strings.TrimPrefix(params, ";")
	} else {
		var uri string
		uri, params, _ = strings.Cut(rest, ";")
		a.URI = strings.TrimSpace(uri)
		if strings.ContainsAny(a.URI, "?,") { // must be in angle brackets: section 20.10
			return a, errAddress
		}
	}
	if !isURI(a.URI) {
		return a, errAddress
	}
	if params != "" {
		var err error
		if a.Params, err = parseParams(params); err != nil {
			return a, err
		}
	}
	return a, nil
}

func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func unquote(s string) string {
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isDisplay accepts tokens and white space, and, more liberal than the grammar, anything beyond ASCII: telephone systems send Chinese
// names without quotes. RFC 4475, 3.1.2.15 shows what must not pass.
func isDisplay(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x80 && c != ' ' && c != '\t' && strings.IndexByte(tokenChars, c) < 0 {
			return false
		}
	}
	return true
}

// isURI checks the shape: a scheme, a colon, something without white space, quotes or brackets.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || !isScheme(scheme) {
		return s == "*"
	}
	return !strings.ContainsAny(rest, " \t<>\"\\^`{|}")
}

func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || (s[i] < '0' || s[i] > '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

func (a Address) String() string {
	if a.URI == "*" {
		return "*"
	}
	s := "<" + a.URI + ">" + a.Params.String()
	switch {
	case a.quoted != "":
		return a.quoted + " " + s
	case a.Display != "":
		return Quote(a.Display) + " " + s
	}
	return s
}

// Quote makes a quoted string.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// parseCSeq understands "0009 INVITE".
func parseCSeq(s string) (n uint32, method string, ok bool) {
	num, method, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok {
		num, method, ok = strings.Cut(strings.TrimSpace(s), "\t")
	}
	method = strings.TrimSpace(method)
	v, err := strconv.ParseUint(num, 10, 31) // section 8.1.1.5
	return uint32(v), method, ok && err == nil && isToken(method)
}

// IDs returns what tells dialogs and requests apart: Call-ID, both tags ("" when there is none) and the number of CSeq.
func (r *Raw) IDs() (callID, fromTag, toTag string, seq uint32) {
	callID, _ = r.Get("Call-ID")
	from, _ := r.Get("From")
	to, _ := r.Get("To")
	number, _ := r.Get("CSeq")
	f, _ := ParseAddress(from)
	t, _ := ParseAddress(to)
	fromTag, _ = f.Params.Get("tag")
	toTag, _ = t.Params.Get("tag")
	seq, _, _ = parseCSeq(number)
	return callID, fromTag, toTag, seq
}

// Transaction identifies the server transaction of a valid request, without its method (section 17.2.3): a CANCEL has the one of its
// INVITE.
func (r *Raw) Transaction() string {
	v, err := ParseVia(r.List("Via")[0])
	if err != nil {
		return ""
	}
	branch, _ := v.Params.Get("branch")
	return branch + "\x00" + v.Host + "\x00" + strconv.Itoa(v.Port)
}
