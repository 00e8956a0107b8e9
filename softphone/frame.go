package softphone

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"hotline"
)

// Protocol is the websocket subprotocol, with its version.
const Protocol = "hotline.v1"

// command is a frame from a browser.
type command struct {
	ID   string          `json:"id"`
	Cmd  string          `json:"cmd"`
	Data json.RawMessage `json:"data"`
}

// reply answers a command.
type reply struct {
	Reply   string   `json:"reply"`
	OK      bool     `json:"ok"`
	Data    any      `json:"data,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

func (r reply) frame() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		b, _ = json.Marshal(reply{Reply: r.Reply, Problem: problemOf(err)})
	}
	return b
}

// Problem is why a command was refused: the same words as those of the HTTP API.
type Problem struct {
	Status int           `json:"status"`
	Code   string        `json:"code"` // key of the message in the console's catalogues
	Title  string        `json:"title"`
	Detail string        `json:"detail"` // what is wrong and how to mend it, in English
	Errors []ProblemItem `json:"errors,omitempty"`
}

// ProblemItem is one input that is to blame.
type ProblemItem struct {
	Path    string `json:"path"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

var kindStatus = map[hotline.Kind]int{
	hotline.Invalid:     http.StatusUnprocessableEntity,
	hotline.NotFound:    http.StatusNotFound,
	hotline.Conflict:    http.StatusConflict,
	hotline.Denied:      http.StatusForbidden,
	hotline.Unavailable: http.StatusServiceUnavailable,
}

// problemOf turns an error into what the browser is told. What nobody has classified is a fault of ours: its text is for the log.
func problemOf(err error) *Problem {
	var e *hotline.Error
	if !errors.As(err, &e) || kindStatus[e.Kind] == 0 {
		return newProblem(http.StatusInternalServerError, "internal", "something went wrong on our side")
	}
	code := e.Code
	if code == "" {
		code = string(e.Kind)
	}
	p := newProblem(kindStatus[e.Kind], code, e.Message)
	if e.Field != "" {
		p.Errors = []ProblemItem{{Path: e.Field, Message: e.Message, Code: code}}
	}
	return p
}

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Title: http.StatusText(status), Detail: detail}
}

// decode reads the data of a command. What is not known is refused: a misspelt field must not pass for a missing one.
func decode(data json.RawMessage, into any) error {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		data = json.RawMessage("{}")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return hotline.Errorf(hotline.Invalid, "socket.data", "the data of the command cannot be read: %v", err)
	}
	if d.More() {
		return hotline.Errorf(hotline.Invalid, "socket.data", "the data of the command is more than one value")
	}
	return nil
}

// event makes the frame of an event out of data that is encoded already: the same data goes to many, each with a number of its own.
func eventFrame(seq uint64, name string, data []byte) []byte {
	b := make([]byte, 0, len(data)+len(name)+48)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, seq, 10)
	b = append(b, `,"event":"`...)
	b = append(b, name...)
	b = append(b, `","data":`...)
	b = append(b, data...)
	return append(b, '}')
}
