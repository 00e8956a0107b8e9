package away_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/away"
	"hotline/media"
	"hotline/sip/caller"
	"hotline/trunks"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Who calls while Hotline is away hears music at once and without a pause, and is through when Hotline comes.
func TestArrivalWhileAway(t *testing.T) {
	s := newSite(t, away.Options{})
	c, ear := s.call("4000", "+8613800138000")
	ear.begins(s)
	ear.sounds(s, 25, 2) // over two tries
	a := s.app()
	id, args := a.comes(t)
	if want := []string{"again", trunkID, "4000"}; !slices.Equal(args[:3], want) {
		t.Errorf("arguments %q, want %q and the rest", args, want)
	}
	ear.sounds(s, 5, 2) // until it is in a bridge, the music goes on
	if ch, err := s.ask.Channel(t.Context(), id); err != nil || ch.State != "Up" {
		t.Errorf("channel %+v, %v: want it answered", ch, err)
	}
	// Hotline goes again without a word: who is given back begins anew, not where the time was up.
	if err := s.ask.Continue(t.Context(), id, away.Context, away.Callers, 1); err != nil {
		t.Fatal(err)
	}
	if _, args := a.comes(t); args[0] != "again" {
		t.Errorf("arguments %q after coming back", args)
	}
	c.Hangup(t.Context())
	s.eventually("nothing left over", func() bool { return s.where(id) == "" })
}

// house is what a Hotline has at an Asterisk in mid-call.
type house struct {
	caller, dialled, ringing string // channels
	ear                      *ear
	c                        *caller.Call
}

// build makes of a call what the edge makes of it: external media and a bridge; and two numbers are dialled, of which one answers.
func (s *site) build(a *app) house {
	s.Helper()
	ctx := context.Background()
	h := house{dialled: "hl-dialled", ringing: "hl-ringing"}
	h.c, h.ear = nil, &ear{}
	up := make(chan *caller.Call, 1)
	go func() {
		c, err := s.phone.Call(ctx, caller.Invite{To: "sip:4000@" + s.a.SIPAddr.String(), From: "+8613800138000"})
		if err != nil {
			s.Errorf("call: %v", err)
		}
		up <- c
	}()
	h.caller, _ = a.comes(s)
	must := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	must(s.ask.Answer(ctx, h.caller))
	h.c = <-up
	if h.c == nil {
		s.FailNow()
	}
	s.Cleanup(h.c.Stream().Tap(h.ear))
	_, err := s.ask.ExternalMedia(ctx, ari.ExternalMedia{ID: "hl-m-1", App: "hotline", Host: "127.0.0.1:9", Format: "ulaw"})
	must(err)
	_, err = s.ask.CreateBridge(ctx, "hl-b-1", "mixing")
	must(err)
	s.eventually("the bridge", func() bool { return s.ask.AddToBridge(ctx, "hl-b-1", h.caller, "hl-m-1") == nil })
	for _, id := range []string{h.dialled, h.ringing} {
		_, err := s.ask.Create(ctx, ari.CreateChannel{ID: id, Endpoint: "PJSIP/100@hl-line", App: "hotline"})
		must(err)
		s.eventually("the dialling", func() bool { // the channel is there a little before it is in the application
			err := s.ask.Dial(ctx, id, time.Minute)
			if !ari.Conflict(err) {
				must(err)
			}
			return err == nil
		})
		if id == h.dialled {
			_, err := s.phone.Take(ctx, caller.Taking{})
			must(err)
			s.eventually("the answer", func() bool { c, err := s.ask.Channel(ctx, id); return err == nil && c.State == "Up" })
		}
	}
	return h
}

// rescued holds that everybody is where music plays and nothing of Hotline is left.
func (s *site) rescued(h house) {
	s.Helper()
	s.eventually("music for the caller", func() bool { return s.where(h.caller) == "hotline-away,again" })
	h.ear.begins(s)
	h.ear.sounds(s, 15, 2)
	s.eventually("music for who was dialled", func() bool { return s.where(h.dialled) == "hotline-away,held" })
	for _, id := range []string{h.ringing, "hl-m-1"} {
		s.eventually(id+" is gone", func() bool { return s.where(id) == "" })
	}
	if b, err := s.ask.Bridges(context.Background()); err != nil || len(b) > 0 {
		s.Errorf("bridges %+v, %v: want none", b, err)
	}
}

