package journal

import (
	"encoding/json"
	"time"
)

// Kind names what a [Fact] says happened. Whoever files a kind says what its payload is.
type Kind string

// Fact is something that happened to a call, as it is filed. CallID is "" for a fact that is about no call.
type Fact struct {
	ID     string          `json:"id"` // UUID; applied once
	CallID string          `json:"call_id"`
	Kind   Kind            `json:"kind"`
	At     time.Time       `json:"at"`
	Data   json.RawMessage `json:"data"`
}

// encode is f as json.Marshal has it, without reading the payload again.
func (f Fact) encode() []byte {
	b := make([]byte, 0, len(f.Data)+200)
	b = appendQuoted(append(b, `{"id":`...), f.ID)
	b = appendQuoted(append(b, `,"call_id":`...), f.CallID)
	b = appendQuoted(append(b, `,"kind":`...), string(f.Kind))
	b = f.At.AppendFormat(append(b, `,"at":"`...), time.RFC3339Nano)
	return append(append(append(b, `","data":`...), f.Data...), '}')
}

// appendQuoted appends s as a string of JSON: at once when it is an id, as it nearly always is.
func appendQuoted(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			q, _ := json.Marshal(s) // a string can always be written
			return append(b, q...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Decode reads the payload of f into v.
func (f Fact) Decode(v any) error { return json.Unmarshal(f.Data, v) }
