package away_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"hotline/asterisk/ari"
	"hotline/asterisk/asterisktest"
	"hotline/asterisk/away"
	"hotline/media"
	"hotline/sip/caller"
	"hotline/trunks"
)

// TestMain lets the test binary be the product as well: "guard", and "serve", which only keeps a guardian.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "guard":
			signal.Ignore(os.Interrupt, syscall.SIGTERM)
			if err := away.Guard(context.Background(), os.Stdin, slog.Default()); err != nil {
				slog.Error("guard", "error", err)
				os.Exit(1)
			}
			os.Exit(0)
		case "serve":
			serve()
		}
	}
	os.Exit(m.Run())
}

// serve keeps a guardian until its standard input ends; then it goes in peace.
func serve() {
	var cfg away.Config
	if err := json.Unmarshal([]byte(os.Args[2]), &cfg); err != nil {
		panic(err)
	}
	cfg.Log, cfg.Command = slog.Default(), []string{os.Args[0], "guard"}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	k, err := away.Keep(cfg)
	if err != nil {
		panic(err)
	}
	fmt.Println("serving")
	if err := k.Run(ctx); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// patience is for what comes soon on an idle machine.
const patience = 30 * time.Second

const trunkID = "01a202f2-7185-7172-8e71-fea853182d1f"

// site is an Asterisk with a trunk, and a telephone that calls through it.
type site struct {
	testing.TB
	a     *asterisktest.Asterisk
	ask   *ari.Requester
	phone *caller.Client
}

func newSite(t testing.TB, o away.Options, numbers ...trunks.Number) *site {
	t.Helper()
	s := &site{TB: t}
	var err error
	if s.phone, err = caller.New(caller.Config{Wait: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.phone.Close)
	line := trunks.Trunk{ID: trunkID, Name: "line", Enabled: true, Settings: trunks.TrunkSettings{
		Edge: trunks.EdgeAsterisk, MatchAddresses: []string{"127.0.0.1"}, Host: "127.0.0.1", Port: int(s.phone.Local().Port()), TrustedIdentity: true,
	}}
	s.a = asterisktest.Start(t, asterisktest.Options{Trunks: []trunks.Trunk{line}, Numbers: numbers, Away: o})
	if s.ask, err = ari.NewRequester(ari.Config{Name: "pbx", URL: s.a.URL, User: s.a.User, Password: s.a.Password}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.ask.Close)
	return s
}

func (s *site) node() away.Node {
	return away.Node{Name: "pbx", URL: s.a.URL, User: s.a.User, Password: s.a.Password}
}

// call calls a number of ours and returns when it is answered.
func (s *site) call(number, from string) (*caller.Call, *ear) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := s.phone.Call(ctx, caller.Invite{To: "sip:" + number + "@" + s.a.SIPAddr.String(), From: from})
	if err != nil {
		s.Fatalf("call: %v", err)
	}
	e := &ear{}
	s.Cleanup(c.Stream().Tap(e))
	return c, e
}

// app is a stand-in for Hotline: it registers and tells what comes.
type app struct {
	events chan ari.Event
	leave  func()
}

func (s *site) app() *app {
	s.Helper()
	up, ctx := make(chan struct{}), context.Background()
	ctx, cancel := context.WithCancel(ctx)
	a := &app{events: make(chan ari.Event, 1000)}
	c, err := ari.New(ari.Config{Name: "pbx", URL: s.a.URL, User: s.a.User, Password: s.a.Password}, handler{a, sync.OnceFunc(func() { close(up) })})
	if err != nil {
		s.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { c.Run(ctx) })
	a.leave = sync.OnceFunc(func() { cancel(); done.Wait() })
	s.Cleanup(a.leave)
	s.within("the application to be registered", up)
	return a
}

type handler struct {
	a  *app
	up func()
}

func (h handler) Up(context.Context, ari.Info) error { h.up(); return nil }
func (h handler) Down(error)                         {}
func (h handler) Event(e ari.Event)                  { h.a.events <- e }

// comes waits for a call and returns its channel and arguments.
func (a *app) comes(t testing.TB) (string, []string) {
	t.Helper()
	end := time.After(patience)
	for {
		select {
		case e := <-a.events:
			if e.Type == "StasisStart" && len(e.Args) > 0 {
				return e.Channel.ID, e.Args
			}
		case <-end:
			t.Fatal("no call came")
		}
	}
}

func (s *site) within(what string, done <-chan struct{}) {
	s.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		s.Fatalf("not within %s: %s", patience, what)
	}
}

// eventually asks until the answer is yes.
func (s *site) eventually(what string, yes func() bool) {
	s.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !yes(); {
		select {
		case <-tick.C:
		case <-end:
			s.Fatalf("not within %s: %s\n%s", patience, what, s.a.CLI("core show channels concise"))
		}
	}
}

// where returns the context and extension in which a channel is; "" when it is gone.
func (s *site) where(id string) string {
	c, err := s.ask.Channel(context.Background(), id)
	if ari.Gone(err) {
		return ""
	} else if err != nil {
		s.Fatal(err)
	}
	return c.Dialplan.Context + "," + c.Dialplan.Exten
}

// ear keeps what is heard, in windows of 100 ms.
type ear struct {
	mu     sync.Mutex
	pcm    []int16
	silent int // windows in a row
	worst  int // since listen
	total  int
	tones  map[int]bool // that a window was full of
}

const window = media.SampleRate / 10

// Frame implements media.Tap.
func (e *ear) Frame(in, _ []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = append(e.pcm, in...)
	if len(e.pcm) < window {
		return
	}
	e.total++
	if h := caller.Judge(e.pcm[:window]); h.Sound == caller.Tone {
		if e.tones == nil {
			e.tones = map[int]bool{}
		}
		e.tones[int(math.Round(h.Freq/50))*50] = true
	}
	if media.Level(e.pcm[:window]) > -45 {
		e.silent = 0
	} else if e.silent++; e.silent > e.worst {
		e.worst = e.silent
	}
	e.pcm = e.pcm[:0]
}

// sounds waits for so many windows with sound and fails when there was a pause of more than gap windows in a row.
func (e *ear) sounds(s *site, windows, gap int) {
	s.Helper()
	e.mu.Lock()
	from := e.total
	e.worst = 0
	e.mu.Unlock()
	s.eventually("audio", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.total >= from+windows
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.worst > gap {
		s.Errorf("the caller heard nothing for %d ms", e.worst*100)
	}
}

// begins waits for the first sound.
func (e *ear) begins(s *site) {
	s.Helper()
	s.eventually("sound", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.total > 0 && e.silent == 0
	})
}

// heard says whether a tone was heard, one of 50 Hz steps.
func (e *ear) heard(hz float64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tones[int(hz)]
}