// When Hotline dies its callers are given to the dialplan at once; a new one has them all.
func TestKilled(t *testing.T) {
	s := newSite(t, away.Options{})
	a := s.app()
	h := s.build(a)
	cfg, err := json.Marshal(away.Config{App: "hotline", Nodes: []away.Node{s.node()}, Mark: filepath.Join(t.TempDir(), "guard")})
	if err != nil {
		t.Fatal(err)
	}
	serve := exec.Command(os.Args[0], "serve", string(cfg))
	in, err := serve.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	serve.Stderr = os.Stderr
	out, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 8))
	guardian := ""
	s.eventually("a guardian", func() bool { guardian = childOf(serve.Process.Pid); return guardian != "" })
	a.leave()
	serve.Process.Kill()
	serve.Wait()
	s.rescued(h)
	s.eventually("the guardian to end", func() bool { _, err := os.Stat("/proc/" + guardian); return err != nil })
	b := s.app()
	seen := map[string]bool{}
	for range 2 {
		id, args := b.comes(t)
		if args[0] != "again" {
			t.Errorf("%s came back with %q", id, args)
		}
		seen[id] = true
	}
	if !seen[h.caller] || !seen[h.dialled] {
		t.Errorf("%v came back, want %s and %s", seen, h.caller, h.dialled)
	}
}

