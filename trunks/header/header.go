// Package header reads what strangers write into SIP headers and makes safe what we write into ours.
//
// It owns lists of addresses ([Addresses]) and the cutting and cleaning of text ([Display], [Cut], [Clean]). It believes nothing and
// decides nothing: who may be believed is package directory's matter.
package header

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Address is one name-addr or addr-spec (RFC 3261, section 20) as far as identity needs it.
type Address struct {
	Display string // unquoted, as received otherwise
	Scheme  string
	User    string // for tel: the number
	Host    string
	URI     string
	Params  string // what follows the address
}

// Most is how many addresses of one header field are read.
const Most = 16

// Addresses reads a header value that is a list of addresses. What cannot be read ends the list.
func Addresses(value string) []Address {
	if len(value) > 8192 {
		value = value[:8192]
	}
	var out []Address
	for len(out) < Most {
		value = strings.TrimLeft(value, " \t\r\n,")
		if value == "" {
			break
		}
		a, rest, ok := nextAddress(value)
		if !ok {
			break
		}
		out, value = append(out, a), rest
	}
	return out
}

// First returns the first address of a list.
func First(value string) (Address, bool) {
	all := Addresses(value)
	if len(all) == 0 {
		return Address{}, false
	}
	return all[0], true
}

func nextAddress(s string) (a Address, rest string, ok bool) {
	if strings.HasPrefix(s, `"`) {
		if a.Display, s, ok = Unquote(s); !ok {
			return a, "", false
		}
		s = strings.TrimLeft(s, " \t")
	}
	end := strings.IndexByte(s, ',')
	if open := strings.IndexByte(s, '<'); open >= 0 && (end < 0 || open < end) {
		if a.Display == "" {
			a.Display = strings.TrimSpace(s[:open])
		}
		shut := strings.IndexByte(s[open:], '>')
		if shut < 0 {
			return a, "", false
		}
		a.URI = s[open+1 : open+shut]
		a.Params, rest = cutComma(s[open+shut+1:])
	} else {
		a.URI, rest = cutComma(s)
		// Without brackets, parameters belong to the header (RFC 3261, section 20.10).
		a.URI, a.Params, _ = strings.Cut(strings.TrimSpace(a.URI), ";")
	}
	return a, rest, a.split()
}

// cutComma cuts at the first comma outside quotes.
func cutComma(s string) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// split takes the URI apart.
func (a *Address) split() bool {
	scheme, rest, ok := strings.Cut(a.URI, ":")
	if !ok {
		return false
	}
	a.Scheme = strings.ToLower(scheme)
	switch a.Scheme {
	case "tel":
		a.User, _, _ = strings.Cut(rest, "?")
	case "sip", "sips":
		rest, _, _ = strings.Cut(rest, "?")
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			a.User, rest = rest[:at], rest[at+1:]
			a.User, _, _ = strings.Cut(a.User, ":")
		}
		a.Host, _, _ = strings.Cut(rest, ";")
	default:
		return false
	}
	return true
}

// Unquote reads the quoted-string at the start of s.
func Unquote(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// Longest is how many characters of a display name are kept.
const Longest = 128

// Display makes a display name fit to be shown as text: no control characters and none that turn the direction of what
// follows, at most 128 characters. Everything else, markup too, stays as it was: whoever shows it escapes it.
func Display(s string) string {
	if len(s) > 8192 {
		s = s[:8192]
	}
	if !utf8.ValidString(s) {
		// Chinese exchanges send GBK where RFC 3261 wants UTF-8.
		if t, err := simplifiedchinese.GB18030.NewDecoder().String(s); err == nil && utf8.ValidString(t) {
			s = t
		}
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF' {
			return -1
		}
		return r
	}, s)
	return Cut(strings.TrimSpace(s), Longest)
}

// Cut returns at most n characters of s, without control characters and broken ones.
func Cut(s string, n int) string {
	if len(s) > 4*n {
		s = s[:4*n]
	}
	s = Clean(strings.ToValidUTF8(s, ""))
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// Clean removes what would end a header line: CR, LF, NUL and the other control characters. Everything that came from
// outside goes through it before it leaves in a message of ours; sipgo writes header values as they are.
func Clean(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// User makes the user part of a URI out of a number or name: what RFC 3261, section 25.1, does not allow there is escaped.
func User(s string) string {
	s = Clean(s)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString(escape(c))
	}
	return b.String()
}

func escape(c byte) string {
	const hex = "0123456789ABCDEF"
	return string([]byte{'%', hex[c>>4], hex[c&15]})
}

// Unescape undoes the escapes of a user part; a broken one stays as it is.
func Unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}
