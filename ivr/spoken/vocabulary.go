package spoken

import (
	"slices"
	"strconv"
	"time"
)

// Vocabulary returns all words that this package may return in a language, [Pause] left out.
func Vocabulary(language string) []string {
	var out []string
	for n := range 100 {
		out = append(out, Number(int64(n), language)...)
	}
	if language == Chinese {
		out = append(out, "幺", "两", "万", "亿", "年", "分", "凌晨", "上午", "中午", "下午", "晚上")
		for d := 1; d < 10; d++ {
			out = append(out, digitsZh[d]+"百", digitsZh[d]+"千", "一"+under100zh(9+d))
		}
		out = append(out, "一十九", "两百", "两千")
		for h := range 13 {
			out = append(out, under100zh(h)+"点")
		}
		out = append(out, "两点")
		for d := 1; d <= 31; d++ {
			out = append(out, under100zh(d)+"日")
		}
	} else {
		out = append(out, "hundred", "thousand", "million", "billion", "and", "oh", "a.m.", "p.m.", "noon", "midnight")
		out = append(out, ordinals[1:]...)
	}
	for m := range 12 {
		if language == Chinese {
			out = append(out, under100zh(m+1)+"月")
		} else {
			out = append(out, time.Month(m+1).String())
		}
	}
	for d := range 7 {
		out = append(out, Weekday(time.Date(2026, 1, 4+d, 0, 0, 0, 0, time.UTC), language))
	}
	out = append(out, Digits("*#+-", language)...)
	for d := range 10 {
		out = append(out, word(strconv.Itoa(d), language))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
