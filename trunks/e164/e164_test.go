package e164

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var china = Plan{Country: "CN", NationalPrefix: "0", InternationalPrefix: "00"}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		plan      Plan
		in        string
		kind      Kind
		value     string
		extension string
	}{
		{china, "13800138000", Global, "+8613800138000", ""},
		{china, "013800138000", Global, "+8613800138000", ""},
		{china, "8613800138000", Global, "+8613800138000", ""},
		{china, "+86 138-0013-8000", Global, "+8613800138000", ""},
		{china, "008613800138000", Global, "+8613800138000", ""},
		{china, "01062551234", Global, "+861062551234", ""},
		{china, "(010) 6255 1234", Global, "+861062551234", ""},
		{china, "+8601062551234", Global, "+861062551234", ""},
		{china, "４００", Local, "400", ""},
		{china, "4008001234", Global, "+864008001234", ""},
		{china, "0044 20 7946 0958", Global, "+442079460958", ""},
		{china, "+1 (212) 555-0100", Global, "+12125550100", ""},
		// What must not become a number that somebody else has.
		{china, "110", Local, "110", ""},
		{china, "10086", Local, "10086", ""},
		{china, "95588", Local, "95588", ""},
		{china, "12345", Local, "12345", ""},
		{china, "4000", Local, "4000", ""},
		{china, "800123", Local, "800123", ""},
		{china, "62551234", Local, "62551234", ""}, // Beijing, but nobody said so
		{china, "*97", Local, "*97", ""},
		{china, "%2397", Local, "#97", ""},
		{china, "00", Local, "00", ""},
		{china, "0", Local, "0", ""},
		{china, "+110", Local, "+110", ""},
		{china, "13800138000;ext=12", Global, "+8613800138000", "12"},
		{china, "7042;phone-context=+1-914-555", Local, "7042", ""},
		{china, "anonymous", Withheld, "", ""},
		{china, "Restricted", Withheld, "", ""},
		{china, "", Withheld, "", ""},
		{china, "Alice", Name, "alice", ""},
		{china, "1-800-FLOWERS", Name, "1-800-flowers", ""},
		{china, "13800138000\r\nX: y", Name, "13800138000\r\nx: y", ""},
		{china, strings.Repeat("1", 400), Name, strings.Repeat("1", 400), ""},
		{Plan{Country: "US", NationalPrefix: "1", InternationalPrefix: "011"}, "2125550100", Global, "+12125550100", ""},
		{Plan{Country: "US", NationalPrefix: "1", InternationalPrefix: "011"}, "12125550100", Global, "+12125550100", ""},
		{Plan{Country: "US", NationalPrefix: "1", InternationalPrefix: "011"}, "5550100", Local, "5550100", ""},
		{Plan{Country: "US", InternationalPrefix: "011"}, "0118613800138000", Global, "+8613800138000", ""},
		{Plan{Country: "IT", InternationalPrefix: "00"}, "0669812345", Global, "+390669812345", ""}, // the zero belongs to it
		{Plan{}, "13800138000", Local, "13800138000", ""},
		{Plan{}, "+8613800138000", Global, "+8613800138000", ""},
	} {
		got := c.plan.Read(c.in)
		if got.Kind != c.kind || got.Value != c.value || got.Extension != c.extension {
			t.Errorf("%+v Read(%.40q) = %v %.40q ext %q, want %v %.40q ext %q", c.plan, c.in, got.Kind, got.Value, got.Extension, c.kind, c.value, c.extension)
		}
	}
}

// Abuse case 3: a phone-context leads a number nowhere else.
func TestWithin(t *testing.T) {
	for _, c := range []struct {
		plan Plan
		in   string
		want bool
	}{
		{china, "4000", true},
		{china, "+861062551234;ext=3", true},
		{china, "4000;phone-context=+86", true},
		{china, "4000;Phone-Context=+86-10", true},
		{china, "4000;ext=1;phone-context=pbx.example.com", true},
		{china, "+861062551234;phone-context=+86", true},
		{china, "+861062551234;phone-context=+1", false},
		{china, "4000;phone-context=+1900", false},
		{china, "4000%3Bphone-context=+1900", false},
		{china, "4000;phone-context=+86;phone-context=+1900", false},
		{china, "4000;phone-context=", false},
		{china, "4000;phone-context", false},
		{china, "4000;phone-context=+", false},
		{china, "4000;phone-context=+86x", false},
		{china, "4000;phone-context=a@evil.example", false},
		{china, "4000;phone-context=a b", false},
		{china, "4000;phone-context=..", false},
		{china, "4000;phone-context=" + strings.Repeat("a", 2000), false},
		{Plan{}, "4000;phone-context=+86", true},
		{Plan{}, "4000;phone-context=+1900", false},
	} {
		if got := c.plan.Within(c.in); got != c.want {
			t.Errorf("Within(%.60q) = %v, want %v", c.in, got, c.want)
		}
	}
}

// What was read once reads the same again, keeps its form, and nothing up to six digits is ever completed.
func TestReadIsStable(t *testing.T) {
	countries := []string{"", "CN", "US", "DE", "IT", "GB", "JP", "BR"}
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Country: rapid.SampledFrom(countries).Draw(t, "country"), NationalPrefix: rapid.SampledFrom([]string{"", "0", "1"}).Draw(t, "national"),
			InternationalPrefix: rapid.SampledFrom([]string{"", "00", "011"}).Draw(t, "international"),
		}
		in := rapid.OneOf(rapid.StringMatching(`\+?[0-9]{0,18}`), rapid.StringMatching(`[0-9*#() .-]{0,20}`), rapid.String()).Draw(t, "in")
		n := p.Read(in)
		switch n.Kind {
		case Global:
			if len(n.Value) < 8 || len(n.Value) > 16 || n.Value[0] != '+' || strings.Trim(n.Value[1:], "0123456789") != "" {
				t.Fatalf("Read(%q) = %q is no E.164", in, n.Value)
			}
			if again := p.Read(n.Value); again.Value != n.Value || again.Kind != Global {
				t.Fatalf("Read(%q) = %q, which reads as %q", in, n.Value, again.Value)
			}
			if digits := Strip(in); len(digits) <= 6 {
				t.Fatalf("%q was completed to %q", in, n.Value)
			}
		case Local:
			if strings.Trim(n.Value, "+0123456789*#") != "" || n.Value == "" {
				t.Fatalf("Read(%q) = local %q", in, n.Value)
			}
		case Withheld:
			if n.Value != "" {
				t.Fatalf("withheld, but %q", n.Value)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"13800138000", "+86(0)10", "%00", "١٢٣٤٥٦٧", "anonymous;ext=1", "00;ext=;ext=%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := china.Read(s)
		if n.Kind == Global && strings.Trim(n.Value, "+0123456789") != "" {
			t.Fatalf("%q became %q", s, n.Value)
		}
	})
}

func TestTooLongWithItsCountry(t *testing.T) {
	if n := (Plan{Country: "DE"}).Read("20100000000000"); n.Kind != Local || n.Value != "20100000000000" {
		t.Errorf("%+v, want it kept as dialled: with +49 it has sixteen digits", n)
	}
}

func TestCostly(t *testing.T) {
	for number, want := range map[string]bool{
		"+449098790000": true, "+19005550100": true, "+881612345678": true, "+882131234567": true, "+97912345678": true, "+870776123456": true,
		"+8613900139000": false, "+861062345678": false, "+442079460000": false, "4711": false, "": false, "+": false, "anonymous": false,
	} {
		if Costly(number) != want {
			t.Errorf("%q: costly is %v", number, !want)
		}
	}
}
