package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"hotline"
)

// plain is what may stand in a name without further thought.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)

// text is a configuration file that is being written.
type text struct {
	strings.Builder
	err error
}

// note writes a comment. What comes from outside cannot leave its line.
func (t *text) note(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		t.WriteString(strings.TrimRight("; "+strings.Map(visible, line), " ") + "\n")
	}
}

func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// section opens a section. Names are ours, or were held against plain.
func (t *text) section(name, kind string) {
	if t.Len() > 0 {
		t.WriteByte('\n')
	}
	fmt.Fprintf(t, "[%s]\n", name)
	if kind != "" {
		t.set("type", kind)
	}
}

// set writes a line. A value that Asterisk would read differently is refused.
func (t *text) set(key, value string) {
	escaped, err := escape(value)
	if err != nil && t.err == nil {
		t.err = fmt.Errorf("%s: %w", key, err)
	}
	fmt.Fprintf(t, "%s = %s\n", key, escaped)
}

func (t *text) yes(key string, on bool) {
	if on {
		t.set(key, "yes")
	} else {
		t.set(key, "no")
	}
}

// escape writes a value so that Asterisk's parser reads it as it is: it cuts blanks at both ends and begins a comment at a semicolon
// that has no backslash before it; a backslash that stands there is taken away, any other is kept.
func escape(value string) (string, error) {
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", hotline.Errorf(hotline.Invalid, "asterisk.value", "a value with a line break or a control character cannot stand in Asterisk's configuration")
	case strings.TrimSpace(value) != value:
		return "", hotline.Errorf(hotline.Invalid, "asterisk.value", "a value with blanks at its ends cannot stand in Asterisk's configuration")
	case value == "":
		return "", hotline.Errorf(hotline.Invalid, "asterisk.value", "an empty value cannot stand in Asterisk's configuration")
	case len(value) > 2000:
		return "", hotline.Errorf(hotline.Invalid, "asterisk.value", "a value of %d bytes is too long for Asterisk's configuration", len(value))
	}
	return strings.ReplaceAll(value, ";", `\;`), nil
}

// uriUser writes a user name as the user part of a SIP URI (RFC 3261, section 25.1).
func uriUser(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,?/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
