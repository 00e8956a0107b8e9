// Package phone makes telephone numbers comparable, however they were signalled or typed.
//
// It knows what a number is, not whose. Start at [Normalise].
package phone

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/width"
)

// Kind says what a number as signalled or typed is.
type Kind string

// The kinds of numbers. Only E164 can be dialled from everywhere; the others are kept as they came, because a country code in front
// of an extension or a short code makes another number of it.
const (
	E164      Kind = "e164"
	Extension Kind = "extension" // of a switchboard: up to six digits
	Short     Kind = "short"     // 110, 10086, 95588: means something in one country only
	Local     Kind = "local"     // longer, but not a number of the country: a subscriber without area code
	Withheld  Kind = "withheld"  // the caller asked for privacy, or nothing was signalled
)

// Number is a number made comparable.
type Number struct {
	Kind      Kind
	Value     string // E.164 with "+"; digits for the others; "" when withheld
	Extension string // behind an E.164 number ("… ext. 12"), if one was given
}

// withheldNames are what networks send in place of a number (RFC 3323, and what gateways make of it).
var withheldNames = map[string]bool{
	"": true, "anonymous": true, "unknown": true, "restricted": true, "private": true, "unavailable": true, "withheld": true,
	"asserted": true, "invalid": true, "none": true, "-": true, "匿名": true, "未知": true,
}

var (
	extensionOf = regexp.MustCompile(`(?i)^(.*\d)\s*(?:;ext=|,?\s*(?:ext|extn|extension|x|转|轉|分机|分機)\.?\s*)(\d{1,8})$`)
	stars       = regexp.MustCompile(`^[*#0-9]{1,16}$`)
)

// maxPhone is longer than any number somebody means; what is longer is cut rather than parsed.
const maxPhone = 64

// Normalise makes a number as signalled or typed comparable. country ("CN") is where it was received: numbers without "+" are
// read as that country's.
func Normalise(raw, country string) Number {
	s := Clean(raw)
	if withheldNames[strings.ToLower(s)] {
		return Number{Kind: Withheld}
	}
	ext := ""
	if m := extensionOf.FindStringSubmatch(s); m != nil {
		s, ext = strings.TrimSpace(m[1]), m[2]
	}
	digits := Digits(s)
	if digits == "" {
		if stars.MatchString(s) {
			return Number{Kind: Short, Value: s}
		}
		return Number{Kind: Withheld} // words are a name, not a number
	}
	if strings.ContainsAny(s, "*#") {
		return Number{Kind: Short, Value: keep(s, "*#")}
	}
	international := strings.HasPrefix(s, "+")
	// Before the library sees it: it would make +86110 of 110 and +861001 of extension 1001.
	if !international && len(digits) <= 6 {
		return shortOrExtension(digits, country)
	}
	n, err := phonenumbers.Parse(s, country)
	switch {
	case err == nil && phonenumbers.IsValidNumber(n):
		return Number{Kind: E164, Value: phonenumbers.Format(n, phonenumbers.E164), Extension: ext}
	case international && len(digits) >= 7 && len(digits) <= 15:
		// The library's tables age; what a network signals as international is taken as it is.
		return Number{Kind: E164, Value: "+" + digits, Extension: ext}
	case international && err == nil && len(digits) < 7:
		// A short code behind a country code (+86110) comes from gateways that prefix everything: undo that.
		return shortOrExtension(phonenumbers.GetNationalSignificantNumber(n), country)
	}
	return Number{Kind: Local, Value: digits, Extension: ext}
}

func shortOrExtension(digits, country string) Number {
	n, err := phonenumbers.Parse(digits, country)
	// A leading zero is never part of a short code, and the library drops it.
	if err == nil && digits[0] != '0' && phonenumbers.IsValidShortNumberForRegion(n, country) {
		return Number{Kind: Short, Value: digits}
	}
	return Number{Kind: Extension, Value: digits}
}

// Clean takes off what surrounds a number in URIs and in pasted text: scheme, host, invisible marks, full-width forms.
func Clean(raw string) string {
	if len(raw) > 4*maxPhone {
		raw = raw[:4*maxPhone]
	}
	s := width.Fold.String(strings.ToValidUTF8(raw, ""))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r) || unicode.IsControl(r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsDigit(r):
			return '0' + digitValue(r) // Arabic-Indic and others
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for _, scheme := range []string{"sips:", "sip:", "tel:"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
			break
		}
	}
	s, _, _ = strings.Cut(s, "@")
	if i := strings.IndexByte(s, ';'); i >= 0 && !strings.HasPrefix(strings.ToLower(s[i:]), ";ext=") {
		s = s[:i] // URI parameters
	}
	if r := []rune(s); len(r) > maxPhone {
		s = string(r[:maxPhone])
	}
	return strings.TrimSpace(s)
}

// digitValue of a decimal digit in any script: their blocks hold ten in a row, and begin at a zero.
func digitValue(r rune) rune {
	if r < unicode.MaxASCII {
		return r - '0'
	}
	v := rune(0)
	for v < 9 && unicode.IsDigit(r-v-1) {
		v++
	}
	return v
}

// Digits returns the digits of a text.
func Digits(s string) string { return keep(s, "") }

func keep(s, also string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || strings.ContainsRune(also, r) {
			return r
		}
		return -1
	}, s)
}

// National returns the digits of an E.164 number without the country code, as people say and search them, or "".
func National(value string) string {
	if !strings.HasPrefix(value, "+") {
		return ""
	}
	n, err := phonenumbers.Parse(value, "ZZ")
	if err != nil {
		return ""
	}
	return phonenumbers.GetNationalSignificantNumber(n)
}
