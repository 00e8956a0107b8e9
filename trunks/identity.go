package trunks

import (
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// CallerOf says who calls, as far as the trunk may be believed.
//
// P-Asserted-Identity counts only from a trunk that is trusted (RFC 3325, section 5): from any other it is text that the caller has
// chosen. A wish for privacy (RFC 3323) is honoured from everybody: the number and name are not kept, though a trusted network may
// have told them.
func CallerOf(t *Trunk, req *sipmsg.Request) call.Party {
	from, _ := fromAddress(req)
	who, verified := from, false
	if t.Settings.TrustedIdentity {
		if a, ok := asserted(req); ok {
			who, verified = a, true
			if who.Display == "" {
				who.Display = from.Display
			}
		}
	}
	read := t.Plan().Read(who.User)
	p := call.Party{Display: header.Display(who.Display), URI: header.Cut(who.URI, 1024), Verified: verified}
	if private(req) || read.Kind == e164.Withheld || !verified && strings.EqualFold(from.Host, "anonymous.invalid") {
		// RFC 3323, section 4.1.1.3: the name of an anonymous caller is "Anonymous"; none is better.
		return call.Party{Withheld: true, URI: "sip:anonymous@anonymous.invalid"}
	}
	if read.Kind != e164.Name {
		p.Number = read.Value
	}
	return p
}

// fromAddress reads From out of what the parser has made of it.
func fromAddress(req *sipmsg.Request) (header.Address, bool) {
	from := req.From()
	if from == nil {
		return header.Address{}, false
	}
	display := from.DisplayName
	if strings.Contains(display, `\`) {
		if plain, _, ok := header.Unquote(`"` + display + `"`); ok {
			display = plain
		}
	}
	return header.Address{
		Display: display, Scheme: from.Address.Scheme, User: subscriber(&from.Address), Host: from.Address.Host, URI: from.Address.String(),
	}, true
}

// asserted returns the identity that the network asserts; of a tel and a sip one (RFC 3325, section 9.1) the first that has a
// number.
func asserted(req *sipmsg.Request) (header.Address, bool) {
	var first header.Address
	found := false
	for _, h := range req.GetHeaders("P-Asserted-Identity") {
		for _, a := range header.Addresses(h.Value()) {
			if !found {
				first, found = a, true
			}
			if number := e164.Strip(header.Unescape(a.User)); number != "" && strings.Trim(number, "+0123456789") == "" {
				if a.Display == "" {
					a.Display = first.Display
				}
				return a, true
			}
		}
	}
	return first, found
}

// private says whether the caller asked not to be known.
func private(req *sipmsg.Request) bool {
	for _, h := range req.GetHeaders("Privacy") {
		for _, v := range strings.FieldsFunc(h.Value(), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			switch strings.ToLower(v) {
			case "id", "user", "header": // RFC 3325, section 9.3; RFC 3323, section 4.2
				return true
			}
		}
	}
	return false
}

// Diverted returns the numbers that the call was meant for before it came to us, the last one first.
func Diverted(req *sipmsg.Request, t *Trunk) []string {
	var out []string
	add := func(a header.Address) {
		n := t.Plan().Read(a.User)
		if n.Value == "" || len(out) == header.Most || len(out) > 0 && out[len(out)-1] == n.Value {
			return
		}
		out = append(out, header.Cut(n.Value, header.Longest))
	}
	for _, h := range req.GetHeaders("Diversion") {
		for _, a := range header.Addresses(h.Value()) {
			add(a)
		}
	}
	if len(out) > 0 {
		return out
	}
	// History-Info lists the targets in the order they were tried; the last is ourselves.
	var history []header.Address
	for _, h := range req.GetHeaders("History-Info") {
		history = append(history, header.Addresses(h.Value())...)
	}
	for i := len(history) - 2; i >= 0; i-- {
		add(history[i])
	}
	return out
}
