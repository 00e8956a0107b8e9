// Package e164 reads telephone numbers as a trunk writes them.
//
// It owns the rules by which digits become a number in international form (ITU-T E.164) and, as much, the rules by which they do
// not: an extension, a short code such as 110 or 10086, a feature code and a local number without its area are kept as dialled,
// because a number that is made up reaches, or accuses, somebody else. It never looks anything up. Start at [Plan.Read].
package e164

import (
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// Kind says what a number is.
type Kind string

// The kinds of numbers.
const (
	Global   Kind = "e164"     // Value starts with "+"
	Local    Kind = "local"    // extension, short code, feature code or incomplete number: as dialled
	Withheld Kind = "withheld" // the caller does not want to be known; Value is ""
	Name     Kind = "name"     // no number at all: the user part of a SIP address, lower case
)

// Number is a number that was read.
type Number struct {
	Kind      Kind
	Value     string
	Extension string // what followed ";ext=" (RFC 3966, section 3)
}

// Plan is how numbers are written on one trunk.
type Plan struct {
	Country             string // ISO 3166; "": digits without "+" are kept as dialled
	NationalPrefix      string // what precedes a national number, "0" in China
	InternationalPrefix string // what stands for "+", "00" in most countries
}

// shortest is the least number of digits that is tried as a subscriber's number: what is shorter is an extension or short code,
// which the numbering library would turn into a number that nobody has.
const shortest = 7

// longest is a "+" and fifteen digits (ITU-T E.164, section 6.1).
const longest = 16

// withheldUsers are what networks put into the user part when the caller asked not to be known (RFC 3323, section 4.1).
var withheldUsers = map[string]bool{
	"": true, "anonymous": true, "restricted": true, "unavailable": true, "unknown": true, "private": true, "withheld": true, "asserted": true,
}

// Read reads the user part of a SIP URI, or the subscriber of a tel URI.
func (p Plan) Read(raw string) Number {
	if len(raw) > 1024 {
		raw = raw[:1024]
	}
	user, params, _ := strings.Cut(unescape(strings.TrimSpace(raw)), ";")
	extension := extensionOf(params)
	if withheldUsers[strings.ToLower(user)] {
		return Number{Kind: Withheld}
	}
	digits := Strip(user)
	if !dialable(digits) {
		return Number{Kind: Name, Value: strings.ToLower(user)}
	}
	if value, ok := p.global(digits); ok {
		return Number{Kind: Global, Value: value, Extension: extension}
	}
	return Number{Kind: Local, Value: digits, Extension: extension}
}

// Within says whether a number means here what its digits say. A phone-context (RFC 3966, section 5.1.5) names the plan in which a
// local number was dialled: one of another country, one that contradicts a global number, and one that is no context at all, make
// it somebody else's number, or a trick. Digits of a context are never put before a number: the section forbids to rely on that.
func (p Plan) Within(raw string) bool {
	if len(raw) > 1024 {
		return false
	}
	number, params, _ := strings.Cut(unescape(strings.TrimSpace(raw)), ";")
	context, found := "", 0
	for param := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(param, "="); strings.EqualFold(strings.TrimSpace(k), "phone-context") {
			context, found = v, found+1
		}
	}
	switch {
	case found == 0:
		return true
	case found > 1:
		return false
	case !strings.HasPrefix(context, "+"):
		return isDomain(context)
	}
	context = Strip(context)
	digits := strings.TrimPrefix(context, "+")
	if digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	if number = Strip(number); strings.HasPrefix(number, "+") {
		return strings.HasPrefix(number, context)
	}
	if p.Country != "" {
		return strings.HasPrefix(digits, strconv.Itoa(phonenumbers.GetCountryCodeForRegion(p.Country)))
	}
	code, _ := strconv.Atoi(digits)
	return phonenumbers.GetRegionCodeForCountryCode(code) != "ZZ" // a country of which we do not know whether it is ours
}

func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// global returns digits in international form if they surely are such a number.
func (p Plan) global(digits string) (string, bool) {
	if strings.ContainsAny(digits, "*#") {
		return "", false
	}
	if rest, ok := strings.CutPrefix(digits, "+"); ok {
		return international(rest)
	}
	if p.InternationalPrefix != "" {
		if rest, ok := strings.CutPrefix(digits, p.InternationalPrefix); ok && len(rest) >= shortest {
			if value, ok := international(rest); ok {
				return value, true
			}
		}
	}
	if p.Country == "" || len(digits) < shortest {
		return "", false
	}
	if p.NationalPrefix != "" {
		if rest, ok := strings.CutPrefix(digits, p.NationalPrefix); ok {
			if value, ok := p.national(rest); ok {
				return value, true
			}
		}
	}
	return p.national(digits)
}

