package hours

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func week(from, to string, days ...string) (out []Weekly) {
	for _, d := range days {
		out = append(out, Weekly{d, from, to})
	}
	return out
}

var office = Schedule{
	Weekly: week("09:00", "18:00", "mon", "tue", "wed", "thu", "fri"),
	Holidays: []Holiday{
		{Date: "2026-10-01", Name: "National Day"},
		{Date: "*-01-01", Name: "New Year"},
		{Date: "2026-12-24", Name: "Christmas Eve", Open: []Range{{"09:00", "12:00"}}},
	},
	Overrides: []Override{
		{From: "2026-05-06T14:00", To: "2026-05-06T16:00", Open: false, Reason: "drill"},
		{From: "2026-05-09T10:00", To: "2026-05-09T12:00", Open: true, Reason: "Saturday sale"},
		{From: "2026-10-01T10:00", To: "2026-10-01T11:00", Open: true, Reason: "emergency desk"},
	},
}

func TestOpenAt(t *testing.T) {
	shanghai := zone(t, "Asia/Shanghai")
	for _, c := range []struct {
		at   string
		open bool
		next string
	}{
		{"2026-05-04T08:59:59", false, "2026-05-04T09:00:00"}, // Monday
		{"2026-05-04T09:00:00", true, "2026-05-04T18:00:00"},
		{"2026-05-04T17:59:59", true, "2026-05-04T18:00:00"},
		{"2026-05-04T18:00:00", false, "2026-05-05T09:00:00"},
		{"2026-05-06T15:00:00", false, "2026-05-06T16:00:00"}, // override closes
		{"2026-05-06T13:00:00", true, "2026-05-06T14:00:00"},
		{"2026-05-08T20:00:00", false, "2026-05-09T10:00:00"}, // Friday night, the Saturday is open
		{"2026-05-09T11:00:00", true, "2026-05-09T12:00:00"},
		{"2026-05-09T12:00:00", false, "2026-05-11T09:00:00"},
		{"2026-10-01T09:30:00", false, "2026-10-01T10:00:00"}, // holiday, opened for an hour
		{"2026-10-01T10:30:00", true, "2026-10-01T11:00:00"},
		{"2026-10-01T11:30:00", false, "2026-10-02T09:00:00"},
		{"2026-12-24T11:00:00", true, "2026-12-24T12:00:00"},
		{"2026-12-24T13:00:00", false, "2026-12-25T09:00:00"},
		{"2026-12-31T19:00:00", false, "2027-01-04T09:00:00"}, // New Year is a Friday, every year
	} {
		at, err := time.ParseInLocation("2006-01-02T15:04:05", c.at, shanghai)
		if err != nil {
			t.Fatal(err)
		}
		if got := office.OpenAt(at, shanghai); got != c.open {
			t.Errorf("%s: open %v", c.at, got)
		}
		next, ok := office.NextChange(at, shanghai)
		if got := next.In(shanghai).Format("2006-01-02T15:04:05"); !ok || got != c.next {
			t.Errorf("%s: next change %s, want %s", c.at, got, c.next)
		}
	}
}

func TestAlwaysAndNever(t *testing.T) {
	utc := zone(t, "UTC")
	always := Schedule{Weekly: week("00:00", "24:00", Days...)}
	if now := time.Now(); !always.OpenAt(now, utc) || (Schedule{}).OpenAt(now, utc) {
		t.Error("always and never")
	}
	if at, ok := always.NextChange(time.Now(), utc); ok {
		t.Errorf("always open changes at %s", at)
	}
	if at, ok := (Schedule{}).NextChange(time.Now(), utc); ok {
		t.Errorf("never open changes at %s", at)
	}
}

// TestNightShift: an opening that ends on the next day, over a change of the clocks.
func TestNightShift(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	night := Schedule{Weekly: week("22:00", "06:00", "sat")}
	for _, c := range []struct{ from, to string }{
		{"2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00+02:00"}, // seven hours
		{"2026-10-24T22:00:00+02:00", "2026-10-25T06:00:00+01:00"}, // nine
		{"2026-06-06T22:00:00+02:00", "2026-06-07T06:00:00+02:00"},
	} {
		from, to := stamp(t, c.from), stamp(t, c.to)
		if night.OpenAt(from.Add(-time.Second), berlin) || !night.OpenAt(from, berlin) || !night.OpenAt(to.Add(-time.Second), berlin) || night.OpenAt(to, berlin) {
			t.Errorf("%s to %s: wrong at an edge", c.from, c.to)
		}
		if next, ok := night.NextChange(from, berlin); !ok || !next.Equal(to) {
			t.Errorf("%s: closes at %s, want %s", c.from, next, c.to)
		}
	}
}

