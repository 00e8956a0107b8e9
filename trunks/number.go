package trunks

import (
	"regexp"
	"strings"
	"time"

	"hotline/trunks/e164"
	"hotline/trunks/header"
)

// Number is a number that can be dialled to reach us (DID): a row of table number. It points to a flow.
type Number struct {
	Number    string    `json:"number"` // E.164 with "+", or an extension, short code or name as dialled
	Title     string    `json:"title"`
	Flow      string    `json:"flow"`
	Queue     string    `json:"queue"`    // default queue, may be ""
	TrunkID   string    `json:"trunk_id"` // "": reachable through any trunk
	Language  string    `json:"language"` // zh-CN or en
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	dialedPattern = regexp.MustCompile(`^(\+[0-9]{7,15}|[0-9*#]{1,15}|[a-z][a-z0-9._-]{0,63})$`)
)

// validate brings the number into the form in which it is looked up and refuses what could never be dialled.
func (n *Number) validate() error {
	n.Number = strings.ToLower(e164.Strip(n.Number))
	if !dialedPattern.MatchString(n.Number) {
		return invalid("number", "number.bad_number",
			"%q is neither a number in international form such as +861012345678, nor an extension of up to 15 digits, nor a name", header.Clean(n.Number))
	}
	if err := checkText("title", n.Title, 0, 200); err != nil {
		return err
	}
	if !namePattern.MatchString(n.Flow) {
		return invalid("flow", "number.bad_flow", "a number must point to a flow")
	}
	if n.Queue != "" && !namePattern.MatchString(n.Queue) {
		return invalid("queue", "number.bad_queue", "%q is no queue", n.Queue)
	}
	if n.Language == "" {
		n.Language = "zh-CN"
	}
	if n.Language != "zh-CN" && n.Language != "en" {
		return invalid("language", "number.bad_language", "%q is none of zh-CN, en", n.Language)
	}
	return nil
}
