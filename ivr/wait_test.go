package ivr

import (
	"encoding/binary"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"hotline/call"
	"hotline/call/archive"
	"hotline/call/calltest"
	"hotline/media"
)

// reaches dials a flow and waits for its text.
func (h *house) reaches(flow, caller, text string) *calltest.Leg {
	h.t.Helper()
	l := h.ring(flow, caller)
	h.hearsText(l, text, 15*time.Second)
	return l
}

const messageFlow = `
flow: message
languages: [en]
start: vm
fallback: vm
nodes:
  vm: {kind: voicemail, queue: support, say: {text: Speak now., language: en}, min: 1s, max: 6s}
`

// TestVoicemail: speak, hash, listen, record again, keep.
func TestVoicemail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("message", messageFlow)
	l := h.reaches("message", "+8613800138000", "Speak now.")
	h.beep(l, 0)
	l.Phone.Say(media.Tone(700, 2500*time.Millisecond, 0.3).PCM())
	h.spoken(l, 2500*time.Millisecond)
	l.Phone.Press("#")
	h.hears(l, h.prompt("voicemail-review", "en"), 10*time.Second)
	l.Phone.Press("2")
	if !hearsAfter(l, media.Tone(700, time.Second, 0.3).PCM(), 0, 10*time.Second) {
		t.Fatal("the message is not played back")
	}
	skip := len(l.Phone.Heard())
	l.Phone.Press("3")
	h.beep(l, skip)
	l.Phone.Say(media.Tone(500, 3*time.Second, 0.3).PCM())
	h.spoken(l, 3*time.Second)
	l.Phone.Press("#")
	skip = len(l.Phone.Heard())
	if !hearsAfter(l, h.prompt("voicemail-review", "en"), skip, 10*time.Second) {
		t.Fatal("no second review")
	}
	l.Phone.Press("1")
	h.hears(l, h.prompt("voicemail-saved", "en"), 10*time.Second)
	d := h.expect(l, "vm", call.ResultVoicemail)
	h.keeps(d, 500, 2800*time.Millisecond, 4*time.Second)
}

// beep waits for the tone after which a message is recorded. Speech has no 300 ms of a pure tone.
func (h *house) beep(l *calltest.Leg, skip int) {
	h.t.Helper()
	tone := media.Tone(1000, 320*time.Millisecond, 0.25).PCM()
	if !hearsAfter(l, tone, skip, 30*time.Second) {
		h.t.Fatal("no beep")
	}
}

// spoken waits while the phone speaks: what it sends takes as long as it lasts.
func (h *house) spoken(l *calltest.Leg, d time.Duration) {
	want := len(l.Phone.Heard()) + int((d+200*time.Millisecond)*media.SampleRate/time.Second)
	l.Phone.WaitHeard(d+5*time.Second, func(heard []int16) bool { return len(heard) >= want })
}

// keeps expects one message of the call with this tone and duration, and its ticket.
func (h *house) keeps(d archive.Detail, tone float64, low, high time.Duration) {
	h.t.Helper()
	list, err := h.tapes.ForCall(h.t.Context(), d.ID)
	if err != nil || len(list) != 1 || list[0].Kind != "voicemail" || list[0].State != "complete" {
		h.t.Fatalf("recordings %+v, %v", list, err)
	}
	if took := time.Duration(list[0].DurationMS) * time.Millisecond; took < low || took > high {
		h.t.Errorf("the message lasts %s", took)
	}
	audio, _, err := h.tapes.Audio(h.t.Context(), list[0].ID)
	if err != nil {
		h.t.Fatal(err)
	}
	defer audio.Close()
	wav, err := media.ReadWAV(audio)
	if err != nil {
		h.t.Fatal(err)
	}
	pcm := media.Mono(wav)
	mid := pcm[len(pcm)/2 : len(pcm)/2+1600]
	if media.Goertzel(mid, wav.Rate, tone) < 4*media.Goertzel(mid, wav.Rate, tone*1.4) {
		h.t.Error("the message is not what was said last")
	}
	var n int
	err = h.pool.QueryRow(h.t.Context(), "select count(*) from interaction where call_id = $1 and kind = 'voicemail'", d.ID).Scan(&n)
	if err != nil || n != 1 || d.Ticket == nil {
		h.t.Errorf("%d voicemails on ticket %v (%v)", n, d.Ticket, err)
	}
}