// TestClocksChange: openings whose edge lies in the hour that is missing in spring, or that comes twice in autumn.
func TestClocksChange(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	gap := Schedule{Weekly: week("02:30", "04:00", "sun")}
	if opens, ok := gap.NextChange(stamp(t, "2026-03-29T00:00:00+01:00"), berlin); !ok || !opens.Equal(stamp(t, "2026-03-29T03:00:00+02:00")) {
		t.Errorf("half past two does not exist: opens at %s", opens)
	}
	twice := Schedule{Weekly: week("02:15", "02:45", "sun")}
	opens, _ := twice.NextChange(stamp(t, "2026-10-25T00:00:00+02:00"), berlin)
	closes, _ := twice.NextChange(opens, berlin)
	if !opens.Equal(stamp(t, "2026-10-25T02:15:00+02:00")) || !closes.Equal(stamp(t, "2026-10-25T02:45:00+01:00")) {
		t.Errorf("an hour that comes twice: %s to %s", opens, closes)
	}
	howe := zone(t, "Australia/Lord_Howe") // half an hour
	early := Schedule{Weekly: week("01:45", "03:00", "sun")}
	if opens, ok := early.NextChange(stamp(t, "2026-04-05T00:00:00+11:00"), howe); !ok || !opens.Equal(stamp(t, "2026-04-05T01:45:00+11:00")) {
		t.Errorf("Lord Howe opens at %s", opens)
	}
}

func stamp(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestNextChangeAgrees: what NextChange says is where OpenAt changes, and nowhere before.
func TestNextChangeAgrees(t *testing.T) {
	zones := []*time.Location{zone(t, "Asia/Shanghai"), zone(t, "Europe/Berlin"), zone(t, "America/St_Johns"), zone(t, "Australia/Lord_Howe")}
	clock := rapid.Map(rapid.IntRange(0, 47), func(half int) string { return time.Unix(int64(half)*1800, 0).UTC().Format("15:04") })
	rapid.Check(t, func(t *rapid.T) {
		z := rapid.SampledFrom(zones).Draw(t, "zone")
		var s Schedule
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			s.Weekly = append(s.Weekly, Weekly{rapid.SampledFrom(Days).Draw(t, "day"), clock.Draw(t, "from"), clock.Draw(t, "to")})
		}
		if rapid.Bool().Draw(t, "holiday") {
			s.Holidays = append(s.Holidays, Holiday{Date: rapid.SampledFrom([]string{"2026-03-29", "2026-10-25", "*-03-30"}).Draw(t, "date"), Open: []Range{{clock.Draw(t, "hf"), clock.Draw(t, "ht")}}})
		}
		if rapid.Bool().Draw(t, "override") {
			s.Overrides = append(s.Overrides, Override{From: "2026-03-28T12:00", To: "2026-03-29T02:30", Open: rapid.Bool().Draw(t, "open")})
		}
		at := time.Date(2026, 3, 27, 0, 0, 0, 0, z).Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "half hours")) * 30 * time.Minute)
		next, ok := s.NextChange(at, z)
		end := at.Add(10 * 24 * time.Hour)
		if ok && next.Before(end) {
			end = next
			if s.OpenAt(next, z) == s.OpenAt(at, z) {
				t.Fatalf("nothing changes at %s", next)
			}
		}
		for probe := at; probe.Before(end); probe = probe.Add(7 * time.Minute) {
			if s.OpenAt(probe, z) != s.OpenAt(at, z) {
				t.Fatalf("it changes at %s already, not at %s (%v)", probe, next, ok)
			}
		}
	})
}

func TestCheck(t *testing.T) {
	if list := office.Check(); len(list) > 0 {
		t.Errorf("a good schedule: %v", list)
	}
	wrong := Schedule{
		Weekly:    []Weekly{{"monday", "9:00", "18:00"}, {"mon", "09:00", "25:00"}, {"tue", "10:00", "10:00"}, {"wed", "24:00", "10:00"}},
		Holidays:  []Holiday{{Date: "2026-02-30"}, {Date: "*-02-29"}, {Date: "2026-01-01", Open: []Range{{"x", "12:00"}}}},
		Overrides: []Override{{From: "2026-01-01", To: "2026-01-02T10:00"}, {From: "2026-01-02T10:00", To: "2026-01-01T10:00"}},
	}
	var got []string
	for _, e := range wrong.Check() {
		got = append(got, e.Field)
	}
	want := []string{"weekly[0].day", "weekly[0].from", "weekly[1].to", "weekly[2].to", "weekly[3].from", "holidays[0].date", "holidays[2].open[0].from", "overrides[0].from", "overrides[1].to"}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
	for _, name := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd"} {
		if _, err := Zone(name); err == nil {
			t.Errorf("%q is no zone", name)
		}
	}
}
