package ivr

import "strings"

// mayDial says whether number is on the outbound allow-list: an entry is a number, or a prefix that ends in "*". Nothing but digits
// and a leading "+" is ever dialled: no ";phone-context", no URI.
func mayDial(allow []string, number string) bool {
	if !dialable(number) {
		return false
	}
	for _, entry := range allow {
		if prefix, wild := strings.CutSuffix(entry, "*"); wild && len(prefix) > 1 && strings.HasPrefix(number, prefix) {
			return true
		}
		if entry == number {
			return true
		}
	}
	return false
}

func dialable(number string) bool {
	digits := strings.TrimPrefix(number, "+")
	if len(digits) < 2 || len(digits) > 20 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}
