package spoken

var digitsZh = []string{"零", "一", "二", "三", "四", "五", "六", "七", "八", "九"}

// under100zh is one word of the vocabulary: "七", "十二", "三十五".
func under100zh(n int) string {
	switch tens, ones := n/10, n%10; {
	case tens == 0:
		return digitsZh[ones]
	case tens == 1 && ones == 0:
		return "十"
	case tens == 1:
		return "十" + digitsZh[ones]
	case ones == 0:
		return digitsZh[tens] + "十"
	default:
		return digitsZh[tens] + "十" + digitsZh[ones]
	}
}

// chinese reads n in groups of ten thousand. A gap anywhere inside is one 零.
func chinese(n int64) []string {
	if n < 100 {
		return []string{under100zh(int(n))}
	}
	var out []string
	gap := false
	for _, g := range []struct {
		size int64
		name string
	}{{100_000_000, "亿"}, {10_000, "万"}, {1, ""}} {
		v := int(n / g.size % 10_000)
		if v == 0 {
			gap = len(out) > 0
			continue
		}
		leading := len(out) == 0
		if !leading && (gap || v < 1000) {
			out = append(out, "零")
		}
		gap = false
		if v == 2 && g.name != "" && leading {
			out = append(out, "两")
		} else {
			out = append(out, groupZh(v, leading)...)
		}
		if g.name != "" {
			out = append(out, g.name)
		}
	}
	return out
}

// groupZh reads 1 to 9999. Leading 10 to 19 are 十…, inside a number 一十….
func groupZh(v int, leading bool) []string {
	var out []string
	if t := v / 1000; t > 0 {
		out = append(out, measure(t, true)+"千")
	}
	h, rest := v/100%10, v%100
	if h > 0 {
		out = append(out, measure(h, leading && len(out) == 0)+"百")
	} else if len(out) > 0 && rest > 0 {
		out = append(out, "零")
	}
	switch {
	case rest == 0:
	case rest < 10 && h > 0:
		out = append(out, "零", digitsZh[rest])
	case rest >= 10 && rest < 20 && (!leading || len(out) > 0):
		out = append(out, "一"+under100zh(rest))
	default:
		out = append(out, under100zh(rest))
	}
	return out
}

// measure is a digit before 千 or 百: two is 两 there, unless it stands inside a number before 百.
func measure(d int, liang bool) string {
	if d == 2 && liang {
		return "两"
	}
	return digitsZh[d]
}

func clockChinese(h, m int) []string {
	part := "晚上"
	switch {
	case h < 6:
		part = "凌晨"
	case h < 12:
		part = "上午"
	case h == 12:
		part = "中午"
	case h < 18:
		part = "下午"
	}
	shown := h
	if h > 12 {
		shown = h - 12
	}
	hour := under100zh(shown)
	if shown == 2 {
		hour = "两"
	}
	out := []string{part, hour + "点"}
	switch {
	case m == 0:
	case m < 10:
		out = append(out, "零", digitsZh[m], "分")
	default:
		out = append(out, under100zh(m), "分")
	}
	return out
}
