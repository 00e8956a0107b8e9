// Package spoken turns numbers, digits, dates and times into words, as a person of that language would say them.
//
// It returns words of a bounded vocabulary, so that each can be recorded or spoken ahead and joined without waiting. [Pause] is a
// short silence. Languages are "zh-CN" and "en"; any other is read as English. It makes no sound. Start reading at [Number].
package spoken

import (
	"strconv"
	"time"
)

// Pause between groups.
const Pause = ","

// Chinese is the language that has rules of its own; everything else is English.
const Chinese = "zh-CN"

// Max is the largest number that is spoken as a number; what is larger is spoken digit by digit.
const Max = 999_999_999_999

// Number says how many: "两百零五", "two hundred and five".
func Number(n int64, language string) []string {
	if n < -Max || n > Max {
		return Digits(strconv.FormatInt(n, 10), language)
	}
	if n < 0 {
		return append([]string{word("-", language)}, Number(-n, language)...)
	}
	if language == Chinese {
		return chinese(n)
	}
	return english(n)
}

// Count says how many of something: in Chinese 2 before a measure word is 两.
func Count(n int64, language string) []string {
	if n == 2 && language == Chinese {
		return []string{"两"}
	}
	return Number(n, language)
}

// Digits says each digit by itself. What is neither digit, *, #, + nor - is left out.
func Digits(s, language string) []string {
	var out []string
	for _, r := range s {
		if w := word(string(r), language); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// Phone says a telephone number in groups; in Chinese 1 is 幺, which cannot be mistaken for 7.
func Phone(s, language string) []string {
	var out []string
	for i, group := range phoneGroups(s) {
		if i > 0 {
			out = append(out, Pause)
		}
		for _, w := range Digits(group, language) {
			if w == "一" {
				w = "幺"
			}
			out = append(out, w)
		}
	}
	return out
}

// phoneGroups cuts a number as people do: a Chinese mobile 3-4-4, anything else from the end in fours, the country code apart.
func phoneGroups(s string) []string {
	var groups []string
	if len(s) > 3 && s[:3] == "+86" {
		groups, s = []string{"+86"}, s[3:]
	} else if len(s) > 8 && s[0] == '+' {
		groups, s = []string{s[:3]}, s[3:]
	}
	head := len(s) % 4
	if len(s) == 11 {
		head = 3
	}
	if head > 0 {
		groups, s = append(groups, s[:head]), s[head:]
	}
	for ; len(s) >= 4; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return groups
}

// word says one character of a number.
func word(c, language string) string {
	if language == Chinese {
		return map[string]string{"0": "零", "1": "一", "2": "二", "3": "三", "4": "四", "5": "五", "6": "六", "7": "七", "8": "八", "9": "九",
			"*": "星号", "#": "井号", "+": "加", "-": "负"}[c]
	}
	return map[string]string{"0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
		"8": "eight", "9": "nine", "*": "star", "#": "hash", "+": "plus", "-": "minus"}[c]
}

// Date says a day: "二零二六年三月五日", "March fifth, twenty twenty-six".
func Date(t time.Time, language string) []string {
	if language == Chinese {
		return append(Digits(strconv.Itoa(t.Year()), language), "年", under100zh(int(t.Month()))+"月", under100zh(t.Day())+"日")
	}
	return append([]string{t.Month().String(), ordinals[t.Day()], Pause}, year(t.Year())...)
}

// Weekday says the day of the week.
func Weekday(t time.Time, language string) string {
	if language == Chinese {
		return "星期" + []string{"日", "一", "二", "三", "四", "五", "六"}[t.Weekday()]
	}
	return t.Weekday().String()
}

// Clock says a time of the day: "下午两点零五分", "two oh five p.m.".
func Clock(t time.Time, language string) []string {
	h, m := t.Hour(), t.Minute()
	if language == Chinese {
		return clockChinese(h, m)
	}
	switch {
	case h == 0 && m == 0:
		return []string{"midnight"}
	case h == 12 && m == 0:
		return []string{"noon"}
	}
	half := "a.m."
	if h >= 12 {
		half = "p.m."
	}
	out := []string{under100en((h+11)%12 + 1)}
	switch {
	case m == 0:
	case m < 10:
		out = append(out, "oh", under100en(m))
	default:
		out = append(out, under100en(m))
	}
	return append(out, half)
}
