package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"hotline"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/sip/caller"
)

// callOptions are what the command line of `hotline call` says.
type callOptions struct {
	to, from, name    string
	user, password    string
	send, say, play   string
	language, hear    string
	codec, bind, wait string
	duration, ringing time.Duration
	inband, once      bool
}

func callFlags(stderr io.Writer) (*flag.FlagSet, *callOptions) {
	o := &callOptions{}
	fs := flag.NewFlagSet("hotline call", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.to, "to", "sip:4000@127.0.0.1", "`URI` to call; ;transport=tcp for TCP")
	fs.StringVar(&o.from, "from", "+8613800138000", "`number` to call from; empty: anonymous")
	fs.StringVar(&o.name, "name", "", "display `name` of the caller")
	fs.StringVar(&o.user, "user", "", "`user` to log in with when asked; the password is taken from HOTLINE_CALL_PASSWORD")
	fs.StringVar(&o.send, "send", "", "what to do, in `order`: digits, w2 (wait 2 s), quiet (until the other side is silent), beep (until a tone has ended), turn (either), say; e.g. \"1,w2,5#\"")
	fs.StringVar(&o.say, "say", "", "`text` to speak: where --send has say, else after it, at the beep or when the other side is silent; then hang up")
	fs.StringVar(&o.play, "play", "", "WAV `file` to play instead of speaking")
	fs.StringVar(&o.language, "language", "en", "language of --say: en or zh-CN")
	fs.StringVar(&o.hear, "hear", "", "WAV `file` to write what is heard to")
	fs.StringVar(&o.codec, "codec", "", "PCMU or PCMA only; empty: both")
	fs.StringVar(&o.wait, "wait", "", "do not call: wait for calls at this `address`, such as 127.0.0.1:5090, answer them after 2 s, one after the other")
	fs.StringVar(&o.bind, "bind", "", "local `address`; empty: the one that reaches the number")
	o.duration = -1 // not given; with Func, because a default of -1ns would be shown
	fs.Func("duration", "hang up after this `time`, such as 30s; 0: when the other side does (default 1m, with --say or --play 2 s after the last word)",
		func(s string) (err error) {
			if o.duration, err = time.ParseDuration(s); err == nil && o.duration < 0 {
				err = errors.New("a time cannot be negative")
			}
			return err
		})
	fs.DurationVar(&o.ringing, "ringing", time.Minute, "give up when not answered for this long")
	fs.BoolVar(&o.inband, "inband", false, "press keys as tones in the audio (no RFC 4733)")
	fs.BoolVar(&o.once, "once", false, "hang up as soon as everything was sent and said")
	return fs, o
}

