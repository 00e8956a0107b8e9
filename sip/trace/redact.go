package trace

import (
	"bytes"
	"strings"
)

// longestTraced is how much of a message is kept.
const longestTraced = 16 << 10

const removed = "(removed)"

// redact makes a message fit to be kept: its start line, and the whole without what opens doors: credentials (Authorization and
// Proxy-Authorization, with folded lines), SRTP keys (RFC 4568), and digits that were pressed (RFC 6086 style INFO), which may be a
// PIN.
func redact(data []byte) (summary, body string) {
	head, rest, found := cutHead(data)
	var b strings.Builder
	b.Grow(len(data) + 64)
	digits, hiding := false, false
	for i, line := range bytes.Split(head, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if i == 0 {
			summary = storable(line, 512)
		}
		if folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t'); folded && hiding {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		hiding = false
		switch name = bytes.TrimSpace(name); {
		case bytes.EqualFold(name, []byte("Authorization")), bytes.EqualFold(name, []byte("Proxy-Authorization")):
			hiding = true
			line = append(append([]byte(nil), name...), ": "+removed...)
		case bytes.EqualFold(name, []byte("Content-Type")), bytes.EqualFold(name, []byte("c")):
			digits = digits || bytes.Contains(bytes.ToLower(value), []byte("dtmf"))
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	if found {
		b.WriteString("\r\n")
		if digits {
			b.WriteString(removed)
		} else {
			b.Write(hideKeys(rest))
		}
	}
	return summary, storableText(b.String(), longestTraced)
}

// cutHead cuts at the first empty line, whatever ends the lines: a stranger may write what he likes.
func cutHead(data []byte) (head, body []byte, found bool) {
	for at := 0; at < len(data); {
		end := bytes.IndexByte(data[at:], '\n')
		if end < 0 {
			break
		}
		if line := data[at : at+end]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return bytes.TrimRight(data[:at], "\r\n"), data[at+end+1:], true
		}
		at += end + 1
	}
	return bytes.TrimRight(data, "\r\n"), nil, false
}

// hideKeys removes the keys of "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…".
func hideKeys(sdp []byte) []byte {
	const mark = "inline:"
	if !bytes.Contains(sdp, []byte(mark)) {
		return sdp
	}
	lines := bytes.SplitAfter(sdp, []byte("\n"))
	for i, line := range lines {
		if at := bytes.Index(line, []byte(mark)); at >= 0 {
			end := bytes.TrimRight(line, "\r\n")
			lines[i] = append(append(append([]byte(nil), line[:at+len(mark)]...), removed...), line[len(end):]...)
		}
	}
	return bytes.Join(lines, nil)
}

// storable makes text that PostgreSQL takes: valid UTF-8 without NUL, not too long.
func storable(data []byte, most int) string { return storableText(string(data), most) }

func storableText(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\u2400")
}