// childOf returns the process id of the guardian of a process.
func childOf(pid int) string {
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range found {
		raw, _ := os.ReadFile(f)
		_, rest, ok := strings.Cut(string(raw), ") ")
		fields := strings.Fields(rest)
		if ok && len(fields) > 1 && fields[1] == itoa(pid) && fields[0] != "Z" {
			return filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// A peaceful end, and one after which Hotline was started again, leave everything as it is.
func TestGuardLeavesAlone(t *testing.T) {
	s := newSite(t, away.Options{})
	h := s.build(s.app())
	mark := filepath.Join(t.TempDir(), "guard")
	if err := os.WriteFile(mark, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	order := func(owner string) string {
		raw, _ := json.Marshal(map[string]any{"app": "hotline", "nodes": []away.Node{s.node()}, "owner": owner, "mark": mark})
		return string(raw) + "\n"
	}
	for name, said := range map[string]string{"peace": order("new") + "done\n", "superseded": order("old"), "no order": ""} {
		if err := away.Guard(t.Context(), strings.NewReader(said), quiet()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if where := s.where(h.caller); where != "hotline-enter,s" {
			t.Errorf("%s: the caller is at %q", name, where)
		}
		if b, err := s.ask.Bridges(t.Context()); err != nil || len(b) != 1 {
			t.Errorf("%s: bridges %+v, %v", name, b, err)
		}
	}
	if err := away.Guard(t.Context(), strings.NewReader("hello\n"), quiet()); err == nil {
		t.Error("an order that is none is taken")
	}
	if err := away.Guard(t.Context(), strings.NewReader(order("new")), quiet()); err != nil {
		t.Errorf("death: %v", err)
	}
	s.rescued(h)
}

// A guardian whose Asterisk does not answer at first tries until it does.
func TestGuardPersists(t *testing.T) {
	s := newSite(t, away.Options{})
	h := s.build(s.app())
	order, err := json.Marshal(map[string]any{"app": "hotline", "nodes": []away.Node{s.node()}})
	if err != nil {
		t.Fatal(err)
	}
	s.a.Freeze()
	done := make(chan struct{})
	log := slog.New(slog.NewTextHandler(&thaw{now: s.a.Thaw}, nil))
	go func() {
		defer close(done)
		if err := away.Guard(context.Background(), strings.NewReader(string(order)+"\n"), log); err != nil {
			t.Errorf("guard: %v", err)
		}
	}()
	s.within("the guardian", done)
	s.rescued(h)
	if err := away.Rescue(t.Context(), "hotline", []away.Node{s.node()}, quiet()); err != nil {
		t.Errorf("nothing to rescue: %v", err)
	}
}

// thaw is a log that lets Asterisk go on once it is said that it cannot be reached.
type thaw struct {
	now   func()
	lines int
}

func (t *thaw) Write(p []byte) (int, error) {
	if t.lines++; t.lines == 2 { // the first says that Hotline is gone
		t.now()
	}
	return len(p), nil
}

// Without a sign of Hotline Asterisk takes callers back when the lease is up; a Hotline that lives keeps them.
func TestLease(t *testing.T) {
	const lease = 6 * time.Second
	s := newSite(t, away.Options{Lease: lease})
	a := s.app()
	k, err := away.Keep(away.Config{App: "hotline", Nodes: []away.Node{s.node()}, Command: []string{os.Args[0], "guard"}, Lease: lease,
		Mark: filepath.Join(t.TempDir(), "guard"), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := k.Run(ctx); err != nil {
			t.Errorf("keeper: %v", err)
		}
	}()
	h := s.build(a)
	long := time.NewTimer(lease * 3 / 2)
	<-long.C
	if where := s.where(h.caller); where != "hotline-enter,s" {
		t.Errorf("the caller is at %q although Hotline lives", where)
	}
	cancel()
	s.within("the keeper", ended)
	if id, args := a.comes(t); id != h.caller || args[0] != "again" {
		t.Errorf("%s came back with %q", id, args)
	}
}

// When it takes long the caller leaves a message; its name says who called whom, whatever the caller calls itself.
func TestMessage(t *testing.T) {
	s := newSite(t, away.Options{While: time.Second})
	spool, err := away.OpenSpool([]away.Node{s.node()})
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	for _, tc := range []struct{ name, number, from, caller string }{
		{"international", "4000", "+8613800138000", "+8613800138000"},
		{"code", "*97", "1001", "1001"},
		{"hostile", "4000", "..%2F..%2F${SHELL(id)}_x", "..2..2id_x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &site{TB: t, a: s.a, ask: s.ask, phone: s.phone}
			began := time.Now().Truncate(time.Second)
			m, id := s.leaves(spool, tc.number, tc.from)
			if m.Node != "pbx" || m.TrunkID != trunkID || m.Caller != tc.caller || m.Dialled != tc.number || m.Withheld || m.Channel != id || m.At.Before(began) || m.At.After(time.Now()) {
				t.Errorf("message %+v", m)
			}
			s.says(spool, m)
			for range 2 { // the second time it is gone
				if err := spool.Delete(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
			if list, err := spool.Messages(t.Context()); err != nil || len(list) > 0 {
				t.Errorf("messages %+v, %v: want none", list, err)
			}
		})
	}
}

// recording waits for a caller to be recorded.
func (s *site) recording() (channel string) {
	s.Helper()
	s.eventually("recording", func() bool {
		list, err := s.ask.Channels(context.Background())
		if err != nil {
			s.Fatal(err)
		}
		for _, ch := range list {
			if ch.Dialplan.App == "Record" {
				channel = ch.ID
			}
		}
		return channel != ""
	})
	return channel
}

// leaves leaves a message of a tone and returns it with its channel, once it is complete.
func (s *site) leaves(spool *away.Spool, number, from string) (away.Message, string) {
	s.Helper()
	c, ear := s.call(number, from)
	ear.begins(s)
	id := s.recording()
	c.Stream().Play(media.Tone(700, 10*time.Second, 0.5), media.PlayOptions{})
	s.eventually("some of it on the disk", func() bool {
		list, err := s.ask.StoredRecordings(context.Background())
		return err == nil && len(list) > 0
	})
	if list, err := spool.Messages(context.Background()); err != nil || len(list) > 0 {
		s.Errorf("messages %+v, %v while it is spoken", list, err)
	}
	second := time.NewTimer(1500 * time.Millisecond) // of speech
	<-second.C
	c.Hangup(context.Background())
	var list []away.Message
	var err error
	s.eventually("the message", func() bool {
		list, err = spool.Messages(context.Background())
		return err != nil || len(list) > 0
	})
	if err != nil || len(list) != 1 {
		s.Fatalf("messages %+v, %v", list, err)
	}
	return list[0], id
}

// says holds that a message has the tone.
func (s *site) says(spool *away.Spool, m away.Message) {
	s.Helper()
	r, err := spool.Audio(context.Background(), m)
	if err != nil {
		s.Fatal(err)
	}
	defer r.Close()
	wav, err := media.ReadWAV(r)
	if err != nil {
		s.Fatal(err)
	}
	if len(wav.PCM) < media.SampleRate || media.Goertzel(wav.PCM[media.SampleRate/2:media.SampleRate], media.SampleRate, 700) < 0.01 {
		s.Errorf("%d samples without the tone that was spoken", len(wav.PCM))
	}
}

// Where announcements are installed callers hear that of the number's language, and both where it names none.
func TestAnnouncement(t *testing.T) {
	s := newSite(t, away.Options{While: time.Second}, trunks.Number{Number: "4000", Language: "en"}, trunks.Number{Number: "4002", Language: "zh-CN"})
	const english, chinese = 850.0, 1150.0
	tones := map[string]float64{"en": english, "zh-CN": chinese}
	for _, sound := range away.Sounds() {
		file := filepath.Join(s.a.Dir, "data", sound.File)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(media.WriteWAV(f, media.WAV{Rate: 8000, Channels: 1, PCM: media.Tone(tones[sound.Language], 600*time.Millisecond, 0.4).PCM()}), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for number, want := range map[string][2]bool{"4000": {true, false}, "4002": {false, true}, "4009": {true, true}} {
		c, ear := s.call(number, "1001")
		id := s.recording()
		if got := [2]bool{ear.heard(english), ear.heard(chinese)}; got != want {
			t.Errorf("%s: English, Chinese: %v, want %v", number, got, want)
		}
		if !ear.heard(1000) {
			t.Errorf("%s: no beep", number)
		}
		c.Hangup(t.Context())
		s.eventually("the end", func() bool { return s.where(id) == "" })
	}
}

// A caller is never left in silence: where no message can be recorded the music goes on.
func TestNoSpool(t *testing.T) {
	s := newSite(t, away.Options{While: time.Second})
	folder := filepath.Join(s.a.Dir, "spool", "recording")
	if err := errors.Join(os.RemoveAll(folder), os.WriteFile(folder, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, ear := s.call("4000", "1001")
	s.eventually("the beep", func() bool { return ear.heard(1000) })
	ear.begins(s)
	ear.sounds(s, 15, 6) // opening the file is tried again and again
}

func itoa(n int) string { return strconv.Itoa(n) }
