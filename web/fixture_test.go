package web

import (
	"bytes"
	"math"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/media"
	"hotline/recordings"
	"hotline/sip"
	"hotline/web/login"
)

const flowSource = `flow: main
title: {en: Main, zh-CN: 总机}
languages: [en]
language: en
start: hello
fallback: message
nodes:
  hello: {kind: play, say: [{text: {en: Hello}}], next: bye}
  message: {kind: voicemail, queue: support, say: [{text: {en: Leave a message}}], next: bye}
  bye: {kind: hangup}
`

// world is something of everything in an office.
type world struct {
	callID, recordingID, taskID, partyID, identityID, trunkID, tokenID, accountID string
	agentID, routeID, outTrunkID, attachmentID, mentionID, asterisk               string
	ticket                                                                        int64
}

// populate makes one of each, the way it is made in life: the call by its facts, the rest by the API.
func (o *office) populate() world {
	t := o.t
	t.Helper()
	admin := o.token(login.Admin)
	made := func(a ask, status int) answered {
		t.Helper()
		a.token = admin
		res := o.do(a)
		if res.StatusCode != status {
			t.Fatalf("%s %s: %d %s", a.method, a.path, res.StatusCode, res.short())
		}
		return res
	}
	w := world{asterisk: "pbx1"}
	for _, name := range []string{"support", "spare"} {
		made(ask{method: "PUT", path: "/api/v1/queues/" + name, body: map[string]any{"title": map[string]string{"en": name, "zh-CN": "支持"}}}, 200)
	}
	made(ask{method: "PUT", path: "/api/v1/flows/main/draft", body: map[string]any{"source": flowSource}}, 200)
	made(ask{method: "POST", path: "/api/v1/flows/main/publish", body: map[string]any{"comment": "first"}}, 200)
	w.trunkID = decode[struct{ ID string }](t, made(ask{method: "POST", path: "/api/v1/trunks", body: map[string]any{
		"name": "carrier", "settings": map[string]any{"match_addresses": []string{"203.0.113.0/24"}, "match_digest": map[string]any{"username": "pbx", "password": "trunk-secret-1"}}}}, 201)).ID
	made(ask{method: "PUT", path: "/api/v1/numbers/4000", body: map[string]any{"flow": "main", "queue": "support", "language": "en"}}, 200)
	made(ask{method: "PUT", path: "/api/v1/hours/office", body: map[string]any{"timezone": "Asia/Shanghai", "title": map[string]string{"en": "Office"},
		"schedule": map[string]any{"weekly": []any{map[string]string{"day": "mon", "from": "09:00", "to": "18:00"}}}}}, 200)
	made(ask{method: "PUT", path: "/api/v1/prompts/welcome/en", body: map[string]any{"text": "Welcome"}}, 200)
	w.tokenID = decode[struct{ ID string }](t, made(ask{method: "POST", path: "/api/v1/tokens", body: map[string]any{"name": "doomed", "role": "agent"}}, 201)).ID
	w.accountID = decode[struct{ ID string }](t, made(ask{method: "POST", path: "/api/v1/accounts", body: map[string]any{"login": "moved", "password": goodPassword, "role": "agent"}}, 201)).ID
	w.agentID = o.staff(w.accountID)
	w.outTrunkID = o.otherTrunk(admin)
	w.routeID = decode[struct{ ID string }](t, made(ask{method: "POST", path: "/api/v1/outbound-routes", body: map[string]any{
		"name": "out", "trunks": []string{w.outTrunkID}, "settings": map[string]any{"prefixes": []string{"+86"}}}}, 201)).ID
	w.callID, w.recordingID = o.call()
	t.Helper()
	row := o.pool.QueryRow(t.Context(), `select t.number, t.party_id::text, k.id::text, i.id::text from call c join ticket t on t.number = c.ticket
		join task k on k.ticket = t.number join identity i on i.id = t.identity_id where c.id = $1`, w.callID)
	var party *string
	if err := row.Scan(&w.ticket, &party, &w.taskID, &w.identityID); err != nil {
		t.Fatal(err)
	}
	if party != nil {
		w.partyID = *party
	} else {
		w.partyID = decode[struct{ ID string }](t, made(ask{method: "POST", path: "/api/v1/parties", body: map[string]any{"name": "Wang", "phone": "+8613800138000"}}, 201)).ID
	}
	made(ask{method: "POST", path: w.ticketPath("/notes"), body: map[string]any{"body": "look here", "mentions": []string{w.agentID}}}, 201)
	if err := o.pool.QueryRow(t.Context(), `select id::text from mention where ticket = $1`, w.ticket).Scan(&w.mentionID); err != nil {
		t.Fatal(err)
	}
	w.attachmentID = decode[struct{ ID string }](t, made(ask{method: "POST", path: w.ticketPath("/attachments?name=x.txt"), body: []byte("hello"), media: "application/octet-stream"}, 201)).ID
	return w
}

