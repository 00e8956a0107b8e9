package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"hotline"
	"hotline/web/login"
)

// Problem is the body of every refusal (RFC 9457).
type Problem struct {
	Type     string        `json:"type" doc:"urn:hotline:problem: and the code"`
	Title    string        `json:"title" doc:"what the status means"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail" doc:"what is wrong and how to mend it, in English"`
	Code     string        `json:"code" doc:"stable key of the message in the console's catalogues"`
	Instance string        `json:"instance" doc:"urn:uuid: and the request's id, as in X-Request-Id and in the log"`
	Errors   []ProblemItem `json:"errors" doc:"one an input that is to blame"`

	header http.Header
}

// ProblemItem is one input that is to blame.
type ProblemItem struct {
	Path    string `json:"path" doc:"JSON path in the body, or query.NAME, path.NAME, header.NAME"`
	Message string `json:"message"`
	Code    string `json:"code"`
	Line    int    `json:"line,omitempty" doc:"line of the file, when the input is one"`
}

// StatusGone is what is written down when a client goes away before it is answered; nobody receives it.
const StatusGone = 499

func (p *Problem) Error() string { return p.Detail }

// GetStatus makes a Problem a huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders makes a Problem a huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType makes a Problem a huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// NewProblem makes a refusal.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{
		Type: "urn:hotline:problem:" + code, Title: http.StatusText(status), Status: status,
		Detail: detail, Code: code, Errors: []ProblemItem{}, header: http.Header{},
	}
}

// Stamp says which request the problem belongs to.
func (p *Problem) Stamp(requestID string) *Problem {
	if requestID != "" {
		p.Instance = "urn:uuid:" + requestID
	}
	return p
}

// RetryAfter says when to come back.
func (p *Problem) RetryAfter(d time.Duration) *Problem {
	p.header.Set("Retry-After", strconv.Itoa(int(max(1, (d+time.Second-1)/time.Second))))
	return p
}

// The framework makes its own refusals (malformed JSON, failed validation) through these two variables, which it has for all APIs
// of a process together: that is why this is set when the package is loaded. Offending values are left out of the answer: they may
// be secrets.
func init() {
	huma.DefaultArrayNullable = false
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return frameworkProblem(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return frameworkProblem(status, msg, errs).Stamp(Of(ctx.Context()).ID)
	}
}

var frameworkCodes = map[int]string{
	http.StatusBadRequest:            "request.malformed",
	http.StatusRequestTimeout:        "request.timeout",
	http.StatusRequestEntityTooLarge: "request.too_large",
	http.StatusUnsupportedMediaType:  "request.media_type",
	http.StatusUnprocessableEntity:   "request.invalid",
}

func frameworkProblem(status int, msg string, errs []error) *Problem {
	code, ok := frameworkCodes[status]
	if !ok {
		code = "internal"
		msg, errs = "something went wrong on our side", nil
	}
	if status == http.StatusRequestEntityTooLarge {
		msg = "the request is larger than this address takes"
	}
	p := NewProblem(status, code, msg)
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) {
			continue
		}
		e := d.ErrorDetail()
		p.Errors = append(p.Errors, ProblemItem{Path: strings.TrimPrefix(blamed(e), "body."), Message: e.Message, Code: validationCode(e.Message)})
	}
	if len(p.Errors) == 1 {
		p.Detail = p.Errors[0].Path + ": " + p.Errors[0].Message
	}
	return p
}

// blamed is the path of the input that is to blame. Of a missing property the framework names the object that lacks it.
func blamed(e *huma.ErrorDetail) string {
	rest, missing := strings.CutPrefix(e.Message, "expected required property ")
	name, _, _ := strings.Cut(rest, " ")
	if missing && !strings.HasSuffix(e.Location, "."+name) {
		return e.Location + "." + name
	}
	return e.Location
}

func validationCode(message string) string {
	switch {
	case message == "unexpected property":
		return "property.unexpected"
	case strings.HasPrefix(message, "expected required property"), strings.HasPrefix(message, "required "):
		return "property.required"
	case message == "unknown query parameter":
		return "parameter.unknown"
	case strings.HasPrefix(message, "unknown content type"):
		return "request.media_type"
	default:
		return "value.invalid"
	}
}