// TestVoicemailHangup: who hangs up has left the message; who says nothing, or too little, has not.
func TestVoicemailHangup(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("message", messageFlow)
	l := h.reaches("message", "+8613800138001", "Speak now.")
	h.beep(l, 0)
	l.Phone.Say(media.Tone(700, 2*time.Second, 0.3).PCM())
	h.spoken(l, 2*time.Second)
	l.HangUp()
	h.keeps(h.expect(l, "vm", call.ResultVoicemail), 700, 1500*time.Millisecond, 3*time.Second)

	l = h.reaches("message", "+8613800138002", "Speak now.")
	h.beep(l, 0)
	h.spoken(l, 2*time.Second) // silence
	l.Phone.Press("#")
	h.hears(l, h.prompt("voicemail-short", "en"), 10*time.Second)
	l.HangUp()
	d := h.expect(l, "vm", call.ResultAbandoned)
	if list, err := h.tapes.ForCall(t.Context(), d.ID); err != nil || len(list) != 0 {
		t.Errorf("kept %+v, %v", list, err)
	}

	l = h.reaches("message", "+8613800138003", "Speak now.") // never ends: the maximum does
	h.beep(l, 0)
	l.Phone.Say(media.Tone(700, 20*time.Second, 0.3).PCM())
	h.hears(l, h.prompt("voicemail-full", "en"), 15*time.Second)
	l.HangUp()
	h.keeps(h.expect(l, "vm", call.ResultVoicemail), 700, 5*time.Second, 7*time.Second)
}

const waitingFlow = `
flow: waiting
languages: [en]
record: queue
start: q
fallback: vm
nodes:
  q: {kind: queue, queue: support, say: {text: Please hold., language: en}, keys: {"2": vm}, callback: "1", max_wait: 60s, announce: 10s, timeout: vm}
  vm: {kind: voicemail, queue: support, say: {text: Speak now., language: en}}
`

// TestCallback: the caller's own number confirmed by a key; the place in the line is kept.
func TestCallback(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("waiting", waitingFlow)
	first := h.reaches("waiting", "+8613800138000", "Please hold.")
	h.hears(first, h.prompt("position-before", "en"), 10*time.Second)
	h.hears(first, voice{h.exchange.live.Load(), "en"}.text("one")[0].PCM(), 10*time.Second)
	first.Phone.Press("1")
	h.hears(first, h.prompt("callback-confirm", "en"), 20*time.Second)
	first.Phone.Press("1")
	h.hears(first, h.prompt("callback-noted", "en"), 10*time.Second)
	d := h.expect(first, "q=1", call.ResultCallback)
	if s := d.Segments[len(d.Segments)-1]; s.Kind != call.SegmentQueue || s.Reason != "callback" {
		t.Errorf("segment %+v", s)
	}
	h.task(d, "+8613800138000")
	if list, err := h.tapes.ForCall(t.Context(), d.ID); err != nil || len(list) != 1 || list[0].Kind != "call" || list[0].Channels != 2 {
		t.Errorf("recordings %+v, %v", list, err)
	}
	// The place is still held: the next caller is second.
	second := h.reaches("waiting", "", "Please hold.")
	h.hears(second, voice{h.exchange.live.Load(), "en"}.text("two")[0].PCM(), 10*time.Second)
	second.Phone.Press("1") // withheld: a number is asked for
	h.hears(second, h.prompt("callback-number", "en"), 20*time.Second)
	second.Phone.Press("110#")
	h.hears(second, h.prompt("callback-bad", "en"), 20*time.Second)
	second.Phone.Press("13911112222#")
	h.hears(second, h.prompt("callback-confirm", "en"), 30*time.Second)
	second.Phone.Press("1")
	h.task(h.expect(second, "q=1", call.ResultCallback), "+8613911112222")
}

// task expects an open call-back to a number for the call's ticket.
func (h *house) task(d archive.Detail, phone string) {
	h.t.Helper()
	var got string
	err := h.pool.QueryRow(h.t.Context(), "select phone from task where call_id = $1 and kind = 'callback' and state = 'open' and reason = 'asked'", d.ID).Scan(&got)
	if err != nil || got != phone {
		h.t.Errorf("call-back to %q, want %q (%v)", got, phone, err)
	}
}

