// Package hours says when an organisation is open: weekly times, holidays and one-off overrides, in a time zone of its own.
//
// Times are wall-clock times of the zone; where the clocks are changed, a time that does not exist that day begins at the moment of
// the change, and a time that exists twice means its first appearance for an opening and its last for a closing. It keeps nothing
// and knows no call. Start reading at [Schedule].
package hours

import (
	"slices"
	"time"
)

// Schedule is when one is open.
type Schedule struct {
	Weekly    []Weekly   `json:"weekly" yaml:"weekly"`
	Holidays  []Holiday  `json:"holidays" yaml:"holidays,omitempty"`
	Overrides []Override `json:"overrides" yaml:"overrides,omitempty"`
}

// Weekly is an opening on one day of each week. To may be "24:00", and less than From when it ends on the next day.
type Weekly struct {
	Day  string `json:"day" yaml:"day"` // mon, tue, …
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

// Holiday replaces the weekly times of one date. Without Open it is closed all day.
type Holiday struct {
	Date string  `json:"date" yaml:"date"` // 2026-01-01; "*-01-01" is every year
	Name string  `json:"name" yaml:"name"`
	Open []Range `json:"open" yaml:"open,omitempty"`
}

// Range is a part of a day.
type Range struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
}

// Override decides from one moment to another, whatever else is written; of several the last in the list counts.
type Override struct {
	From   string `json:"from" yaml:"from"` // 2026-01-01T09:00, wall clock of the zone
	To     string `json:"to" yaml:"to"`
	Open   bool   `json:"open" yaml:"open"`
	Reason string `json:"reason" yaml:"reason"`
}

// Days of the week as they are written.
var Days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// horizon is how far ahead a change is looked for.
const horizon = 400 // days

// span is a stretch of time in which one is open.
type span struct{ from, to time.Time }

// OpenAt says whether one is open at t. The schedule must be valid.
func (s Schedule) OpenAt(t time.Time, zone *time.Location) bool {
	for _, o := range slices.Backward(s.Overrides) {
		from, to := o.span(zone)
		if !t.Before(from) && t.Before(to) {
			return o.Open
		}
	}
	local := t.In(zone)
	y, m, d := local.Date()
	// An opening of yesterday may reach into today.
	for _, sp := range append(s.spans(y, m, d-1, zone), s.spans(y, m, d, zone)...) {
		if !t.Before(sp.from) && t.Before(sp.to) {
			return true
		}
	}
	return false
}

// NextChange returns when OpenAt changes after t, and false if it does not within 400 days.
func (s Schedule) NextChange(t time.Time, zone *time.Location) (time.Time, bool) {
	now := s.OpenAt(t, zone)
	var overrides []time.Time
	for _, o := range s.Overrides {
		from, to := o.span(zone)
		overrides = append(overrides, from, to)
	}
	y, m, d := t.In(zone).Date()
	for day := range horizon {
		begin := wall(y, m, d+day, 0, zone, false)
		end := wall(y, m, d+day+1, 0, zone, false)
		// An opening ends on the day it begins or on the next one.
		edges := slices.Concat(overrides, edgesOf(s.spans(y, m, d+day-1, zone)), edgesOf(s.spans(y, m, d+day, zone)))
		slices.SortFunc(edges, time.Time.Compare)
		for _, e := range edges {
			if e.After(t) && !e.Before(begin) && e.Before(end) && s.OpenAt(e, zone) != now {
				return e, true
			}
		}
	}
	return time.Time{}, false
}

func edgesOf(spans []span) []time.Time {
	var out []time.Time
	for _, sp := range spans {
		out = append(out, sp.from, sp.to)
	}
	return out
}

// spans returns the openings that begin on a date.
func (s Schedule) spans(y int, m time.Month, d int, zone *time.Location) []span {
	date := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	var out []span
	for _, h := range s.Holidays {
		if h.on(date) {
			for _, r := range h.Open {
				out = append(out, r.span(date, zone))
			}
			return out
		}
	}
	for _, w := range s.Weekly {
		if w.Day == Days[date.Weekday()] {
			out = append(out, Range{w.From, w.To}.span(date, zone))
		}
	}
	return out
}

func (h Holiday) on(date time.Time) bool {
	if len(h.Date) > 2 && h.Date[:2] == "*-" {
		return date.Format("01-02") == h.Date[2:]
	}
	return date.Format(time.DateOnly) == h.Date
}

func (r Range) span(date time.Time, zone *time.Location) span {
	from, _ := minutes(r.From)
	to, _ := minutes(r.To)
	y, m, d := date.Date()
	end := d
	if to <= from {
		end++
	}
	return span{wall(y, m, d, from, zone, false), wall(y, m, end, to, zone, true)}
}

func (o Override) span(zone *time.Location) (time.Time, time.Time) {
	from, _ := time.Parse(overrideLayout, o.From)
	to, _ := time.Parse(overrideLayout, o.To)
	at := func(t time.Time, last bool) time.Time {
		y, m, d := t.Date()
		return wall(y, m, d, t.Hour()*60+t.Minute(), zone, last)
	}
	return at(from, false), at(to, true)
}

// wall returns the moment when clocks of the zone show a time. In the hour that is left out in spring it is the moment of the
// change; in the hour that comes twice in autumn the first or the last of the two.
func wall(y int, m time.Month, d, minute int, zone *time.Location, last bool) time.Time {
	t := time.Date(y, m, d, 0, minute, 0, 0, zone)
	naive := time.Date(y, m, d, 0, minute, 0, 0, time.UTC)
	shown := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	if !shown(t).Equal(naive) { // a gap: find the change, which lies within three hours
		lo, hi := t.Add(-3*time.Hour), t.Add(3*time.Hour)
		for hi.Sub(lo) > time.Second {
			mid := lo.Add(hi.Sub(lo) / 2)
			if shown(mid).Before(naive) {
				lo = mid
			} else {
				hi = mid
			}
		}
		return hi.Truncate(time.Second)
	}
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if !last {
			shift = -shift
		}
		if other := t.Add(shift); shown(other).Equal(naive) {
			return other
		}
	}
	return t
}