// international reads what follows "+". A number that the library does not know (a new range, a satellite) is taken as it is when
// its length is that of a number.
func international(rest string) (string, bool) {
	if len(rest) < shortest || len(rest) > 15 || rest[0] == '0' {
		return "", false
	}
	n, err := phonenumbers.Parse("+"+rest, "ZZ")
	if err == nil && phonenumbers.IsValidNumber(n) {
		// Removes the 0 of "+86 (0)10 …".
		return phonenumbers.Format(n, phonenumbers.E164), true
	}
	return "+" + rest, true
}

// national reads a number of the plan's country. Only a valid one is completed: a possible one may lack its area.
func (p Plan) national(digits string) (string, bool) {
	if len(digits) < shortest || len(digits) > 15 {
		return "", false
	}
	n, err := phonenumbers.Parse(digits, p.Country)
	// Valid anywhere with the country's code: Canada answers to a number without code from the United States.
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return p.withoutPlus(digits)
	}
	// The library takes national numbers that are too long with their country's code.
	value := phonenumbers.Format(n, phonenumbers.E164)
	return value, len(value) <= longest
}

// withoutPlus reads "8613812345678": providers send international numbers without the plus.
func (p Plan) withoutPlus(digits string) (string, bool) {
	code := phonenumbers.GetCountryCodeForRegion(p.Country)
	rest, ok := strings.CutPrefix(digits, strconv.Itoa(code))
	if !ok {
		return "", false
	}
	n, err := phonenumbers.Parse("+"+strconv.Itoa(code)+rest, "ZZ")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// Strip removes what people and programs put between digits (RFC 3966, section 5.1.1) when nothing but a number is left;
// otherwise it returns s as it is. Full-width forms become plain.
func Strip(s string) string {
	s = strings.TrimSpace(s)
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= '０' && r <= '９':
			b.WriteRune(r - '０' + '0')
		case r >= '0' && r <= '9' || r == '*' || r == '#':
			b.WriteRune(r)
		case (r == '+' || r == '＋') && i == 0:
			b.WriteByte('+')
		case strings.ContainsRune("-.() \u00a0", r):
		default:
			return s
		}
	}
	return b.String()
}

// KnownCountry says whether c is a country that numbers can be read for.
func KnownCountry(c string) bool { return len(c) == 2 && countries()[c] }

var countries = sync.OnceValue(func() map[string]bool { return phonenumbers.GetSupportedRegions() })

// Warm loads the tables of all countries, which takes long enough to be heard if the first call had to wait for it.
func Warm() {
	for _, p := range []Plan{{Country: "CN"}, {Country: "US"}, {Country: "DE"}} {
		p.Read("13800138000")
	}
}

func dialable(s string) bool {
	if strings.TrimPrefix(s, "+") == "" || len(s) > 40 {
		return false
	}
	for i, r := range s {
		if !(r >= '0' && r <= '9' || r == '*' || r == '#' || r == '+' && i == 0) {
			return false
		}
	}
	return true
}

func extensionOf(params string) string {
	for _, p := range strings.Split(params, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(k, "ext") && dialable(Strip(v)) {
			return Strip(v)
		}
	}
	return ""
}

// unescape undoes %23 and its like (RFC 3261, section 19.1.2); what is no escape stays.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// Costly says whether a number in international form is of a range that charges the caller for more than the call: premium rate,
// shared cost, satellite and other networks without a country. Nobody calls those by mistake and pays little.
func Costly(number string) bool {
	for _, p := range []string{"+87", "+881", "+882", "+883", "+979"} { // ITU-T E.164 lists: networks, not countries
		if strings.HasPrefix(number, p) {
			return true
		}
	}
	if !strings.HasPrefix(number, "+") {
		return false
	}
	n, err := phonenumbers.Parse(number, "ZZ")
	if err != nil {
		return false
	}
	switch phonenumbers.GetNumberType(n) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST:
		return true
	}
	return false
}
