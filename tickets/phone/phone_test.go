package phone

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNormalise(t *testing.T) {
	for _, c := range []struct {
		raw, country string
		kind         Kind
		value, ext   string
	}{
		{"13812345678", "CN", E164, "+8613812345678", ""},
		{"013812345678", "CN", E164, "+8613812345678", ""},  // long-distance prefix before a mobile number
		{"8613812345678", "CN", E164, "+8613812345678", ""}, // country code without a plus
		{"008613812345678", "CN", E164, "+8613812345678", ""},
		{"+86 138-1234-5678", "US", E164, "+8613812345678", ""},
		{"1795113812345678", "CN", E164, "+8613812345678", ""}, // IP dialling prefix
		{"１３８１２３４５６７８", "CN", E164, "+8613812345678", ""},      // full width
		{"\u202a+8613812345678\u202c", "CN", E164, "+8613812345678", ""},
		{"sip:+8613812345678@10.0.0.1:5060;user=phone", "CN", E164, "+8613812345678", ""},
		{"tel:+86-10-8888-1234;phone-context=x", "CN", E164, "+861088881234", ""},
		{"010-88881234 转 12", "CN", E164, "+861088881234", "12"},
		{"+861088881234;ext=12", "CN", E164, "+861088881234", "12"},
		{"4001234567", "CN", E164, "+864001234567", ""},
		{"+44 (0)20 7031 3000", "CN", E164, "+442070313000", ""},
		{"+39 06 698 12345", "CN", E164, "+390669812345", ""}, // the zero stays
		{"2125551234", "US", E164, "+12125551234", ""},
		{"+999123456789", "CN", E164, "+999123456789", ""}, // not in the tables, but signalled so
		{"110", "CN", Short, "110", ""},
		{"10086", "CN", Short, "10086", ""},
		{"95588", "CN", Short, "95588", ""},
		{"911", "US", Short, "911", ""},
		{"+86110", "CN", Short, "110", ""},
		{"*86", "CN", Short, "*86", ""},
		{"1001", "CN", Extension, "1001", ""},
		{"8001", "CN", Extension, "8001", ""},
		{"0110", "CN", Extension, "0110", ""},
		{"007", "CN", Extension, "007", ""},
		{"88881234", "CN", Local, "88881234", ""}, // no area code: nobody knows which
		{"", "CN", Withheld, "", ""},
		{"Anonymous", "CN", Withheld, "", ""},
		{"sip:anonymous@anonymous.invalid", "CN", Withheld, "", ""},
		{"未知", "CN", Withheld, "", ""},
		{"Restricted", "CN", Withheld, "", ""},
	} {
		got := Normalise(c.raw, c.country)
		if got != (Number{Kind: c.kind, Value: c.value, Extension: c.ext}) {
			t.Errorf("%q in %s: got %+v, want %s %q ext %q", c.raw, c.country, got, c.kind, c.value, c.ext)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"+8613812345678", "\x00", "１", "tel:;", "++++", strings.Repeat("9", 1000), "<script>1", "%00"} {
		f.Add(s, "CN")
	}
	f.Fuzz(func(t *testing.T, raw, country string) {
		p := Normalise(raw, country)
		if len(p.Value) > 4*maxPhone || !utf8.ValidString(p.Value) || strings.ContainsAny(p.Value, "\r\n\x00") {
			t.Errorf("%q: %q", raw, p.Value)
		}
		if (p.Kind == Withheld) != (p.Value == "") {
			t.Errorf("%q: kind %s with value %q", raw, p.Kind, p.Value)
		}
		if p.Value != "" && p.Kind == E164 {
			if again := Normalise(p.Value, country); again.Value != p.Value {
				t.Errorf("%q: %q becomes %q", raw, p.Value, again.Value)
			}
		}
	})
}
