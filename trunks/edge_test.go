package trunks

import (
	"net/netip"
	"strings"
	"testing"

	"hotline"
)

// A trunk that Asterisk carries is none of the native edge's: neither its addresses nor its credentials open that door.
func TestTrunkOnAsterisk(t *testing.T) {
	d, _ := open(t)
	pbx := create(t, d, "pbx", TrunkSettings{Edge: EdgeAsterisk, MatchAddresses: []string{"192.0.2.7"}, MatchDigest: &Credentials{Username: "pbx", Password: "x"}})
	if tr, login := d.MatchTrunk(netip.MustParseAddr("192.0.2.7"), invite(t, "sip:4000@us")); tr != nil || login {
		t.Errorf("the native edge takes %+v, login %v", tr, login)
	}
	put(t, d, Number{Number: "4000"})
	put(t, d, Number{Number: "4002", TrunkID: create(t, d, "other", TrunkSettings{MatchAddresses: []string{"192.0.2.8"}}).ID})
	for dialled, want := range map[string]bool{"4000": true, "4001": false, "4002": false, "": false, "4000@x": false} {
		if _, ok := d.NumberCalled(&pbx, dialled); ok != want {
			t.Errorf("%q is found: %v, want %v", dialled, ok, want)
		}
	}
	native := pbx
	native.Settings.Edge, native.Settings.MatchDigest = EdgeSIP, nil
	if _, err := d.UpdateTrunk(t.Context(), native); err != nil {
		t.Fatal(err)
	}
	if tr, _ := d.MatchTrunk(netip.MustParseAddr("192.0.2.7"), invite(t, "sip:4000@us")); tr == nil {
		t.Error("back on the native edge, it is not found")
	}
}

func TestEdgeIsChecked(t *testing.T) {
	d, _ := open(t)
	create(t, d, "desk phones", TrunkSettings{Edge: EdgeAsterisk, Dial: "PJSIP/{number}"}) // nothing else is needed
	create(t, d, "card", TrunkSettings{Edge: EdgeAsterisk, Dial: "DAHDI/g1/{number}"})
	for want, s := range map[string]TrunkSettings{
		"settings.edge":               {Host: "a", Edge: "carrier pigeon"},
		"settings.dial":               {Host: "a", Dial: "PJSIP/{number}"}, // the native edge dials by itself
		"settings.dial ":              {Edge: EdgeAsterisk, Dial: "PJSIP/100"},
		"settings.dial  ":             {Edge: EdgeAsterisk, Dial: "PJSIP/{number}&PJSIP/{number}"},
		"settings.dial   ":            {Edge: EdgeAsterisk, Dial: "PJSIP/{number}@a,60,U(x)"},
		"settings.dial    ":           {Edge: EdgeAsterisk, Dial: "PJSIP/{number}\n[x]"},
		"settings.dial     ":          {Edge: EdgeAsterisk, Dial: "{number}"},
		"settings.dial      ":         {Edge: EdgeAsterisk, Dial: "PJSIP/{number}@${X}"},
		"settings.match_addresses":    {Edge: EdgeAsterisk},
		"settings.match_addresses[0]": {Edge: EdgeAsterisk, MatchAddresses: []string{"0.0.0.0/0"}},
	} {
		_, err := d.CreateTrunk(t.Context(), Trunk{Name: "wrong", Settings: s})
		if err == nil {
			t.Errorf("%s: accepted", want)
			continue
		}
		if _, got := field(t, err); got != strings.TrimSpace(want) {
			t.Errorf("%s: %v (field %q)", want, err, got)
		}
	}
}

func TestAsteriskDial(t *testing.T) {
	for name, want := range map[string]string{
		"acme":          "hl-acme",
		"SBC_2.west":    "hl-SBC_2.west",
		"Acme line":     "hl-Acme-line-",
		"x]\n[evil":     "hl-x-evil-",
		"上海电信":          "hl-",
		"a;b":           "hl-a-b-",
		"../../etc":     "hl-etc-",
		"-leading dash": "hl-leading-dash-",
	} {
		tr := Trunk{ID: "018f", Name: name}
		got := tr.Endpoint()
		if want == got {
			continue
		}
		if !strings.HasPrefix(got, want) || len(got) != len(want)+8 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" {
			t.Errorf("endpoint of %q is %q", name, got)
		}
	}
	tr := Trunk{Name: "acme", Settings: TrunkSettings{Edge: EdgeAsterisk, Country: "CN", NationalPrefix: "0"}}
	if got, err := tr.AsteriskDial("13800138000"); err != nil || got != "PJSIP/+8613800138000@hl-acme" {
		t.Errorf("%q %v", got, err)
	}
	tr.Settings.Dial = "PJSIP/{number}"
	if got, err := tr.AsteriskDial("101"); err != nil || got != "PJSIP/101" {
		t.Errorf("%q %v", got, err)
	}
	// Abuse case 3, on the other edge: what would dial something else as well is refused.
	for _, in := range []string{"", "101&PJSIP/900", "101@evil", "101/sip:x", "1,2", "a"} {
		if got, err := tr.AsteriskDial(in); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%q is dialled as %q (%v)", in, got, err)
		}
		if got, err := tr.AsteriskDialUser(in); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%q is dialled as %q (%v)", in, got, err)
		}
	}
}
