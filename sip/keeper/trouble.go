package keeper

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"hotline"
	"hotline/sip/reach"
	"hotline/trunks/header"
)

// Trouble is what is wrong with a trunk, for whoever has to mend it: no word of a library is in it.
type Trouble struct {
	Code   string // stable, a key of the message catalogues: "trunk.no_answer"
	Detail string // what the sentence is about: an address, or the response that came
	Text   string // the whole in English
	err    error  // for logs
}

func (t *Trouble) Error() string { return t.Text }

// Unwrap returns the cause, nil if there is none. A nil Trouble has none.
func (t *Trouble) Unwrap() error {
	if t == nil {
		return nil
	}
	return t.err
}

// Unreached is the trouble that nobody was reached at an address.
func Unreached(at netip.AddrPort, transport string, err error) *Trouble {
	why, where := reach.Why(err), at.String()+" over "+strings.ToUpper(transport)
	return &Trouble{Code: "trunk." + string(why), Detail: where, Text: why.At(where), err: err}
}

// Unavailable is the trouble that a call was answered 503.
func Unavailable(reason string) *Trouble {
	return refusal("trunk.call_refused", "the call", 503, reason)
}

func refusal(code, what string, status int, reason string) *Trouble {
	detail := strings.TrimSpace(fmt.Sprintf("%d %s", status, header.Cut(header.Clean(reason), 80)))
	return &Trouble{Code: code, Detail: detail, Text: what + " was answered " + detail}
}

// troubleOf finds the trouble in an error.
func troubleOf(err error) *Trouble {
	var (
		known *Trouble
		reg   *registerError
		own   *hotline.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &reg):
		t := refusal(reg.code(), "REGISTER", reg.status, reg.reason)
		t.Text = reg.Error()
		return t
	case errors.As(err, &own):
		return &Trouble{Code: own.Code, Text: header.Cut(own.Message, 300), err: own.Err}
	}
	return &Trouble{Code: "trunk.failed", Text: "the trunk cannot be reached", err: err}
}
