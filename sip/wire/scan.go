package wire

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Limits on one message. What is larger is refused before it is parsed.
const (
	MaxMessage = 65535 // bytes, start line to the end of the body
	maxFields  = 256   // header fields
	maxField   = 8192  // bytes of one header field, folded lines together
)

// Field is a header field: the name in its long, canonical form, the value unfolded and trimmed.
type Field struct{ Name, Value string }

// Raw is a message cut into its parts and not yet understood.
type Raw struct {
	Method, URI, Version string // request
	Status               int    // response; 0 for a request
	Reason               string
	Fields               []Field
	Body                 []byte
	Data                 []byte // as it came; valid only while it is judged
	Trailing             int    // bytes after the body in the same datagram
	fault                error  // the first thing that is wrong with the framing
}

// Get returns the first value of a header field.
func (r *Raw) Get(name string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value, true
		}
	}
	return "", false
}

// Count returns how many fields have that name.
func (r *Raw) Count(name string) int {
	n := 0
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			n++
		}
	}
	return n
}

// List returns the comma-separated elements of all fields of that name.
func (r *Raw) List(name string) []string {
	var out []string
	for i := range r.Fields {
		if r.Fields[i].Name != name {
			continue
		}
		for _, v := range splitTop(r.Fields[i].Value, ',') {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

var (
	errNotSIP     = errors.New("not a SIP message")
	errTooLarge   = errors.New("message too large")
	errFields     = errors.New("too many or too long header fields")
	errLineEnd    = errors.New("header section does not end")
	errControl    = errors.New("control character in a header field")
	errNoColon    = errors.New("header field without a colon")
	errLength     = errors.New("bad Content-Length")
	errLengthDiff = errors.New("several different Content-Length fields")
	errShort      = errors.New("body shorter than Content-Length")
)

// scan cuts a whole datagram into a Raw. An error means that not even an answer can be made: not SIP, or a response that is broken.
// What is wrong but can be answered is kept in fault.
func scan(data []byte) (*Raw, error) {
	if len(data) > MaxMessage {
		return nil, errTooLarge
	}
	head, body, ok := cutHead(data)
	if !ok {
		head, body = data, nil
	}
	r, err := scanHead(head)
	if err != nil {
		return nil, err
	}
	if !ok {
		r.blame(errLineEnd)
	}
	n, given, err := r.contentLength()
	switch {
	case err != nil:
		r.blame(err)
	case !given: // RFC 3261, section 18.3: the end of the datagram
		r.Body = body
	case n > len(body):
		r.blame(errShort)
	default:
		r.Body, r.Trailing = body[:n], len(body)-n
	}
	return r, nil
}

// cutHead splits at the empty line.
func cutHead(data []byte) (head, body []byte, ok bool) {
	if i := bytes.Index(data, []byte("\r\n\r\n")); i >= 0 {
		return data[:i], data[i+4:], true
	}
	return nil, nil, false
}

func (r *Raw) blame(err error) {
	if r.fault == nil {
		r.fault = err
	}
}

// contentLength returns the one value of Content-Length.
func (r *Raw) contentLength() (n int, given bool, err error) {
	for i := range r.Fields {
		if r.Fields[i].Name != "Content-Length" {
			continue
		}
		v, err := strconv.ParseUint(r.Fields[i].Value, 10, 31)
		if err != nil || v > MaxMessage {
			return 0, true, errLength
		}
		if given && n != int(v) {
			return 0, true, errLengthDiff
		}
		n, given = int(v), true
	}
	return n, given, nil
}

// scanHead cuts start line and header fields. Lines may end in CRLF only; a lone CR or LF inside is a fault.
func scanHead(head []byte) (*Raw, error) {
	for len(head) >= 2 && head[0] == '\r' && head[1] == '\n' { // RFC 3261, section 7.5
		head = head[2:]
	}
	line, rest := cutLine(head)
	r := &Raw{}
	if err := r.startLine(line); err != nil {
		return nil, err
	}
	r.Fields = make([]Field, 0, 16)
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') { // folding, section 7.3.1
			var more string
			more, rest = cutLine(rest)
			line = strings.TrimRight(line, " \t") + " " + strings.Trim(more, " \t")
			if len(line) > maxField {
				break
			}
		}
		if line == "" {
			break
		}
		if len(line) > maxField || len(r.Fields) >= maxFields {
			r.blame(errFields)
			break
		}
		r.field(line)
	}
	return r, nil
}

func cutLine(data []byte) (string, []byte) {
	if i := bytes.Index(data, []byte("\r\n")); i >= 0 {
		return string(data[:i]), data[i+2:]
	}
	return string(data), nil
}

func (r *Raw) field(line string) {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !ok || !isToken(name) {
		r.blame(errNoColon)
		return
	}
	value = strings.Trim(value, " \t")
	if hasControl(value) {
		r.blame(errControl)
		value = strings.Map(func(c rune) rune {
			if isControl(c) {
				return ' '
			}
			return c
		}, value)
	}
	r.Fields = append(r.Fields, Field{canonical(name), value})
}

// hasControl reports control characters that are not quoted pairs (section 25.1 lets these be anything but CR and LF).
func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if isControl(rune(s[i])) && (i == 0 || s[i-1] != '\\' || s[i] == '\r' || s[i] == '\n') {
			return true
		}
	}
	return false
}

