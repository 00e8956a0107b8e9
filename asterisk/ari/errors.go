package ari

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"hotline"
)

// Refused is an answer of Asterisk other than success.
type Refused struct {
	Node, Operation, ID string
	Status              int    // as in HTTP
	Message             string // Asterisk's own words
}

func (e *Refused) Error() string {
	return fmt.Sprintf("asterisk %s: %s %s: %d %s", e.Node, e.Operation, e.ID, e.Status, e.Message)
}

// Lost is a request without an answer. Whether it was done is unknown.
type Lost struct {
	Node, Operation, ID string
	Err                 error
}

func (e *Lost) Error() string {
	return fmt.Sprintf("asterisk %s: %s %s: no answer: %v", e.Node, e.Operation, e.ID, e.Err)
}

func (e *Lost) Unwrap() error { return e.Err }

// Gone says that the channel or bridge is not there any more (404): a normal outcome, no alarm.
func Gone(err error) bool { return status(err) == http.StatusNotFound }

// Conflict says that the state does not allow it (409): not in Stasis, not in the bridge, id taken.
func Conflict(err error) bool { return status(err) == http.StatusConflict }

// Precondition says that the channel is in a state that does not allow it (412): not answered, say.
func Precondition(err error) bool { return status(err) == http.StatusPreconditionFailed }

// Unprocessable says that it makes no sense for this channel or bridge (422).
func Unprocessable(err error) bool { return status(err) == http.StatusUnprocessableEntity }

// Unavailable says that there is no answer: not connected, connection lost, or time over. Whether it was done is unknown.
func Unavailable(err error) bool {
	var lost *Lost
	return errors.As(err, &lost)
}

func status(err error) int {
	var refused *Refused
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}

// normal says that an answer belongs to the life of calls, which end at any moment.
func normal(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return true
	}
	return status/100 == 2
}

func (r *Requester) lost(q request, err error) error {
	return hotline.Errorf(hotline.Unavailable, "ari.unavailable", "%w", &Lost{r.cfg.Name, q.op.name, q.id, err})
}

// refused names an answer once: kinds are chosen here and nowhere else.
func (r *Requester) refused(q request, a reply) error {
	e := &Refused{Node: r.cfg.Name, Operation: q.op.name, ID: q.id, Status: a.status, Message: message(a)}
	switch {
	case q.op == opDestroyBridge && a.status == http.StatusConflict: // it is going: Asterisk has taken it out of the application already
		e.Status = http.StatusNotFound
	case (q.op == opAdd || q.op == opRemove) && a.status == http.StatusBadRequest: // one of the channels is not there any more
		e.Status = http.StatusNotFound
	case q.op == opAnswer && a.status == http.StatusInternalServerError: // the caller hangs up in this instant
		e.Status = http.StatusNotFound
	}
	switch e.Status {
	case http.StatusNotFound:
		return hotline.Errorf(hotline.NotFound, "ari.gone", "%w", e)
	case http.StatusConflict, http.StatusPreconditionFailed:
		return hotline.Errorf(hotline.Conflict, "ari.conflict", "%w", e)
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return hotline.Errorf(hotline.Invalid, "ari.invalid", "%w", e)
	case http.StatusUnauthorized:
		return hotline.Errorf(hotline.Denied, "ari.denied", "%w: the Asterisk does not accept user %q; compare user and password with its ari.conf", e, r.cfg.User)
	case http.StatusForbidden:
		return hotline.Errorf(hotline.Denied, "ari.read_only", "%w: set read_only = no for user %q in ari.conf", e, r.cfg.User)
	case http.StatusServiceUnavailable:
		return hotline.Errorf(hotline.Unavailable, "ari.busy", "%w", e)
	}
	return hotline.Errorf(hotline.Internal, "ari.failed", "%w", e)
}

// message takes Asterisk's words out of an answer: {"message": "…"}, at most a line.
func message(a reply) string {
	var m struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(a.body, &m) != nil || m.Message+m.Error == "" {
		return http.StatusText(a.status)
	}
	text, _, _ := strings.Cut(m.Message+m.Error, "\n")
	return text[:min(len(text), 200)]
}

// onlyTypes says that JSON was well-formed and one field had another type than expected: the others are there.
func onlyTypes(err error) bool {
	var t *json.UnmarshalTypeError
	return errors.As(err, &t)
}
