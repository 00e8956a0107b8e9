package hours

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hotline"
)

const overrideLayout = "2006-01-02T15:04"

// Zone loads the time zone of a table.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, bad("timezone", "hours.timezone", "name a time zone as Asia/Shanghai or Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, bad("timezone", "hours.timezone", "%q is no time zone; write a name as Asia/Shanghai or Europe/Berlin", name)
	}
	return zone, nil
}

// Check returns what is wrong with the schedule, with paths as "weekly[2].from".
func (s Schedule) Check() []*hotline.Error {
	var out []*hotline.Error
	add := func(err *hotline.Error) {
		if err != nil {
			out = append(out, err)
		}
	}
	if n := len(s.Weekly) + len(s.Holidays) + len(s.Overrides); n > 2000 {
		add(bad("", "hours.too_many", "%d entries; at most 2000 are allowed", n))
		return out
	}
	for i, w := range s.Weekly {
		path := fmt.Sprintf("weekly[%d]", i)
		if !slices.Contains(Days, w.Day) {
			add(bad(path+".day", "hours.day", "%q is no day; write one of %s", w.Day, strings.Join(Days, ", ")))
		}
		out = append(out, Range{w.From, w.To}.check(path)...)
	}
	for i, h := range s.Holidays {
		path := fmt.Sprintf("holidays[%d]", i)
		date := h.Date
		if rest, yearly := strings.CutPrefix(date, "*-"); yearly {
			date = "2024-" + rest // a leap year: *-02-29 is a date
		}
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			add(bad(path+".date", "hours.date", "%q is no date; write 2026-10-01, or *-10-01 for every year", h.Date))
		}
		for j, r := range h.Open {
			out = append(out, r.check(fmt.Sprintf("%s.open[%d]", path, j))...)
		}
	}
	for i, o := range s.Overrides {
		out = append(out, o.check(fmt.Sprintf("overrides[%d]", i))...)
	}
	return out
}

func (r Range) check(path string) []*hotline.Error {
	var out []*hotline.Error
	from, okFrom := minutes(r.From)
	to, okTo := minutes(r.To)
	if !okFrom || from == 24*60 {
		out = append(out, bad(path+".from", "hours.time", "%q is no time of the day; write 09:00", r.From))
	}
	if !okTo {
		out = append(out, bad(path+".to", "hours.time", "%q is no time of the day; write 18:00, or 24:00 for midnight", r.To))
	}
	if okFrom && okTo && from == to {
		out = append(out, bad(path+".to", "hours.time", "from and to are the same; write 00:00 to 24:00 for the whole day"))
	}
	return out
}

func (o Override) check(path string) []*hotline.Error {
	var out []*hotline.Error
	from, err := time.Parse(overrideLayout, o.From)
	if err != nil {
		out = append(out, bad(path+".from", "hours.moment", "%q is no moment; write 2026-10-01T09:00", o.From))
	}
	to, err2 := time.Parse(overrideLayout, o.To)
	if err2 != nil {
		out = append(out, bad(path+".to", "hours.moment", "%q is no moment; write 2026-10-01T18:00", o.To))
	}
	if err == nil && err2 == nil && !from.Before(to) {
		out = append(out, bad(path+".to", "hours.moment", "ends before it begins"))
	}
	return out
}

// minutes reads "09:30" as minutes since midnight; "24:00" is allowed.
func minutes(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	if len(s) != 5 {
		return 0, false
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

func bad(field, code, format string, args ...any) *hotline.Error {
	e := hotline.Errorf(hotline.Invalid, code, format, args...)
	e.Field = field
	return e
}
