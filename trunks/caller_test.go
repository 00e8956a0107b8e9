package trunks

import (
	"testing"

	"hotline/call"
)

// Who calls, as Asterisk tells it, is believed as far as the trunk is.
func TestCallerByAsterisk(t *testing.T) {
	trusted := &Trunk{Settings: TrunkSettings{Country: "CN", NationalPrefix: "0", InternationalPrefix: "00", TrustedIdentity: true}}
	plain := &Trunk{Settings: TrunkSettings{Country: "CN", NationalPrefix: "0", InternationalPrefix: "00"}}
	nobody := call.Party{Withheld: true, URI: "sip:anonymous@anonymous.invalid"}
	for _, x := range []struct {
		t               *Trunk
		number, display string
		withheld        bool
		want            call.Party
	}{
		{trusted, "01012345678", "Li Lei", false, call.Party{Number: "+861012345678", Display: "Li Lei", URI: "sip:01012345678", Verified: true}},
		{plain, "01012345678", "Li\r\nLei", false, call.Party{Number: "+861012345678", Display: "LiLei", URI: "sip:01012345678"}},
		{trusted, "01012345678", "Li Lei", true, nobody},
		{trusted, "anonymous", "Anonymous", false, nobody},
		{trusted, "", "", false, nobody},
		{trusted, "li.lei", "Li Lei", false, call.Party{Display: "Li Lei", URI: "sip:li.lei"}},
	} {
		if got := x.t.Caller(x.number, x.display, x.withheld); got != x.want {
			t.Errorf("%q %q %v: %+v, want %+v", x.number, x.display, x.withheld, got, x.want)
		}
	}
}