// TestQueueEnds: music, a way out by key, the maximum wait, and a caller who hangs up keeps the place.
func TestQueueEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("waiting", strings.Replace(waitingFlow, "max_wait: 60s", "max_wait: 9s", 1))
	l := h.reaches("waiting", "+8613800138000", "Please hold.")
	if !l.Phone.HearsTone(523.25, 30*time.Second) {
		t.Error("no music")
	}
	h.hearsText(l, "Speak now.", 30*time.Second)
	l.HangUp()
	d := h.expect(l, "q vm", call.ResultAbandoned)
	for _, s := range d.Segments {
		if s.Kind == call.SegmentQueue && (s.Reason != "timeout" || s.DurationMS < 9000) {
			t.Errorf("segment %+v", s)
		}
	}
	l = h.reaches("waiting", "+8613800138000", "Please hold.")
	l.HangUp()
	h.expect(l, "q", call.ResultAbandoned)
	l = h.reaches("waiting", "+8613800138000", "Please hold.")
	h.hears(l, h.prompt("place-kept", "en"), 10*time.Second)
	l.Phone.Press("2")
	h.hearsText(l, "Speak now.", 10*time.Second)
	l.HangUp()
	h.expect(l, "q=2 vm", call.ResultAbandoned)
}

const statusFlow = `
flow: status
languages: [en]
start: st
fallback: vm
nodes:
  st: {kind: ticket_status, tries: 2, next: bye, none: vm}
  vm: {kind: voicemail, queue: support, say: {text: Speak now., language: en}}
  bye: {kind: hangup}
`

// TestTicketStatus is abuse case 6: the number of a call opens nothing, the ticket's number does, and tries are counted.
func TestTicketStatus(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("message", messageFlow)
	h.publish("status", statusFlow)
	l := h.reaches("message", "+8613800138000", "Speak now.")
	l.HangUp()
	number := strconv.FormatInt(*h.expect(l, "vm", call.ResultAbandoned).Ticket, 10)

	l = h.ring("status", "+8613800138000")
	h.hears(l, h.prompt("status-ask-ticket", "en"), 10*time.Second)
	l.Phone.Press("9999#")
	h.hears(l, h.prompt("status-no-match", "en"), 10*time.Second)
	l.Phone.Press(number + "#")
	h.hears(l, h.prompt("status-new", "en"), 15*time.Second)
	h.expect(l, "st="+number+" bye", call.ResultCompleted)

	l = h.ring("status", "+8613800138999") // the right number of a ticket, from somebody else's phone
	h.hears(l, h.prompt("status-ask-ticket", "en"), 10*time.Second)
	l.Phone.Press(number + "#")
	h.hears(l, h.prompt("status-no-match", "en"), 10*time.Second)
	if contains(l.Phone.Heard(), h.prompt("status-new", "en")) {
		t.Error("the state was told to a stranger")
	}
	l.HangUp()
	h.ended(l)

	for range maxAttempts {
		h.exchange.attempts.allow("status/st", "+8613800138000")
	}
	l = h.ring("status", "+8613800138000")
	h.hears(l, h.prompt("status-ask-ticket", "en"), 10*time.Second)
	l.Phone.Press(number + "#")
	h.hears(l, h.prompt("locked", "en"), 10*time.Second)
	l.HangUp()
	h.ended(l)
}

// TestSecretIsNotRecorded: while a PIN is typed the recording hears neither side.
func TestSecretIsNotRecorded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, Rules{})
	h.publish("tiny", strings.Replace(strings.Replace(tiny, "start: main", "record: always\nstart: pin", 1), "timeout: 1s\n    inter_digit", "timeout: 8s\n    inter_digit", 1))
	l := h.reaches("tiny", "4711", "Your PIN.")
	l.Phone.Say(media.Tone(700, 2*time.Second, 0.3).PCM()) // in-band tones, or a caller who says the digits aloud
	h.spoken(l, 2*time.Second)
	l.Phone.Press("924681")
	h.hearsText(l, "Choose.", 10*time.Second)
	l.Phone.Press("2")
	d := h.expect(l, "pin=•••• main=2 bye", call.ResultCompleted)
	list, err := h.tapes.ForCall(t.Context(), d.ID)
	if err != nil || len(list) != 1 {
		t.Fatalf("recordings %+v, %v", list, err)
	}
	audio, _, err := h.tapes.Audio(t.Context(), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	defer audio.Close()
	raw, err := io.ReadAll(audio)
	if err != nil {
		t.Fatal(err)
	}
	caller := make([]int16, 0, len(raw)/4)
	for i := 44; i+4 <= len(raw); i += 4 {
		caller = append(caller, int16(binary.LittleEndian.Uint16(raw[i:])))
	}
	for i := 0; i+800 <= len(caller); i += 800 {
		if media.Level(caller[i:i+800]) > -45 && media.Goertzel(caller[i:i+800], media.SampleRate, 700) > 4*media.Goertzel(caller[i:i+800], media.SampleRate, 950) {
			t.Fatalf("the caller is heard at %d ms while the secret was asked for", i/8)
		}
	}
}
