package refer

import "testing"

func TestNumber(t *testing.T) {
	for target, want := range map[string]string{
		"sip:102@pbx.example.com":                "102",
		"SIPS:+8613800138000@example.com:5061":   "+8613800138000",
		"sip:+861;phone-context=x@host":          "+861",
		"tel:+861012345678":                      "+861012345678",
		"102":                                    "102",
		"sip:102@host?Replaces=abc%3Bto-tag%3D1": "",
		"102?Replaces=abc":                       "",
		"sip:@host":                              "",
		"":                                       "",
		"sip:102@host;transport=tcp?Subject=transferred": "102",
	} {
		if got, ok := number(target); ok != (want != "") || ok && got != want {
			t.Errorf("number(%q) = %q, %v; want %q", target, got, ok, want)
		}
	}
}
