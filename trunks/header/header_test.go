package header

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAddresses(t *testing.T) {
	got := Addresses(`"Li, \"Si\"" <sip:+8610@h:5060;user=phone?x=y>;tag=1;note="a,b", tel:+86-10;ext=1 , Bob <sips:bob:pw@[2001:db8::1]>`)
	want := []Address{
		{`Li, "Si"`, "sip", "+8610", "h:5060", "sip:+8610@h:5060;user=phone?x=y", `;tag=1;note="a,b"`},
		{"", "tel", "+86-10", "", "tel:+86-10", "ext=1"},
		{"Bob", "sips", "bob", "[2001:db8::1]", "sips:bob:pw@[2001:db8::1]", ""},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if n := len(Addresses(strings.Repeat("<sip:a@b>,", 10_000))); n != Most {
		t.Errorf("%d addresses of 10,000 were read, want %d", n, Most)
	}
}

func TestCleaning(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Clean("a\r\nVia: x\x00\x7f\u0085b"), "aVia: xb"},
		{Clean("中文 ok"), "中文 ok"},
		{User("+86 10\r\n<x>@h"), "+86%2010%3Cx%3E%40h"},
		{Cut("长长长", 2), "长长"},
		{Cut("ab\xff\x00c", 10), "abc"},
		{Display("  \u202eabc\u2066 \u200e "), "abc"},
		{Unescape("%23a"), "#a"},
		{Unescape("%zz"), "%zz"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// Abuse case 16: nothing that came from outside can end a header line of ours.
func FuzzHeader(f *testing.F) {
	for _, s := range []string{`"a" <sip:b@c>, tel:1`, "\"\r\n", `<<>>,,""`, "\u202e%0d%0a", "\xff\xfe\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{Clean(s), Display(s), Cut(s, 128), User(s)} {
			if strings.ContainsFunc(out, unicode.IsControl) {
				t.Fatalf("%q became %q", s, out)
			}
		}
		if d := Display(s); utf8.RuneCountInString(d) > Longest || !utf8.ValidString(d) {
			t.Fatalf("display %q", d)
		}
		if n := len(Addresses(s)); n > Most {
			t.Fatalf("%d addresses", n)
		}
	})
}
