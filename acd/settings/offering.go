package settings

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Strategy says which of the free agents is rung.
type Strategy string

// The strategies.
const (
	LongestIdle Strategy = "longest_idle"
	RoundRobin  Strategy = "round_robin"
	FewestCalls Strategy = "fewest_calls"
	RingAll     Strategy = "ring_all"
	BestSkill   Strategy = "best_skill"
)

// Skills are levels from 1 to 5 by the name of the skill.
type Skills = map[string]int

// Offering says how a queue's calls are offered to agents.
type Offering struct {
	Strategy      Strategy `json:"strategy"`        // longest_idle
	RingS         int      `json:"ring_s"`          // 20; so long an agent is rung
	Skills        Skills   `json:"skills"`          // required levels, 1 to 5
	RelaxS        int      `json:"relax_s"`         // 20; after each so many seconds each level that is required falls by one, until anybody will do
	StickyS       int      `json:"sticky_s"`        // 0; so long the agent who talked with the caller last is waited for
	BackOffS      int      `json:"back_off_s"`      // 30; so long a call is not offered again to an agent who did not take it
	MaxMisses     int      `json:"max_misses"`      // 2; so many offers in a row not answered: not responding
	ServiceLevelS int      `json:"service_level_s"` // 20; the threshold T
	ShortAbandonS int      `json:"short_abandon_s"` // 5; who hangs up before is not counted
}

// WrapMode says what after-call work is like.
type WrapMode string

// The modes.
const (
	WrapNone      WrapMode = "none"
	WrapOptional  WrapMode = "optional"  // ends when the agent wants, at the latest after so many seconds
	WrapMandatory WrapMode = "mandatory" // ends with a code
	WrapTimed     WrapMode = "timed"     // ends after so many seconds, with the default code if none was given
)

// Wrapping is a queue's after-call work.
type Wrapping struct {
	Mode        WrapMode `json:"mode"`         // optional
	Seconds     int      `json:"seconds"`      // 30; mandatory: 900, then the agent is taken out
	DefaultCode string   `json:"default_code"` // filed when the time is up; "": none
}

// Callbacks says how customers are called back.
type Callbacks struct {
	Attempts int `json:"attempts"` // 3
	RetryS   int `json:"retry_s"`  // 300; between attempts
}

func (s Strategy) known() bool {
	return s == LongestIdle || s == RoundRobin || s == FewestCalls || s == RingAll || s == BestSkill
}

func (m WrapMode) known() bool {
	return m == WrapNone || m == WrapOptional || m == WrapMandatory || m == WrapTimed
}

// wrapSeconds are the default lengths of after-call work.
func wrapSeconds(m WrapMode) int {
	if m == WrapMandatory {
		return 900
	}
	return 30
}

// fill replaces what is 0 or left out by its default.
func (o *Offering) fill() {
	o.Strategy = cmp.Or(o.Strategy, LongestIdle)
	o.RingS = cmp.Or(o.RingS, 20)
	o.RelaxS = cmp.Or(o.RelaxS, 20)
	o.BackOffS = cmp.Or(o.BackOffS, 30)
	o.MaxMisses = cmp.Or(o.MaxMisses, 2)
	o.ServiceLevelS = cmp.Or(o.ServiceLevelS, 20)
	o.ShortAbandonS = cmp.Or(o.ShortAbandonS, 5)
}

func (w *Wrapping) fill() {
	w.Mode = cmp.Or(w.Mode, WrapOptional)
	w.Seconds = cmp.Or(w.Seconds, wrapSeconds(w.Mode))
}

func (c *Callbacks) fill() {
	c.Attempts = cmp.Or(c.Attempts, 3)
	c.RetryS = cmp.Or(c.RetryS, 300)
}

// limit is a number of the settings with what it may be.
type limit struct {
	field       string
	value       int
	least, most int
}

func (s Settings) agentLimits() []limit {
	o := s.Offering
	list := []limit{
		{"offering.ring_s", o.RingS, 5, 120},
		{"offering.relax_s", o.RelaxS, 1, 3600},
		{"offering.sticky_s", o.StickyS, 0, 600},
		{"offering.back_off_s", o.BackOffS, 1, 3600},
		{"offering.max_misses", o.MaxMisses, 1, 20},
		{"offering.service_level_s", o.ServiceLevelS, 1, 3600},
		{"offering.short_abandon_s", o.ShortAbandonS, 1, 60},
		{"wrap.seconds", s.Wrap.Seconds, 1, 3600},
		{"callbacks.attempts", s.Callbacks.Attempts, 1, 20},
		{"callbacks.retry_s", s.Callbacks.RetryS, 10, 24 * 3600},
	}
	for _, name := range slices.Sorted(maps.Keys(o.Skills)) {
		list = append(list, limit{"offering.skills." + name, o.Skills[name], 1, 5})
	}
	return list
}

const maxPopURL = 2000 // bytes

// checkAgents returns what is wrong with the part of the settings that is about agents.
func (s Settings) checkAgents(bad func(field, code, format string, args ...any)) {
	if !s.Offering.Strategy.known() {
		bad("offering.strategy", "queue.strategy", "%q is no strategy; give longest_idle, round_robin, fewest_calls, best_skill or ring_all", s.Offering.Strategy)
	}
	for name := range s.Offering.Skills {
		if !ValidName(name) {
			bad("offering.skills", "queue.skill", "%q is no name of a skill", name)
		}
	}
	if !s.Wrap.Mode.known() {
		bad("wrap.mode", "queue.wrap", "%q is no mode of after-call work; give none, optional, mandatory or timed", s.Wrap.Mode)
	}
	if s.Wrap.DefaultCode != "" && !ValidName(s.Wrap.DefaultCode) {
		bad("wrap.default_code", "queue.code", "%q is no name of a wrap-up code", s.Wrap.DefaultCode)
	}
	if len(s.CallerID) > 40 || strings.ContainsFunc(s.CallerID, func(r rune) bool { return r != '+' && (r < '0' || r > '9') }) {
		bad("caller_id", "queue.caller_id", "%q is no number to show; give digits, with a leading + for an international one", s.CallerID)
	}
	if s.PopURL == "" {
		return
	}
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(s.PopURL))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(s.PopURL) > maxPopURL {
		bad("pop_url", "queue.pop_url", "this is no address of a web page; give one like https://crm.example.com/?phone={e164}&ticket={number}")
	}
}
