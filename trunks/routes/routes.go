// Package routes decides where calls may go out, and through which trunks.
//
// It owns the tables outbound_route, outbound_limits and outbound_usage and the picture of them in memory from which calls are
// routed, also while the database is away. A route is a trunk group: the trunks are tried in order, then those of the next route
// that has the destination. The routes are the allow-list: what no enabled route has is refused; so are premium-rate numbers unless
// a route says otherwise, denied prefixes, and whatever is above the caps of a day. It dials nothing: package callout does. Start at
// [Open] and [Book.Begin].
package routes

import (
	"slices"
	"time"
)

// Route is an ordered group of trunks for some destinations: a row of table outbound_route.
type Route struct {
	ID        string    `json:"id"`
	Position  int       `json:"position"` // 1 is asked first
	Name      string    `json:"name"`
	Enabled   bool      `json:"enabled"`
	Trunks    []string  `json:"trunks"` // ids, the first is tried first
	Settings  Settings  `json:"settings"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Settings is what the column outbound_route.settings holds.
type Settings struct {
	Prefixes []string `json:"prefixes"`            // "+8621" (E.164), or digits for extensions and short codes
	Strip    int      `json:"strip,omitempty"`     // characters taken off the front of what is dialled, "+" counts
	Prepend  string   `json:"prepend,omitempty"`   // digits, * and # put before it
	CallerID string   `json:"caller_id,omitempty"` // shown to the called when the call brings none of its own
	Premium  bool     `json:"premium,omitempty"`   // premium-rate and satellite numbers too
	MaxCalls int      `json:"max_calls,omitempty"` // at a time; 0: no limit but the trunks' own
}

// Limits is what is allowed in all: the row of table outbound_limits. 0 is no limit.
type Limits struct {
	CallsPerDay        int       `json:"calls_per_day"`
	MinutesPerDay      int       `json:"minutes_per_day"`
	AgentCallsPerDay   int       `json:"agent_calls_per_day"`
	AgentMinutesPerDay int       `json:"agent_minutes_per_day"`
	MaxMinutes         int       `json:"max_minutes"` // of one call
	Deny               []string  `json:"deny"`        // prefixes that are refused whatever the routes say
	Roles              []string  `json:"roles"`       // whose people may dial numbers themselves
	Version            int64     `json:"version"`
	UpdatedAt          time.Time `json:"updated_at"`
}

// Usage is what was used of the caps today.
type Usage struct {
	Day     string       `json:"day"` // 2006-01-02, in the time zone of the process
	Calls   int64        `json:"calls"`
	Minutes int64        `json:"minutes"`
	Refused int64        `json:"refused"` // calls that this process has refused since it started
	Live    int          `json:"live"`
	Agents  []AgentUsage `json:"agents"` // who has called most comes first
}

// AgentUsage is one agent's share.
type AgentUsage struct {
	Agent   string `json:"agent"` // account id
	Calls   int64  `json:"calls"`
	Minutes int64  `json:"minutes"`
}

// has says whether a destination (E.164, or digits) is the route's.
func (r *Route) has(number string) bool {
	return slices.ContainsFunc(r.Settings.Prefixes, func(p string) bool { return len(number) >= len(p) && number[:len(p)] == p })
}

// dial is what is sent to the trunk for a destination.
func (r *Route) dial(number string) string {
	return r.Settings.Prepend + number[min(r.Settings.Strip, len(number)):]
}
