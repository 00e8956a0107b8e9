package hotline

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an [Error] is. HTTP and SIP codes are chosen from it once, at the edge.
type Kind string

// The kinds. Everything that is not an [Error] is [Internal].
const (
	Invalid     Kind = "invalid"     // the input is wrong; the message says what, where and how to mend it
	NotFound    Kind = "notfound"    // there is no such thing, or the asker may not know that there is
	Conflict    Kind = "conflict"    // somebody else was first, or the state does not allow it
	Denied      Kind = "denied"      // the asker is known and may not do this
	Unavailable Kind = "unavailable" // not now; trying again later may help
	Internal    Kind = "internal"    // a fault of ours
)

// Error is a failure that a person or a peer is told about.
type Error struct {
	Kind    Kind
	Code    string // stable, dotted, a key of the message catalogues: "flow.unknown_node"
	Message string // English, complete: what, where, how to mend
	Field   string // JSON path of the offending input ("weekly[2].from"), if one input is to blame
	Line    int    // 1-based line of the offending file, if the input is a file
	Err     error  // the cause, for logs
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error] of a kind. The code is the key of the message in the catalogues.
func Errorf(kind Kind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// KindOf returns the kind of the first [Error] in err's chain, [Internal] for any other error and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