func isControl(c rune) bool { return c < 0x20 && c != '\t' || c == 0x7f }

// startLine understands both kinds. Several of RFC 4475's messages are requests whose line is broken: they still get an answer.
func (r *Raw) startLine(line string) error {
	if rest, ok := strings.CutPrefix(line, "SIP/"); ok && strings.Contains(rest, " ") {
		return r.statusLine(line)
	}
	method, rest, ok := strings.Cut(line, " ")
	if !ok || !isToken(method) {
		return errNotSIP
	}
	i := strings.LastIndex(strings.TrimRight(rest, " "), " ")
	if i < 0 {
		return errNotSIP
	}
	uri, version := rest[:i], rest[i+1:]
	if !strings.HasPrefix(version, "SIP/") {
		return errNotSIP
	}
	r.Method, r.URI, r.Version = method, uri, version
	if strings.IndexFunc(line, isControl) >= 0 {
		return errNotSIP
	}
	return nil
}

func (r *Raw) statusLine(line string) error {
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ") // the reason may be empty: RFC 4475, 3.1.1.13
	n, err := strconv.ParseUint(code, 10, 16)
	if err != nil || len(code) != 3 || n < 100 || n > 699 {
		return errNotSIP
	}
	r.Version, r.Status, r.Reason = version, int(n), reason
	return nil
}

const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"

func isToken(s string) bool {
	return s != "" && strings.Trim(s, tokenChars) == ""
}

// names maps lower-case and compact forms (RFC 3261, section 7.3.3) to canonical names.
var names = map[string]string{
	"a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "e": "Content-Encoding", "f": "From", "i": "Call-ID",
	"k": "Supported", "l": "Content-Length", "m": "Contact", "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To",
	"u": "Allow-Events", "v": "Via", "x": "Session-Expires",
}

func init() {
	for _, n := range []string{"Accept", "Accept-Encoding", "Allow", "Authorization", "Call-ID", "Contact", "Content-Disposition",
		"Content-Encoding", "Content-Length", "Content-Type", "CSeq", "Date", "Diversion", "Event", "Expires", "From", "Max-Forwards",
		"History-Info", "Min-Expires", "Min-SE", "P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Proxy-Authenticate",
		"Proxy-Authorization", "Proxy-Require", "RAck", "RSeq", "Reason", "Record-Route", "Refer-To", "Referred-By",
		"Remote-Party-ID", "Replaces", "Require", "Retry-After", "Route", "Server", "Service-Route", "Session-Expires",
		"Subscription-State", "Supported", "To", "Unsupported", "User-Agent", "Via", "WWW-Authenticate"} {
		names[strings.ToLower(n)] = n
	}
}

func canonical(name string) string {
	if n, ok := names[strings.ToLower(name)]; ok {
		return n
	}
	return name
}

// splitTop splits at sep where it stands neither in a quoted string nor in angle brackets.
func splitTop(s string, sep byte) []string {
	if strings.IndexByte(s, sep) < 0 {
		return []string{s}
	}
	var out []string
	start, quoted, angle := 0, false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == sep && !angle:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// Split splits a header field's value at sep where it stands neither in a quoted string nor in angle brackets.
func Split(s string, sep byte) []string { return splitTop(s, sep) }
