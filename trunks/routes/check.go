package routes

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotline"
)

var (
	prefixPattern   = regexp.MustCompile(`^(\+[0-9]{1,15}|[0-9*#]{1,15})$`)
	prependPattern  = regexp.MustCompile(`^[0-9+*#]{0,12}$`)
	callerIDPattern = regexp.MustCompile(`^(|\+?[0-9]{2,15})$`)
	roles           = []string{"agent", "supervisor", "engineer", "admin"}
)

func invalid(field, code, format string, args ...any) error {
	return &hotline.Error{Kind: hotline.Invalid, Code: code, Field: field, Message: field + ": " + fmt.Sprintf(format, args...)}
}

// check refuses a route that could not work or says less than it seems to, with the path of the first wrong field.
func (r *Route) check() error {
	r.Name = strings.TrimSpace(r.Name)
	if n := utf8.RuneCountInString(r.Name); n < 1 || n > 80 || !utf8.ValidString(r.Name) || strings.ContainsFunc(r.Name, unicode.IsControl) {
		return invalid("name", "field.text", "1 to 80 characters without control characters are needed")
	}
	if r.Position < 1 || r.Position > 999 {
		return invalid("position", "route.bad_position", "%d is not between 1 and 999; 1 is asked first", r.Position)
	}
	if len(r.Trunks) == 0 {
		return invalid("trunks", "route.no_trunk", "a route needs at least one trunk that its calls go through")
	}
	if len(r.Trunks) > 20 {
		return invalid("trunks", "route.too_many_trunks", "%d trunks; 20 are allowed", len(r.Trunks))
	}
	for i, id := range r.Trunks {
		if slices.Contains(r.Trunks[:i], id) {
			return invalid(fmt.Sprintf("trunks[%d]", i), "route.trunk_twice", "a trunk stands twice; keep its first place")
		}
	}
	return r.Settings.check()
}

func (s *Settings) check() error {
	if len(s.Prefixes) == 0 {
		return invalid("settings.prefixes", "route.no_prefix", "name the destinations: prefixes such as +8621, or the first digits of extensions")
	}
	if len(s.Prefixes) > 500 {
		return invalid("settings.prefixes", "route.too_many_prefixes", "%d prefixes; 500 are allowed", len(s.Prefixes))
	}
	if err := checkPrefixes("settings.prefixes", s.Prefixes); err != nil {
		return err
	}
	if s.Strip < 0 || s.Strip > 15 {
		return invalid("settings.strip", "route.bad_strip", "%d is not between 0 and 15 characters", s.Strip)
	}
	if !prependPattern.MatchString(s.Prepend) {
		return invalid("settings.prepend", "route.bad_prepend", "%q is not up to 12 digits, +, * or #", s.Prepend)
	}
	if !callerIDPattern.MatchString(s.CallerID) {
		return invalid("settings.caller_id", "route.bad_caller_id", "%q is no number such as +861012345678", s.CallerID)
	}
	if s.MaxCalls < 0 || s.MaxCalls > 100_000 {
		return invalid("settings.max_calls", "route.bad_limit", "%d is not between 0 and 100000 (0 for no limit)", s.MaxCalls)
	}
	return nil
}

func checkPrefixes(field string, prefixes []string) error {
	for i, p := range prefixes {
		at := fmt.Sprintf("%s[%d]", field, i)
		if p == "+" {
			return invalid(at, "route.open_to_all", "+ alone is the whole world; name the countries that are called")
		}
		if !prefixPattern.MatchString(p) {
			return invalid(at, "route.bad_prefix", "%q is neither + and digits, as in +8621, nor the first digits of an extension", p)
		}
		if slices.Contains(prefixes[:i], p) {
			return invalid(at, "route.prefix_twice", "%s stands twice", p)
		}
	}
	return nil
}

func (l *Limits) check() error {
	for _, v := range []struct {
		field string
		value int
		most  int
	}{
		{"calls_per_day", l.CallsPerDay, 10_000_000},
		{"minutes_per_day", l.MinutesPerDay, 100_000_000},
		{"agent_calls_per_day", l.AgentCallsPerDay, 100_000},
		{"agent_minutes_per_day", l.AgentMinutesPerDay, 100_000},
		{"max_minutes", l.MaxMinutes, 1440},
	} {
		if v.value < 0 || v.value > v.most {
			return invalid(v.field, "limits.bad_limit", "%d is not between 0 and %d (0 for no limit)", v.value, v.most)
		}
	}
	if len(l.Deny) > 500 {
		return invalid("deny", "limits.too_many", "%d prefixes; 500 are allowed", len(l.Deny))
	}
	if err := checkPrefixes("deny", l.Deny); err != nil {
		return err
	}
	for i, r := range l.Roles {
		if !slices.Contains(roles, r) {
			return invalid(fmt.Sprintf("roles[%d]", i), "limits.bad_role", "%q is none of %s", r, strings.Join(roles, ", "))
		}
	}
	return nil
}