var kindStatus = map[hotline.Kind]int{
	hotline.Invalid:     http.StatusUnprocessableEntity,
	hotline.NotFound:    http.StatusNotFound,
	hotline.Conflict:    http.StatusConflict,
	hotline.Denied:      http.StatusForbidden,
	hotline.Unavailable: http.StatusServiceUnavailable,
}

// ProblemOf chooses the status of a domain's error. This is the only place that does.
func ProblemOf(err error) *Problem {
	var p *Problem
	var throttled *login.Throttled
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &throttled):
		return NewProblem(http.StatusTooManyRequests, "login.throttled", "too many attempts: wait and try again").RetryAfter(throttled.RetryAfter)
	case errors.Is(err, login.ErrFailed):
		return NewProblem(http.StatusUnauthorized, "login.failed", "login or password is wrong")
	case errors.Is(err, login.ErrNoSession):
		return Unauthorized()
	case errors.Is(err, context.Canceled):
		return NewProblem(StatusGone, "request.gone", "whoever asked did not wait for the answer")
	}
	if all := domainErrors(err); len(all) > 0 {
		return domainProblem(all)
	}
	return systemProblem(err)
}

// Unauthorized is the refusal of who has not said who they are.
func Unauthorized() *Problem {
	p := NewProblem(http.StatusUnauthorized, "login.required", "log in, or send a valid API token")
	p.header.Set("WWW-Authenticate", `Bearer realm="hotline"`)
	return p
}

// domainErrors finds the [hotline.Error]s of an error: one in a chain, several when they are joined.
func domainErrors(err error) []*hotline.Error {
	switch e := err.(type) {
	case nil:
		return nil
	case *hotline.Error:
		return []*hotline.Error{e}
	case interface{ Unwrap() error }:
		return domainErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []*hotline.Error
		for _, one := range e.Unwrap() {
			all = append(all, domainErrors(one)...)
		}
		return all
	}
	return nil
}

func domainProblem(all []*hotline.Error) *Problem {
	first := all[0]
	status, ok := kindStatus[first.Kind]
	if !ok {
		return systemProblem(first)
	}
	code := first.Code
	if code == "" {
		code = string(first.Kind)
	}
	p := NewProblem(status, code, first.Message)
	for _, e := range all {
		if e.Field != "" || e.Line > 0 || len(all) > 1 {
			p.Errors = append(p.Errors, ProblemItem{Path: e.Field, Message: e.Message, Code: e.Code, Line: e.Line})
		}
	}
	if status == http.StatusServiceUnavailable {
		p.RetryAfter(5 * time.Second)
	}
	return p
}

// systemProblem is for errors that nobody has classified: the database is away, the input cannot be stored, or a fault of ours, whose
// text is for the log alone.
func systemProblem(err error) *Problem {
	var pg *pgconn.PgError
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22"): // data exception: NUL in a text, number out of range, …
		return NewProblem(http.StatusUnprocessableEntity, "value.invalid", "the request contains a value that cannot be stored: "+pg.Message)
	case errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "57") || strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53")),
		errors.As(err, &connect), errors.As(err, &network), pgconn.SafeToRetry(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, net.ErrClosed):
		return NewProblem(http.StatusServiceUnavailable, "database.away", "the database does not answer at this moment; calls go on and are filed later").RetryAfter(5 * time.Second)
	}
	return NewProblem(http.StatusInternalServerError, "internal", "something went wrong on our side")
}

// Write answers with the problem, outside of the framework.
func (p *Problem) Write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	h.Set("Content-Type", "application/problem+json")
	h.Del("Content-Length")
	w.WriteHeader(p.Status)
	WriteJSON(w, p)
}

// Forbidden is the refusal of who may not.
func Forbidden(code, format string, args ...any) *Problem {
	return NewProblem(http.StatusForbidden, code, fmt.Sprintf(format, args...))
}
