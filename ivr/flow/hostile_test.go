package flow

import (
	"strings"
	"testing"
	"time"
)

// TestHostileFiles: a file as large as a quarter of what is allowed is judged in bearable time, whatever is in it.
func TestHostileFiles(t *testing.T) {
	const size, bearable = MaxSource / 4, 10 * time.Second // on a busy machine, with the race detector; alone it is a tenth of a second
	for name, unit := range map[string]string{
		"brackets": "[", "braces": "{a: ", "dashes": "- ", "questions": "? ", "comments": "#\n", "comments after keys": "a:\n#c\n", "anchors": "- &a a\n",
		"tags": "- !!a b\n", "quotes": "\"", "blocks": "a: |\n  x\n", "keys": "a: b\n", "spaces": " ", "tabs": "\t", "new lines": "\n", "colons": ": ",
		"nodes": "x: {kind: play, say: a, next: x}\n", "commas": "[a,", "aliases": "*a ", "nul": "\x00", "bom": "\ufeff", "percent": "%\n", "dots": "...\n",
		"documents": "---\n", "indent": "\n ", "stars": "\"*\": *\n", "folds": ">\n ", "escapes": `"\x41`, "pluses": "- +\n",
	} {
		for _, head := range []string{"", "flow: x\nstart: a\nfallback: a\nnodes:\n"} {
			source := head + strings.Repeat(unit, (size-len(head))/len(unit))
			begin := time.Now()
			_, problems := Check(source, stage{})
			if took := time.Since(begin); took > bearable {
				t.Errorf("%s took %s", name, took)
			}
			if len(problems) == 0 {
				t.Errorf("%s has no problem", name)
			}
			begin = time.Now()
			Outline(source)
			if took := time.Since(begin); took > bearable {
				t.Errorf("outline of %s took %s", name, took)
			}
		}
	}
}
