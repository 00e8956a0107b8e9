package spoken

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func join(words []string, language string) string {
	if language == Chinese {
		return strings.Join(words, "")
	}
	return strings.ReplaceAll(strings.Join(words, " "), " ,", ",")
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		n      int64
		zh, en string
	}{
		{0, "零", "zero"},
		{2, "二", "two"},
		{10, "十", "ten"},
		{11, "十一", "eleven"},
		{12, "十二", "twelve"},
		{20, "二十", "twenty"},
		{21, "二十一", "twenty-one"},
		{100, "一百", "one hundred"},
		{101, "一百零一", "one hundred and one"},
		{110, "一百一十", "one hundred and ten"},
		{119, "一百一十九", "one hundred and nineteen"},
		{200, "两百", "two hundred"},
		{222, "两百二十二", "two hundred and twenty-two"},
		{1000, "一千", "one thousand"},
		{1001, "一千零一", "one thousand and one"},
		{1010, "一千零一十", "one thousand and ten"},
		{2000, "两千", "two thousand"},
		{2222, "两千二百二十二", "two thousand two hundred and twenty-two"},
		{10000, "一万", "ten thousand"},
		{10001, "一万零一", "ten thousand and one"},
		{10010, "一万零一十", "ten thousand and ten"},
		{10500, "一万零五百", "ten thousand five hundred"},
		{20000, "两万", "twenty thousand"},
		{12_0000, "十二万", "one hundred and twenty thousand"},
		{22_2222, "二十二万两千二百二十二", "two hundred and twenty-two thousand two hundred and twenty-two"},
		{100_0000, "一百万", "one million"},
		{1_0000_0000, "一亿", "one hundred million"},
		{2_0000_0002, "两亿零二", "two hundred million and two"},
		{10_0002_0000, "十亿零二万", "one billion twenty thousand"},
		{-5, "负五", "minus five"},
	} {
		if got := join(Number(c.n, Chinese), Chinese); got != c.zh {
			t.Errorf("%d: %s, want %s", c.n, got, c.zh)
		}
		if got := join(Number(c.n, "en"), "en"); got != c.en {
			t.Errorf("%d: %s, want %s", c.n, got, c.en)
		}
	}
	if got := join(Count(2, Chinese), Chinese); got != "两" {
		t.Errorf("two of something: %s", got)
	}
}

func TestDigitsAndPhones(t *testing.T) {
	for _, c := range []struct{ s, zh, en string }{
		{"13800138000", "幺三八,零零幺三,八零零零", "one three eight, zero zero one three, eight zero zero zero"},
		{"+8613800138000", "加八六,幺三八,零零幺三,八零零零", "plus eight six, one three eight, zero zero one three, eight zero zero zero"},
		{"110", "幺幺零", "one one zero"},
		{"4000", "四零零零", "four zero zero zero"},
		{"+4930123456", "加四九,三零幺二,三四五六", "plus four nine, three zero one two, three four five six"},
	} {
		if got := join(Phone(c.s, Chinese), Chinese); got != c.zh {
			t.Errorf("%s: %s, want %s", c.s, got, c.zh)
		}
		if got := join(Phone(c.s, "en"), "en"); got != c.en {
			t.Errorf("%s: %s, want %s", c.s, got, c.en)
		}
	}
	if got := join(Digits("1042#", Chinese), Chinese); got != "一零四二井号" {
		t.Errorf("digits: %s", got)
	}
	if got := join(Digits("a1 2*", "en"), "en"); got != "one two star" {
		t.Errorf("digits: %s", got)
	}
}

