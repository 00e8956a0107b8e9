package ivr

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"hotline"
	"hotline/ivr/flow"
	"hotline/ivr/hours"
	"hotline/media"
	"hotline/postgres/pgtest"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s := NewStore(pgtest.New(t), Rules{}, realVoice(t))
	if err := SeedDemo(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeedOnce: what was deleted since does not come back.
func TestSeedOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.pool.Exec(t.Context(), "delete from number"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteFlow(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
	if err := SeedDemo(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	list, err := s.Flows(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "demo-closed" {
		t.Errorf("flows %+v, %v", list, err)
	}
}

// TestFlowLife: draft, problems, publish, change by somebody else, roll back, discard.
func TestFlowLife(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	bad := strings.Replace(tiny, "queue: support", "queue: nobody", 1)
	d, err := s.SaveDraft(ctx, "Ann", "tiny", bad, nil)
	if err != nil || !d.HasDraft || d.DraftBy != "Ann" || d.PublishedVersion != nil || len(d.Problems) != 1 || d.Problems[0].Code != "flow.unknown_queue" {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = s.Publish(ctx, "Ann", "tiny", "")
	var refused *PublishError
	if !errors.As(err, &refused) || len(refused.Problems) != 1 || refused.Problems[0].Line != d.Problems[0].Line || hotline.KindOf(err) != hotline.Invalid {
		t.Fatalf("a draft with a problem: %v", err)
	}
	if _, err := s.SaveDraft(ctx, "Ann", "tiny", tiny, nil); err != nil {
		t.Fatal(err)
	}
	v, err := s.Publish(ctx, "Ann", "tiny", "first")
	if err != nil || v.Version != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := s.Publish(ctx, "Ann", "tiny", ""); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("nothing to publish: %v", err)
	}
	zero, one := int64(0), int64(1)
	if _, err := s.SaveDraft(ctx, "Bob", "tiny", tiny, &zero); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a draft of an old version: %v", err)
	}
	if _, err := s.SaveDraft(ctx, "Bob", "tiny", tiny+"# more\n", &one); err != nil {
		t.Error(err)
	}
	if v, err = s.Publish(ctx, "Bob", "tiny", "second"); err != nil || v.Version != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if _, err := s.SaveDraft(ctx, "Bob", "tiny", tiny+"# draft\n", nil); err != nil {
		t.Fatal(err)
	}
	if v, err = s.Rollback(ctx, "Ann", "tiny", 1, ""); err != nil || v.Version != 3 || v.Comment != "Back to version 1" {
		t.Fatalf("%+v, %v", v, err)
	}
	d, err = s.Flow(ctx, "tiny")
	if err != nil || *d.PublishedVersion != 3 || d.PublishedSource != tiny || d.Source != tiny+"# draft\n" || len(d.Versions) != 3 || len(d.Outline) != 4 {
		t.Errorf("%+v, %v", d, err)
	}
	if err := s.DiscardDraft(ctx, "tiny"); err != nil {
		t.Error(err)
	}
	if d, err = s.Flow(ctx, "tiny"); err != nil || d.HasDraft || d.Source != tiny {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestFlowRefusals(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	for name, source := range map[string]string{"other": tiny, "Bad Name": tiny, "big": strings.Repeat("#", flow.MaxSource+1)} {
		if _, err := s.SaveDraft(ctx, "Ann", name, source, nil); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{s.DeleteFlow(ctx, "demo"), s.DiscardDraft(ctx, "nobody"), s.DeleteFlow(ctx, "nobody")} {
		if k := hotline.KindOf(err); k != hotline.Conflict && k != hotline.NotFound {
			t.Error(err)
		}
	}
}

// TestPublishRace: of many who publish at once each gets a version of its own, or is told that there is nothing to publish.
func TestPublishRace(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, err := s.SaveDraft(t.Context(), "Ann", "tiny", tiny, nil); err != nil {
		t.Fatal(err)
	}
	var wins, losses int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := s.Publish(t.Context(), "Ann", "tiny", "")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case hotline.KindOf(err) == hotline.Conflict:
				losses++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins != 1 || losses != 7 {
		t.Errorf("%d published, %d were told", wins, losses)
	}
}

func TestPromptLife(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	p, err := s.PutPrompt(ctx, "Ann", PromptRow{Name: "hello", Language: "en", Text: "Hello."})
	if err != nil || p.Version != 1 || p.Kind != "speech" || p.DurationMS < 200 || p.UpdatedBy != "Ann" {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := s.PutPrompt(ctx, "Bob", PromptRow{Name: "hello", Language: "en", Text: "Hi."}); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("made twice: %v", err)
	}
	p = uploads(t, s, p)
	for _, wav := range [][]byte{nil, []byte("RIFF"), bytes.Repeat([]byte("x"), 100)} {
		if _, err := s.PutPromptAudio(ctx, "Bob", p, wav); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("no WAV: %v", err)
		}
	}
	for _, wrong := range []PromptRow{{Name: "X", Language: "en", Text: "x"}, {Name: "x", Language: "fr", Text: "x"}, {Name: "x", Language: "en"}, {Name: "x", Language: "en", Text: strings.Repeat("x", 3000)}} {
		if _, err := s.PutPrompt(ctx, "Bob", wrong); hotline.KindOf(err) != hotline.Invalid {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	if err := s.DeletePrompt(ctx, "hello", "en", 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an old version: %v", err)
	}
	if err := s.DeletePrompt(ctx, "hello", "en", p.Version); err != nil {
		t.Error(err)
	}
	if err := s.DeletePrompt(ctx, "demo-menu", "en", 1); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("a prompt that the demo needs: %v", err)
	}
	if err := s.DeletePrompt(ctx, "goodbye", "en", 0); hotline.KindOf(err) != hotline.NotFound {
		t.Errorf("a built-in prompt: %v", err)
	}
	list, err := s.Prompts(ctx)
	if err != nil || len(list) != 8+2*len(catalogue) {
		t.Errorf("%d prompts, %v", len(list), err)
	}
}

// uploads puts a tone as recorded audio of several rates and expects to hear it.
func uploads(t *testing.T, s *Store, p PromptRow) PromptRow {
	t.Helper()
	ctx := t.Context()
	var err error
	for _, rate := range []int{8000, 16000, 44100, 48000} {
		for channels := 1; channels <= 2; channels++ {
			pcm := make([]int16, 0, rate*channels)
			for _, v := range media.Resample(media.Tone(700, time.Second, 0.3).PCM(), media.SampleRate, rate) {
				for range channels {
					pcm = append(pcm, v)
				}
			}
			var wav bytes.Buffer
			if err := media.WriteWAV(&wav, media.WAV{Rate: rate, Channels: channels, PCM: pcm}); err != nil {
				t.Fatal(err)
			}
			if p, err = s.PutPromptAudio(ctx, "Bob", p, wav.Bytes()); err != nil || p.Kind != "audio" || p.DurationMS < 990 || p.DurationMS > 1010 {
				t.Fatalf("%d Hz: %+v, %v", rate, p, err)
			}
			raw, err := s.PromptAudio(ctx, "hello", "en")
			if err != nil {
				t.Fatal(err)
			}
			heard, err := media.ReadWAV(bytes.NewReader(raw))
			if err != nil || heard.Rate != media.SampleRate || heard.Channels != 1 {
				t.Fatalf("%+v, %v", heard, err)
			}
			mid := heard.PCM[3000:4600]
			if media.Goertzel(mid, media.SampleRate, 700) < 10*media.Goertzel(mid, media.SampleRate, 1000) {
				t.Errorf("%d Hz, %d channels: the tone is gone", rate, channels)
			}
		}
	}
	return p
}

func TestHoursLife(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx := t.Context()
	h := HoursRow{Name: "late", Timezone: "Europe/Berlin", Schedule: Schedule{Weekly: []hours.Weekly{{Day: "mon", From: "09:00", To: "18:00"}}}}
	h, err := s.PutHours(ctx, h)
	if err != nil || h.Version != 1 || h.NextChange == nil || !h.NextChange.After(time.Now()) {
		t.Fatalf("%+v, %v", h, err)
	}
	h.Schedule.Weekly[0].To = "20:00"
	if h, err = s.PutHours(ctx, h); err != nil || h.Version != 2 || h.Schedule.Weekly[0].To != "20:00" {
		t.Fatalf("%+v, %v", h, err)
	}
	old := h
	old.Version = 1
	if _, err := s.PutHours(ctx, old); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("an old version: %v", err)
	}
	h.Timezone, h.Schedule.Weekly[0].From = "Mars", "25:00"
	_, err = s.PutHours(ctx, h)
	if err == nil || hotline.KindOf(err) != hotline.Invalid {
		t.Fatal(err)
	}
	var fields []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		fields = append(fields, e.(*hotline.Error).Field)
	}
	if strings.Join(fields, " ") != "timezone schedule.weekly[0].from" {
		t.Errorf("fields %v", fields)
	}
	if err := s.DeleteHours(ctx, "demo-hours", 0); hotline.KindOf(err) != hotline.Conflict {
		t.Errorf("hours that the demo needs: %v", err)
	}
	if err := s.DeleteHours(ctx, "late", 2); err != nil {
		t.Error(err)
	}
	list, err := s.HourTables(ctx)
	if err != nil || len(list) != 3 || !list[0].OpenNow || list[1].OpenNow {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestCatalogue: every phrase is there in both languages.
func TestCatalogue(t *testing.T) {
	for name, p := range catalogue {
		if !validName(name) || strings.TrimSpace(p.zh) == "" || strings.TrimSpace(p.en) == "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, state := range []string{"new", "open", "pending", "resolved", "closed"} {
		if builtIn("status-"+state, "en") == "" {
			t.Errorf("the state %s cannot be told", state)
		}
	}
}

func TestAttempts(t *testing.T) {
	now := time.Now()
	a := newAttempts(func() time.Time { return now })
	for i := range maxAttempts + 3 {
		if got := a.allow("n", "+861"); got != (i < maxAttempts) {
			t.Errorf("attempt %d: %v", i, got)
		}
	}
	if !a.allow("n", "+862") || !a.allow("m", "+861") {
		t.Error("others are locked out")
	}
	now = now.Add(attemptWindow)
	if !a.allow("n", "+861") {
		t.Error("locked for ever")
	}
	for i := range maxKept + 1000 {
		a.allow("flood", string(rune(i)))
	}
	if len(a.kept) > maxKept {
		t.Errorf("%d are kept", len(a.kept))
	}
	c := newDayCap(2, func() time.Time { return now })
	if first, second, third := c.allow("x"), c.allow("x"), c.allow("x"); !first || !second || third {
		t.Errorf("a cap of two a day allows %v, %v, %v", first, second, third)
	}
	if !c.allow("y") {
		t.Error("the cap of one number stops another")
	}
	now = now.Add(24 * time.Hour)
	if !c.allow("x") {
		t.Error("the next day")
	}
}
