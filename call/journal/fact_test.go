package journal

import (
	"encoding/json"
	"testing"
	"time"

	"hotline"
)

// TestFactEncodes holds the hand-made JSON of a fact to the library's.
func TestFactEncodes(t *testing.T) {
	for _, f := range []Fact{
		{ID: hotline.NewID(), CallID: hotline.NewID(), Kind: "call.ended", At: time.Now().UTC(), Data: json.RawMessage(`{"a":[1,"ü"]}`)},
		{ID: `odd "id"` + "\n", CallID: "", Kind: "x", At: time.Unix(0, 0).UTC(), Data: json.RawMessage(`null`)},
	} {
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(f.encode()); got != string(want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