func TestDatesAndTimes(t *testing.T) {
	for _, c := range []struct{ at, zh, en string }{
		{"2026-03-05T00:00", "二零二六年三月五日 凌晨零点", "March fifth, twenty twenty-six midnight"},
		{"2005-12-31T09:05", "二零零五年十二月三十一日 上午九点零五分", "December thirty-first, two thousand and five nine oh five a.m."},
		{"1999-10-22T12:00", "一九九九年十月二十二日 中午十二点", "October twenty-second, nineteen ninety-nine noon"},
		{"1905-01-11T14:30", "一九零五年一月十一日 下午两点三十分", "January eleventh, nineteen oh five two thirty p.m."},
		{"2000-02-20T23:59", "二零零零年二月二十日 晚上十一点五十九分", "February twentieth, two thousand eleven fifty-nine p.m."},
		{"2026-05-03T02:10", "二零二六年五月三日 凌晨两点十分", "May third, twenty twenty-six two ten a.m."},
	} {
		at, err := time.Parse("2006-01-02T15:04", c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := join(Date(at, Chinese), Chinese) + " " + join(Clock(at, Chinese), Chinese); got != c.zh {
			t.Errorf("%s: %s, want %s", c.at, got, c.zh)
		}
		if got := join(Date(at, "en"), "en") + " " + join(Clock(at, "en"), "en"); got != c.en {
			t.Errorf("%s: %s, want %s", c.at, got, c.en)
		}
	}
}

// TestNumbersReadBack reads what was said as a listener would.
func TestNumbersReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64Range(0, Max), rapid.Int64Range(0, 99999), rapid.Map(rapid.Int64Range(0, 99), func(v int64) int64 { return v * 10001 })).Draw(t, "n")
		if got := hearChinese(join(Number(n, Chinese), Chinese)); got != n {
			t.Fatalf("%d: %v is heard as %d", n, Number(n, Chinese), got)
		}
		if got := hearEnglish(Number(n, "en")); got != n {
			t.Fatalf("%d: %v is heard as %d", n, Number(n, "en"), got)
		}
		if s := join(Number(n, Chinese), Chinese); strings.Contains(s, "零零") || (n > 0 && strings.HasSuffix(s, "零")) {
			t.Fatalf("%d: %s", n, s)
		}
	})
}

func hearChinese(s string) int64 {
	var total, group, digit int64
	for _, r := range s {
		switch r {
		case '零':
		case '十', '百', '千':
			if digit == 0 {
				digit = 1
			}
			group += digit * map[rune]int64{'十': 10, '百': 100, '千': 1000}[r]
			digit = 0
		case '万', '亿':
			total += (group + digit) * map[rune]int64{'万': 1_0000, '亿': 1_0000_0000}[r]
			group, digit = 0, 0
		case '两':
			digit = 2
		default:
			digit = int64(slices.Index(digitsZh, string(r)))
		}
	}
	return total + group + digit
}

func hearEnglish(words []string) int64 {
	var total, group int64
	for _, w := range words {
		switch w {
		case "and":
		case "hundred":
			group *= 100
		case "thousand", "million", "billion":
			total += group * map[string]int64{"thousand": 1e3, "million": 1e6, "billion": 1e9}[w]
			group = 0
		default:
			for n := range 100 {
				if under100en(n) == w {
					group += int64(n)
				}
			}
		}
	}
	return total + group
}

// TestVocabularyIsComplete: whatever is said can be said from what was spoken ahead.
func TestVocabularyIsComplete(t *testing.T) {
	known := map[string]map[string]bool{}
	for _, l := range []string{Chinese, "en"} {
		known[l] = map[string]bool{Pause: true}
		for _, w := range Vocabulary(l) {
			known[l][w] = true
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-Max, Max), rapid.Int64Range(0, 20000)).Draw(t, "n")
		at := time.Unix(rapid.Int64Range(-2e9, 1e10).Draw(t, "at"), 0).UTC()
		s := rapid.StringMatching(`[+*#0-9a-z-]{0,30}`).Draw(t, "s")
		for _, l := range []string{Chinese, "en"} {
			for _, w := range slices.Concat(Number(n, l), Count(n, l), Digits(s, l), Phone(s, l), Date(at, l), Clock(at, l), []string{Weekday(at, l)}) {
				if !known[l][w] {
					t.Fatalf("%s: %q is not in the vocabulary", l, w)
				}
			}
		}
	})
}
