package trunks

import (
	"hotline/call"
	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// Caller says who calls on a trunk that Asterisk carries: [CallerOf] for a call whose headers Asterisk has read. Asterisk believes an
// asserted identity only where the trunk is trusted, as it is configured for it, so that number is verified there.
func (t *Trunk) Caller(number, display string, withheld bool) call.Party {
	read := t.Plan().Read(header.Cut(number, header.Longest))
	if withheld || read.Kind == e164.Withheld {
		return call.Party{Withheld: true, URI: "sip:anonymous@anonymous.invalid"}
	}
	p := call.Party{Display: header.Display(display)}
	if number != "" {
		p.URI = header.Cut("sip:"+header.User(number), 1024)
	}
	if read.Kind != e164.Name {
		p.Number = read.Value
		p.Verified = t.Settings.TrustedIdentity && read.Value != ""
	}
	return p
}