// staff makes an agent, and one of everything that there is about agents.
func (o *office) staff(supervisor string) (id string) {
	o.t.Helper()
	admin := o.token(login.Admin)
	agent := decode[struct{ ID string }](o.t, o.must(admin, "POST", "/api/v1/accounts", m{"login": "worker", "password": goodPassword, "role": "agent"}, 201)).ID
	for _, a := range []ask{
		{path: "/api/v1/teams/red", body: map[string]any{"title": map[string]string{"en": "Red"}, "supervisors": []string{supervisor}}},
		{path: "/api/v1/skills/french", body: map[string]any{"title": map[string]string{"en": "French"}}},
		{path: "/api/v1/pause-reasons/lunch", body: map[string]any{"title": map[string]string{"en": "Lunch"}}},
		{path: "/api/v1/wrap-codes/solved", body: map[string]any{"title": map[string]string{"en": "Solved"}, "queue": "support"}},
		{path: "/api/v1/agents/" + agent, body: map[string]any{"team": "red", "queues": []string{"support"}, "skills": map[string]int{"french": 3}}},
	} {
		o.must(admin, "PUT", a.path, a.body, 200)
	}
	return agent
}

// otherTrunk makes a trunk that routes may use.
func (o *office) otherTrunk(token string) string {
	res := o.do(ask{method: "POST", path: "/api/v1/trunks", token: token, body: map[string]any{"name": "way out", "settings": map[string]any{"host": "192.0.2.9"}}})
	return decode[struct{ ID string }](o.t, res).ID
}

// call makes a call that was recorded and abandoned.
func (o *office) call() (id, recording string) {
	t := o.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id, leg, now := hotline.NewID(), hotline.NewID(), time.Now().Add(-time.Minute)
	j := o.cfg.Journal
	must(j.File(id, call.FactCallStarted, call.CallStarted{Node: "test", Info: call.Info{
		LegID: leg, CallID: id, Direction: call.Inbound, Edge: "sip", ForeignID: "abc@203.0.113.5", TrunkName: "carrier", Caller: call.Party{Number: "+8613800138000", Display: "王<b>"},
		Dialled: "4000", Flow: "main", Queue: "support", Language: "en", Remote: "203.0.113.5:5060", ReceivedAt: now}}))
	must(j.File(id, call.FactCallAnswered, call.CallAnswered{LegID: leg}))
	must(j.File(id, call.FactCallStep, call.CallStep{Node: "hello", Kind: "play"}))
	must(j.File(id, call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentMenu, StartedAt: now, EndedAt: now.Add(3 * time.Second), DurationMS: 3000, Reason: "abandoned"}))
	rec, err := o.cfg.Recordings.Start(t.Context(), recordings.Start{CallID: id, LegID: leg, Kind: "call"})
	must(err)
	frame := make([]int16, 160)
	for n := range 50 * 5 {
		for i := range frame {
			frame[i] = int16(8000 * math.Sin(float64(n*160+i)*2*math.Pi*440/8000))
		}
		rec.Frame(frame, make([]int16, 160))
	}
	kept, err := rec.Stop(t.Context())
	must(err)
	must(j.File(id, call.FactLegEnded, call.LegEnded{LegID: leg, Codec: "PCMA", EndedAt: now.Add(5 * time.Second), Cause: call.CausePeerHangup, Quality: []byte(`{"mos":4.3}`)}))
	must(j.File(id, call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Cause: call.CausePeerHangup, Queue: "support", Phase: call.PhaseMenu, Answered: true, At: now.Add(5 * time.Second)}))
	must(j.Flush(t.Context()))
	o.cfg.Trace.Record(id, sip.TraceMessage{At: now, Transport: "UDP", Local: "127.0.0.1:5060", Remote: "203.0.113.5:5060", Data: []byte("INVITE sip:4000@127.0.0.1 SIP/2.0\r\nCall-ID: abc@203.0.113.5\r\nAuthorization: Digest response=\"trace-secret\"\r\n\r\n")})
	must(o.cfg.Trace.Flush(t.Context()))
	return id, kept.ID
}

// aWAV is half a second of a tone.
func aWAV(t *testing.T) []byte {
	t.Helper()
	pcm := make([]int16, 4000)
	for i := range pcm {
		pcm[i] = int16(9000 * math.Sin(float64(i)*2*math.Pi*440/8000))
	}
	var b bytes.Buffer
	if err := media.WriteWAV(&b, media.WAV{Rate: 8000, Channels: 1, PCM: pcm}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