// runCall is a caller in the terminal: it rings, shows what happens, presses keys, speaks, and says what it hears.
func runCall(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs, o := callFlags(stderr)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 1 {
		o.to = fs.Arg(0)
	} else if fs.NArg() > 1 {
		return hotline.Errorf(hotline.Invalid, "call.arguments", "one number at a time: %q is too much", strings.Join(fs.Args()[1:], " "))
	}
	o.to = callTarget(o.to)
	o.password = os.Getenv("HOTLINE_CALL_PASSWORD")
	steps, err := caller.ParseScript(o.send)
	if err != nil {
		return err
	}
	voice, err := callVoice(ctx, o)
	if err != nil {
		return err
	}
	cfg, err := callSockets(o)
	if err != nil {
		return err
	}
	client, err := caller.New(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	steps = o.complete(steps, voice != nil)
	t := &callTalk{o: o, out: stdout, start: time.Now(), steps: steps, voice: voice}
	if o.wait != "" {
		return t.wait(ctx, client)
	}
	return t.run(ctx, client)
}

// callSockets says where the telephone stands.
func callSockets(o *callOptions) (caller.Config, error) {
	if o.wait == "" {
		ip, err := callAddress(o)
		return caller.Config{IP: ip}, err
	}
	at, err := netip.ParseAddrPort(o.wait)
	if err != nil {
		return caller.Config{}, hotline.Errorf(hotline.Invalid, "call.wait", "--wait %q is no address with a port, such as 127.0.0.1:5090", o.wait)
	}
	return caller.Config{IP: at.Addr(), Port: at.Port(), Wait: true}, nil
}

// complete makes of the options what a person would do: speak when it is one's turn, and hang up two seconds after the last word.
func (o *callOptions) complete(steps []caller.Step, voice bool) []caller.Step {
	if voice && !slices.ContainsFunc(steps, func(s caller.Step) bool { return s.Say }) {
		steps = append(steps, caller.Step{Turn: true}, caller.Step{Say: true})
	}
	if o.duration >= 0 {
		return steps
	}
	o.duration = time.Minute
	if o.wait != "" {
		o.duration = 0
	}
	if voice {
		o.duration, o.once = 10*time.Minute, true
		steps = append(steps, caller.Step{Wait: 2 * time.Second})
	}
	return steps
}

// callTarget completes "4000" and "4000@host".
func callTarget(to string) string {
	if !strings.Contains(to, "@") && !strings.Contains(to, ":") {
		to += "@127.0.0.1"
	}
	if !strings.HasPrefix(to, "sip:") && !strings.HasPrefix(to, "sips:") {
		to = "sip:" + to
	}
	return to
}

// callVoice makes what is to be said: a file, or text that is spoken.
func callVoice(ctx context.Context, o *callOptions) (*media.Prompt, error) {
	switch {
	case o.say != "" && o.play != "":
		return nil, hotline.Errorf(hotline.Invalid, "call.voice", "--say and --play exclude each other")
	case o.play != "":
		f, err := os.Open(o.play)
		if err != nil {
			return nil, hotline.Errorf(hotline.Invalid, "call.play", "--play: %w", err)
		}
		defer f.Close()
		wav, err := media.ReadWAV(f)
		if err != nil {
			return nil, hotline.Errorf(hotline.Invalid, "call.play", "--play %s: %w", o.play, err)
		}
		return media.NewPrompt(media.Resample(media.Mono(wav), wav.Rate, 8000)), nil
	case o.say != "":
		espeak, err := speech.NewEspeak()
		if err != nil {
			return nil, err
		}
		pcm, err := espeak.Speak(ctx, o.say, o.language)
		if err != nil {
			return nil, err
		}
		return media.NewPrompt(pcm), nil
	}
	return nil, nil
}

// callAddress is the address that our packets to the number leave from.
func callAddress(o *callOptions) (netip.Addr, error) {
	if o.bind != "" {
		ip, err := netip.ParseAddr(o.bind)
		if err != nil {
			return ip, hotline.Errorf(hotline.Invalid, "call.bind", "--bind %q is no IP address", o.bind)
		}
		return ip, nil
	}
	_, host, _ := strings.Cut(o.to, "@")
	host, _, _ = strings.Cut(host, ";")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	conn, err := net.Dial("udp", net.JoinHostPort(strings.Trim(host, "[]"), "5060")) // sends nothing
	if err != nil {
		return netip.Addr{}, hotline.Errorf(hotline.Unavailable, "call.unreachable", "%s cannot be reached: %w", host, err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// callTalk is one call of the terminal.
type callTalk struct {
	o     *callOptions
	steps []caller.Step
	voice *media.Prompt

	mu    sync.Mutex // guards out
	out   io.Writer
	start time.Time
}

func (t *callTalk) tell(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "%7.2f s  %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

func (t *callTalk) run(ctx context.Context, client *caller.Client) error {
	from := t.o.from
	if from == "" {
		from = "nobody (anonymous)"
	}
	fmt.Fprintf(t.out, "calling %s from %s\n", t.o.to, from)
	call, err := t.ring(ctx, client)
	if err != nil {
		return err
	}
	t.tell("answered in %d ms, %s, audio from %s", call.AnsweredAfter().Milliseconds(), call.Stream().Quality().Codec, call.Remote())
	return t.hold(ctx, call)
}

// wait takes calls until it is interrupted.
func (t *callTalk) wait(ctx context.Context, client *caller.Client) error {
	fmt.Fprintf(t.out, "waiting for calls at %s\n", client.Local())
	for {
		call, err := client.Take(ctx, caller.Taking{
			Ring: 2 * time.Second, OnDigit: func(d byte) { t.tell("hears key %c", d) },
			OnRing: func(from, to string) { t.start = time.Now(); t.tell("%s is rung up by %s", to, from) },
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		t.tell("answers, %s, audio from %s", call.Stream().Quality().Codec, call.Remote())
		if err := t.hold(ctx, call); err != nil {
			return err
		}
	}
}

// hold lets a call that was answered run to its end.
func (t *callTalk) hold(ctx context.Context, call *caller.Call) error {
	ear := caller.NewEar(t.keep())
	unplug := call.Stream().Tap(ear)
	problem := t.talk(ctx, call, ear)
	unplug()
	bye, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	call.Hangup(bye)
	t.report(call, ear)
	if err := t.save(ear); err != nil {
		return err
	}
	return problem
}

func (t *callTalk) ring(ctx context.Context, client *caller.Client) (*caller.Call, error) {
	noAnswer := fmt.Errorf("not answered within %s", t.o.ringing)
	ctx, stop := context.WithTimeoutCause(ctx, t.o.ringing, noAnswer)
	defer stop()
	inv := caller.Invite{
		To: t.o.to, From: t.o.from, Name: t.o.name, Username: t.o.user, Password: t.o.password, NoDTMF: t.o.inband,
		OnProgress: func(p caller.Progress) {
			switch {
			case p.Early:
				t.tell("%d %s, with audio", p.Status, strings.ToLower(p.Reason))
			default:
				t.tell("%s", strings.ToLower(p.Reason))
			}
		},
		OnDigit: func(d byte) { t.tell("hears key %c", d) },
	}
	if t.o.codec != "" {
		inv.Codecs = []string{strings.ToUpper(t.o.codec)}
		if _, ok := media.CodecByName(inv.Codecs[0]); !ok {
			return nil, hotline.Errorf(hotline.Invalid, "call.codec", "--codec %q is none of PCMU, PCMA", t.o.codec)
		}
	}
	return client.Call(ctx, inv)
}

// talk lasts until the other side hangs up, the duration is over, or everything was done with --once. Being interrupted is no fault.
func (t *callTalk) talk(ctx context.Context, call *caller.Call, ear *caller.Ear) error {
	if t.o.duration > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, t.o.duration)
		defer stop()
	}
	p := &caller.Player{Call: call, Ear: ear, Speech: t.voice, Did: func(what string) { t.tell("%s", what) }}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, t.steps) }()
	var problem error
	acting := true
	for {
		select {
		case h := <-ear.C:
			t.tell("hears %s", h)
		case problem = <-done:
			acting, done = false, nil
			if problem != nil && ctx.Err() == nil || t.o.once {
				return problem
			}
			problem = nil
		case <-call.Ended():
			if acting {
				<-done
			}
			return nil
		case <-ctx.Done():
			if acting {
				<-done
			}
			return nil
		}
	}
}

// keep is how many samples of what is heard are kept for --hear: the whole call, at most an hour.
func (t *callTalk) keep() int {
	if t.o.hear == "" {
		return 0
	}
	return 3600 * 8000
}

func (t *callTalk) save(ear *caller.Ear) error {
	if t.o.hear == "" {
		return nil
	}
	f, err := os.Create(t.o.hear)
	if err != nil {
		return hotline.Errorf(hotline.Unavailable, "call.hear", "--hear: %w", err)
	}
	err = media.WriteWAV(f, media.WAV{Rate: 8000, Channels: 1, PCM: ear.PCM()})
	if err = errors.Join(err, f.Close()); err != nil {
		return hotline.Errorf(hotline.Unavailable, "call.hear", "--hear %s: %w", t.o.hear, err)
	}
	t.tell("wrote %.1f s to %s", float64(len(ear.PCM()))/8000, t.o.hear)
	return nil
}

func (t *callTalk) report(call *caller.Call, ear *caller.Ear) {
	byPeer, why := call.Why()
	who := "hung up"
	if byPeer {
		who = "the other side hung up"
	}
	if why != "" {
		who += " (" + why + ")"
	}
	t.tell("%s", who)
	q := call.Stream().Quality()
	line := fmt.Sprintf("audio: %d packets heard, %d lost, jitter %.1f ms, loudest %.0f dBFS", q.PacketsReceived, q.Lost, q.JitterMS, ear.Loudest())
	if q.MOS > 0 {
		line += fmt.Sprintf(", MOS %.1f (estimated)", q.MOS)
	}
	fmt.Fprintln(t.out, line)
	if q.PacketsReceived == 0 {
		fmt.Fprintln(t.out, "nothing was heard: the other side sends no audio, or it does not reach us (NAT, firewall)")
	}
}
