package ari

import (
	"strings"
	"time"
)

// Time is Asterisk's way to write a time: "2026-11-22T11:00:00.123+0000". One that cannot be read is zero.
type Time struct{ time.Time }

// UnmarshalJSON reads one.
func (t *Time) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	for _, layout := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
		if at, err := time.Parse(layout, s); err == nil {
			t.Time = at
			return nil
		}
	}
	t.Time = time.Time{}
	return nil
}
