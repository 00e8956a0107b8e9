// Package words makes the tokens by which tickets, notes and people are found.
//
// It knows text and numbers and neither tables nor what they mean. Start at [Text] and [Query].
package words

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"hotline/tickets/phone"
)

// Tokens of search. PostgreSQL's parsers know no Chinese and split phone numbers, so the words are made here:
//
//   - a word is a run of letters and digits, folded: full width to half, lower case, without accents;
//   - a run of Chinese, Japanese or Korean characters becomes its pairs, and its last character alone, so that two characters find
//     and one finds as the beginning of a pair;
//   - a number that a person has becomes ">digits" and "<stigid", so that its beginning and its end are found as prefixes.
const (
	maxWord   = 64   // longer words are cut: they are no words
	maxTokens = 4000 // of one document; a tsvector holds no more than 1 MB
	fromStart = ">"
	fromEnd   = "<"
)

// fold makes what means the same look the same.
func fold(s string) string {
	s = norm.NFKD.String(strings.ToLower(strings.ToValidUTF8(s, " ")))
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1 // an accent, now on its own
		}
		return r
	}, s)
	return norm.NFC.String(s) // Hangul syllables together again
}

func isCJK(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo)
}

// run is a stretch of one sort of text.
type run struct {
	text []rune
	cjk  bool
}

// runs splits folded text.
func runs(s string) []run {
	var list []run
	open := false
	for _, r := range fold(s) {
		cjk := isCJK(r)
		switch {
		case !cjk && !unicode.IsLetter(r) && !unicode.IsDigit(r):
			open = false
		case open && list[len(list)-1].cjk == cjk:
			last := &list[len(list)-1]
			last.text = append(last.text, r)
		default:
			list = append(list, run{text: []rune{r}, cjk: cjk})
			open = true
		}
	}
	return list
}

// Text returns the tokens of a text.
func Text(s string) []string {
	var list []string
	for _, r := range runs(s) {
		if len(list) >= maxTokens {
			break
		}
		if !r.cjk {
			list = append(list, string(r.text[:min(len(r.text), maxWord)]))
			continue
		}
		for i := range len(r.text) - 1 {
			list = append(list, string(r.text[i:i+2]))
		}
		list = append(list, string(r.text[len(r.text)-1]))
	}
	return list
}

// Phone returns the tokens of a number.
func Phone(value string) []string {
	digits := phone.Digits(value)
	if digits == "" {
		return nil
	}
	list := []string{fromStart + digits, fromEnd + reverse(digits)}
	if national := phone.National(value); national != "" && national != digits {
		list = append(list, fromStart+national)
	}
	return list
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// Document joins tokens, each once.
func Document(parts ...[]string) []string {
	all := append([]string{}, slices.Concat(parts...)...) // never null
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxTokens)]
}

// minPhoneQuery is how many digits a fragment of a number must have: fewer would find everybody.
const minPhoneQuery = 3

// maxTerms of a query; a longer one is a text, not a question.
const maxTerms = 16

// Query turns what was typed into a tsquery in text form, all terms to be found, the last word also as a prefix; "" when there is
// nothing to search for.
func Query(typed string) string {
	if len(typed) > 500 {
		typed = typed[:500]
	}
	var terms []string
	if digits := numberTyped(typed); digits != "" {
		return numberTerm(digits)
	}
	all := runs(typed)
	for i, r := range all {
		last := i == len(all)-1
		switch {
		case len(terms) >= maxTerms:
		case !r.cjk && isDigits(r.text):
			terms = append(terms, numberTerm(string(r.text[:min(len(r.text), maxWord)])))
		case !r.cjk:
			term := quote(string(r.text[:min(len(r.text), maxWord)]))
			if last && !endsApart(typed) {
				term += ":*"
			}
			terms = append(terms, term)
		case len(r.text) == 1:
			terms = append(terms, quote(string(r.text))+":*")
		default:
			for i := range len(r.text) - 1 {
				terms = append(terms, quote(string(r.text[i:i+2])))
			}
		}
	}
	return strings.Join(terms, " & ")
}

// numberTyped returns the digits when all that was typed is one number, grouped as people write it: "+86 138 1234 5678". Two plain
// numbers of few digits are two terms.
func numberTyped(typed string) string {
	folded := strings.TrimSpace(phone.Clean(typed))
	if folded == "" || strings.Trim(folded, "+0123456789 -().") != "" {
		return ""
	}
	digits := phone.Digits(folded)
	if len(digits) < 7 && strings.ContainsRune(folded, ' ') {
		return ""
	}
	return digits
}

// numberTerm finds a ticket by its number, a text with that number, and phones that begin or end so.
func numberTerm(digits string) string {
	if len(digits) < minPhoneQuery {
		return quote(digits)
	}
	start := []string{quote(digits), quote(fromStart+digits) + ":*", quote(fromEnd+reverse(digits)) + ":*"}
	if short := strings.TrimLeft(digits, "0"); short != digits && len(short) >= minPhoneQuery {
		start = append(start, quote(fromStart+short)+":*") // 0138…, 0086138…
	}
	return "(" + strings.Join(start, " | ") + ")"
}

func isDigits(r []rune) bool {
	return !slices.ContainsFunc(r, func(c rune) bool { return c < '0' || c > '9' })
}

// endsApart says whether the last word is finished: a space follows it.
func endsApart(s string) bool { return strings.HasSuffix(s, " ") }

// quote makes a lexeme of a word; words have no quotes and no backslashes in them, but a lexeme may not be trusted to that.
func quote(word string) string {
	return "'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(word) + "'"
}

// Tokens are the tokens of a search document made of texts and of phone numbers, for whoever fills the table in bulk.
func Tokens(texts, phones []string) []string {
	var parts [][]string
	for _, s := range texts {
		parts = append(parts, Text(s))
	}
	for _, s := range phones {
		parts = append(parts, Phone(s))
	}
	return Document(parts...)
}

// Excerpt is some 120 characters around the first term that stands in the text as it was typed.
func Excerpt(body, typed string) string {
	text := []rune(strings.Join(strings.Fields(body), " "))
	low := []rune(strings.ToLower(string(text)))
	at := 0
	if len(low) == len(text) { // lower case changes the length of a few letters
		for _, r := range runs(typed) {
			if i := strings.Index(string(low), string(r.text)); i >= 0 {
				at = len([]rune(string(low)[:i]))
				break
			}
		}
	}
	const before, size = 40, 120
	start := max(0, at-before)
	end := min(len(text), start+size)
	s := string(text[start:end])
	if start > 0 {
		s = "…" + s
	}
	if end < len(text) {
		s += "…"
	}
	return s
}
