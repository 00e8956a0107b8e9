package spoken

var (
	smallEn = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
		"fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}
	tensEn   = []string{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}
	ordinals = []string{"", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
		"thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty-first",
		"twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth",
		"thirtieth", "thirty-first"}
)

// under100en is one word of the vocabulary: "seven", "thirty-five".
func under100en(n int) string {
	switch {
	case n < 20:
		return smallEn[n]
	case n%10 == 0:
		return tensEn[n/10]
	}
	return tensEn[n/10] + "-" + smallEn[n%10]
}

func english(n int64) []string {
	if n < 100 {
		return []string{under100en(int(n))}
	}
	var out []string
	for _, g := range []struct {
		size int64
		name string
	}{{1_000_000_000, "billion"}, {1_000_000, "million"}, {1_000, "thousand"}} {
		if v := int(n / g.size % 1000); v > 0 {
			out = append(append(out, hundreds(v, false)...), g.name)
		}
	}
	if v := int(n % 1000); v > 0 {
		out = append(out, hundreds(v, len(out) > 0)...)
	}
	return out
}

// hundreds reads 1 to 999; after thousands a number below a hundred is joined by "and" as well.
func hundreds(v int, joined bool) []string {
	var out []string
	if v >= 100 {
		out = append(out, smallEn[v/100], "hundred")
	}
	if rest := v % 100; rest > 0 {
		if joined || v >= 100 {
			out = append(out, "and")
		}
		out = append(out, under100en(rest))
	}
	return out
}

// year reads a year as a date has it.
func year(y int) []string {
	century, rest := y/100, y%100
	switch {
	case y < 1000 || y > 9999:
		return Number(int64(y), "en")
	case rest == 0 && century%10 == 0:
		return english(int64(y))
	case century%10 == 0 && rest < 10:
		return english(int64(y)) // two thousand and five
	case rest == 0:
		return []string{under100en(century), "hundred"}
	case rest < 10:
		return []string{under100en(century), "oh", under100en(rest)}
	}
	return []string{under100en(century), under100en(rest)}
}
