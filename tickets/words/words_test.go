package words

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestTokensAreFoundAgain draws texts and looks for parts of them: what is a word, or two characters that stand together, in a text
// must be in its document.
func TestTokensAreFoundAgain(t *testing.T) {
	word := rapid.OneOf(rapid.StringMatching(`[a-zA-Zäöüéñß]{1,12}`), rapid.StringMatching(`[0-9]{1,12}`), rapid.StringMatching(`[一-龥]{1,6}`), rapid.StringMatching(`[ぁ-ん가-힣]{1,4}`))
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(word, 1, 8).Draw(rt, "words")
		doc := Document(Text(strings.Join(words, " ")))
		for _, w := range words {
			for _, token := range Text(w) {
				if !slices.Contains(doc, token) {
					rt.Fatalf("%q of %q is not in %q", token, w, doc)
				}
			}
		}
	})
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{"退款", "a'b", `\\'`, "138 1234", strings.Repeat("界", 600), "\xff", "'':*", "ﷺ", "İ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := Query(s)
		if !utf8.ValidString(q) || strings.ContainsRune(q, 0) || strings.Count(q, "'")%2 != 0 || len(q) > 100_000 {
			t.Errorf("%q gives %q", s, q)
		}
		for _, token := range Document(Text(s), Phone(s)) {
			if token == "" || !utf8.ValidString(token) || len(token) > 2000 {
				t.Errorf("%q has token %q", s, token)
			}
		}
		Excerpt(s, s)
	})
}
