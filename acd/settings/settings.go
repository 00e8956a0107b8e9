// Package settings is what can be set of a queue: how callers wait, how they are offered to agents, what follows a call. It checks
// settings and fills in what is left out; it keeps nothing.
//
// Start at [Settings].
package settings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"hotline"
)

// Action is what a way out of a queue leads to.
type Action string

// The actions.
const (
	ToVoicemail Action = "voicemail"
	ToCallback  Action = "callback"
	ToNext      Action = "next"   // the flow's next node
	ToHangup    Action = "hangup" // say goodbye
)

// Settings of a queue; the column queue.settings. A number that is 0 or left out means its default, a switch that is left out is on.
type Settings struct {
	Music            string            `json:"music"`             // name of a prompt; "" is the built-in music
	Announcement     string            `json:"announcement"`      // name of a prompt said with each announcement; "" is none
	AnnounceEveryS   int               `json:"announce_every_s"`  // 30; how often an announcement is considered
	AnnouncePosition bool              `json:"announce_position"` // say the position, if it improved
	AnnounceWait     bool              `json:"announce_wait"`     // say the expected wait, if it is known and improved
	MaxWaitS         int               `json:"max_wait_s"`        // 900
	OnMaxWait        Action            `json:"on_max_wait"`       // voicemail
	MaxWaiting       int               `json:"max_waiting"`       // 0: no limit
	OnFull           Action            `json:"on_full"`           // voicemail
	ExitKeys         map[string]Action `json:"exit_keys"`         // "1": "callback"
	CallbackAfterS   int               `json:"callback_after_s"`  // offer a call-back after so long; 0: at once
	CallbackOffer    bool              `json:"callback_offer"`    // whether a call-back is offered
	VIPPriorityS     int               `json:"vip_priority_s"`    // seconds a VIP is put ahead
	HandlingTimeS    int               `json:"handling_time_s"`   // 180; assumed until it is measured

	Offering  Offering  `json:"offering"`
	Wrap      Wrapping  `json:"wrap"`
	Callbacks Callbacks `json:"callbacks"`
	CallerID  string    `json:"caller_id"` // what customers see whom the queue calls; "": what the route says
	PopURL    string    `json:"pop_url"`   // of another system: https://crm/?phone={e164}&ticket={number}
}

// DefaultSettings are those of a queue that says nothing.
func DefaultSettings() Settings {
	return Settings{
		AnnounceEveryS: 30, AnnouncePosition: true, AnnounceWait: true, MaxWaitS: 900, OnMaxWait: ToVoicemail, OnFull: ToVoicemail,
		CallbackOffer: true, HandlingTimeS: 180,
	}.Filled()
}

// Filled is s with the defaults of the part that is about agents.
func (s Settings) Filled() Settings {
	s.Offering.fill()
	s.Wrap.fill()
	s.Callbacks.fill()
	return s
}

// UnmarshalJSON implements json.Unmarshaler: what is left out is the default, what is unknown is refused.
func (s *Settings) UnmarshalJSON(data []byte) error {
	type plain Settings
	v := plain(DefaultSettings())
	v.Offering, v.Wrap, v.Callbacks = Offering{}, Wrapping{}, Callbacks{} // their defaults depend on what is given
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return err
	}
	def := DefaultSettings()
	*s = Settings(v)
	s.AnnounceEveryS = cmp.Or(s.AnnounceEveryS, def.AnnounceEveryS)
	s.MaxWaitS = cmp.Or(s.MaxWaitS, def.MaxWaitS)
	s.OnMaxWait = cmp.Or(s.OnMaxWait, def.OnMaxWait)
	s.OnFull = cmp.Or(s.OnFull, def.OnFull)
	s.HandlingTimeS = cmp.Or(s.HandlingTimeS, def.HandlingTimeS)
	*s = s.Filled()
	return nil
}

// Check returns what is wrong with the settings: errors of kind Invalid with the field below prefix, joined.
func (s Settings) Check(prefix string) error {
	var errs []error
	bad := func(field, code, format string, args ...any) {
		errs = append(errs, &hotline.Error{Kind: hotline.Invalid, Code: code, Message: fmt.Sprintf(format, args...), Field: prefix + field})
	}
	for _, r := range append([]limit{
		{"announce_every_s", s.AnnounceEveryS, 5, 3600},
		{"max_wait_s", s.MaxWaitS, 10, 24 * 3600},
		{"max_waiting", s.MaxWaiting, 0, 100_000},
		{"callback_after_s", s.CallbackAfterS, 0, 24 * 3600},
		{"vip_priority_s", s.VIPPriorityS, 0, 24 * 3600},
		{"handling_time_s", s.HandlingTimeS, 1, 24 * 3600},
	}, s.agentLimits()...) {
		if r.value < r.least || r.value > r.most {
			bad(r.field, "queue.range", "%s is %d; give a number from %d to %d", r.field, r.value, r.least, r.most)
		}
	}
	for _, a := range []struct {
		field string
		value Action
	}{{"on_max_wait", s.OnMaxWait}, {"on_full", s.OnFull}} {
		if !a.value.known() || a.value == ToCallback && a.field == "on_full" {
			bad(a.field, "queue.action", "%q is no way out of a queue; give voicemail, next or hangup", a.value)
		}
	}
	for key, action := range s.ExitKeys {
		if len(key) != 1 || !strings.Contains("0123456789*#", key) {
			bad("exit_keys."+key, "queue.key", "%q is no key; give one of 0-9, * and #", key)
		}
		if !action.known() {
			bad("exit_keys."+key, "queue.action", "%q is no way out of a queue; give voicemail, callback, next or hangup", action)
		}
	}
	for field, name := range map[string]string{"music": s.Music, "announcement": s.Announcement} {
		if name != "" && !ValidName(name) {
			bad(field, "queue.prompt", "%q is no name of a prompt", name)
		}
	}
	s.checkAgents(bad)
	return errors.Join(errs...)
}

func (a Action) known() bool {
	return a == ToVoicemail || a == ToCallback || a == ToNext || a == ToHangup
}

// ValidName says whether s may name a queue or a prompt: the same rule as in the schema.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// IsZero says that nothing was set at all.
func (s Settings) IsZero() bool { return reflect.ValueOf(s).IsZero() }
