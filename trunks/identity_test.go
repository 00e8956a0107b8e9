package trunks

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline/call"
)

func trunkOf(trusted bool) *Trunk {
	return &Trunk{ID: "t", Name: "t", Settings: TrunkSettings{Country: "CN", NationalPrefix: "0", InternationalPrefix: "00", TrustedIdentity: trusted}}
}

// Abuse case 6: only a trusted trunk's P-Asserted-Identity is believed; anybody's wish for privacy is honoured.
func TestCallerOf(t *testing.T) {
	gbk, _ := simplifiedchinese.GBK.NewEncoder().String("张三")
	pai := `P-Asserted-Identity: "Zhang San" <sip:+8613900139000@provider>`
	for name, c := range map[string]struct {
		trusted bool
		headers []string
		want    call.Party
	}{
		"from":                   {false, nil, call.Party{Number: "+8613800138000", URI: "sip:13800138000@provider"}},
		"asserted by a stranger": {false, []string{pai}, call.Party{Number: "+8613800138000", URI: "sip:13800138000@provider"}},
		"asserted by the provider": {true, []string{pai}, call.Party{
			Number: "+8613900139000", Display: "Zhang San", URI: "sip:+8613900139000@provider", Verified: true,
		}},
		"tel and sip": {true, []string{`P-Asserted-Identity: "Li, Si" <sip:li.si@provider>, <tel:+86-10-6255-1234>`}, call.Party{
			Number: "+861062551234", Display: "Li, Si", URI: "tel:+86-10-6255-1234", Verified: true,
		}},
		"anonymous but asserted": {true, []string{`From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1`, pai}, call.Party{
			Number: "+8613900139000", Display: "Zhang San", URI: "sip:+8613900139000@provider", Verified: true,
		}},
		"asserted, private":      {true, []string{pai, "Privacy: id"}, withheld},
		"private list":           {true, []string{pai, "Privacy: header; id ;critical"}, withheld},
		"private none":           {false, []string{"Privacy: none"}, call.Party{Number: "+8613800138000", URI: "sip:13800138000@provider"}},
		"anonymous":              {false, []string{`From: <sip:anonymous@anonymous.invalid>;tag=1`}, withheld},
		"invalid host":           {false, []string{`From: <sip:x@anonymous.invalid>;tag=1`}, withheld},
		"restricted":             {true, []string{`From: <sip:Restricted@192.0.2.1>;tag=1`}, withheld},
		"extension":              {false, []string{`From: "Front desk" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: "Front desk", URI: "sip:101@pbx"}},
		"short code":             {false, []string{`From: <sip:10086@pbx>;tag=1`}, call.Party{Number: "10086", URI: "sip:10086@pbx"}},
		"name":                   {false, []string{`From: <sip:alice@pbx>;tag=1`}, call.Party{URI: "sip:alice@pbx"}},
		"script":                 {false, []string{`From: "<script>alert(1)</script>" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: "<script>alert(1)</script>", URI: "sip:101@pbx"}},
		"percent":                {false, []string{`From: "a%00b" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: "a%00b", URI: "sip:101@pbx"}},
		"quoted":                 {false, []string{`From: "a \"b\" c" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: `a "b" c`, URI: "sip:101@pbx"}},
		"gbk":                    {false, []string{`From: "` + gbk + `" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: "张三", URI: "sip:101@pbx"}},
		"right to left":          {false, []string{"From: \"\u202egnol\u202c\u200f\" <sip:101@pbx>;tag=1"}, call.Party{Number: "101", Display: "gnol", URI: "sip:101@pbx"}},
		"nul":                    {false, []string{"From: \"a\x00b\x07c\" <sip:101@pbx>;tag=1"}, call.Party{Number: "101", Display: "abc", URI: "sip:101@pbx"}},
		"4 kB":                   {false, []string{`From: "` + strings.Repeat("长", 1400) + `" <sip:101@pbx>;tag=1`}, call.Party{Number: "101", Display: strings.Repeat("长", 128), URI: "sip:101@pbx"}},
		"asserted by nobody":     {true, []string{"P-Asserted-Identity: "}, call.Party{Number: "+8613800138000", URI: "sip:13800138000@provider"}},
		"asserted nonsense":      {true, []string{`P-Asserted-Identity: "open`}, call.Party{Number: "+8613800138000", URI: "sip:13800138000@provider"}},
		"asserted with bad user": {true, []string{"P-Asserted-Identity: <sip:a%0D%0AX:1@h>"}, call.Party{URI: "sip:a%0D%0AX:1@h", Verified: true}},
	} {
		if got := CallerOf(trunkOf(c.trusted), invite(t, "sip:4000@us", c.headers...)); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

var withheld = call.Party{Withheld: true, URI: "sip:anonymous@anonymous.invalid"}

func TestDiverted(t *testing.T) {
	for _, c := range []struct {
		headers []string
		want    []string
	}{
		{nil, nil},
		{[]string{`Diversion: <sip:01062551234@p>;reason=no-answer, "B" <tel:+8621-1234-5678>;reason=unconditional`}, []string{"+861062551234", "+862112345678"}},
		{[]string{`Diversion: <sip:101@p>`, `Diversion: <sip:102@p>`}, []string{"101", "102"}},
		{[]string{`History-Info: <sip:01062551234@p>;index=1, <sip:102@p?Reason=SIP%3Bcause%3D302>;index=1.1, <sip:4000@us>;index=1.2`}, []string{"102", "+861062551234"}},
		{[]string{`History-Info: <sip:4000@us>;index=1`}, nil},
	} {
		if got := Diverted(invite(t, "sip:4000@us", c.headers...), trunkOf(true)); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.headers, got, c.want)
		}
	}
}

// Abuse case 5: whatever stands in From and P-Asserted-Identity, what comes out can be shown and stored.
func TestIdentityIsAlwaysFit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`"[^"]{0,200}" <(sip|tel):[ -~]{0,40}>`)).Draw(rt, "value")
		line := strings.NewReplacer("\r", "", "\n", "").Replace(value)
		for _, header := range []string{"From: " + line + ";tag=1", "P-Asserted-Identity: " + line, "Diversion: " + line} {
			msg, err := sipmsg.ParseMessage([]byte("INVITE sip:1@us SIP/2.0\r\nCall-ID: x\r\n" + header + "\r\n\r\n"))
			if err != nil {
				continue
			}
			req := msg.(*sipmsg.Request)
			fit(rt, CallerOf(trunkOf(true), req))
			for _, d := range Diverted(req, trunkOf(true)) {
				if hasControl(d) || utf8.RuneCountInString(d) > 128 {
					rt.Fatalf("diverted %q", d)
				}
			}
		}
	})
}

func fit(t *rapid.T, p call.Party) {
	for _, s := range []string{p.Display, p.Number, p.URI} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Fatalf("%+v holds what cannot be shown: %q", p, s)
		}
	}
	if utf8.RuneCountInString(p.Display) > 128 || len(p.URI) > 4096 || strings.ContainsFunc(p.Display, func(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }) {
		t.Fatalf("%+v", p)
	}
	if p.Withheld && (p.Number != "" || p.Display != "" || p.Verified) {
		t.Fatalf("withheld, and yet %+v", p)
	}
}

func TestDialString(t *testing.T) {
	tr := trunkOf(false)
	for in, want := range map[string]string{"+8613800138000": "+8613800138000", "13800138000": "+8613800138000", "101": "101", "*97": "*97", "10086": "10086"} {
		if got, err := tr.DialString(in); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", in, got, err, want)
		}
	}
	// Abuse case 3: nothing but a number leaves by a trunk.
	for _, in := range []string{"", "1;phone-context=+881", "101@evil.example", "sip:101@evil", "alice", "1%0D%0AX:1", "1\r\nX: 1", "anonymous", "<1>"} {
		if got, err := tr.DialString(in); err == nil {
			t.Errorf("%q: dialled as %q", in, got)
		}
	}
}
