//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotline/testport"
	"hotline/trunks"
)

// deskPhone is a baresip that has registered with an Asterisk, answers by itself, and speaks a tone. It has an address of its own: what comes
// from that of the callers is theirs.
type deskPhone struct {
	t       testing.TB
	control string // ip:port
	out     *logFile
}

// desk starts the desk phone of an extension and waits until Asterisk knows it.
func (p *pbx) desk(h *house, user string, hz float64) *deskPhone {
	h.t.Helper()
	program, sox, dir := need(h.t, "baresip", "baresip"), need(h.t, "sox", "sox"), h.t.TempDir()
	if out, err := exec.Command(sox, "-n", "-r", "8000", "-b", "16", "-c", "1", filepath.Join(dir, "tone.wav"), "synth", "120", "sine", fmt.Sprint(hz), "vol", "0.4").CombinedOutput(); err != nil {
		h.t.Fatalf("sox: %v %s", err, out)
	}
	d := &deskPhone{t: h.t, control: fmt.Sprintf("127.0.0.1:%d", testport.Free(h.t, "tcp")), out: &logFile{}}
	for name, text := range map[string]string{
		"config": fmt.Sprintf("module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n"+
			"ctrl_tcp_listen %s\nsip_listen 127.0.0.7:%d\naudio_source aufile,%s/tone.wav\naudio_player aufile,%s/heard.wav\naudio_alert aufile,%s/alert.wav\n"+
			"rtp_ports 42000-42999\nnet_interface 127.0.0.7\n", d.control, testport.Free(h.t, "udp"), dir, dir, dir),
		"accounts": fmt.Sprintf("<sip:%s@%s>;auth_user=%s;auth_pass=%s;regint=60;answermode=auto;audio_codecs=pcmu\n", user, p.SIPAddr, user, p.password),
		"contacts": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-f", dir, "-s") // with a trace of SIP
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, d.out, d.out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if h.t.Failed() {
			h.t.Logf("desk phone %s:\n%s", user, tail(d.out.String(), 3000))
		}
	})
	h.eventually(15*time.Second, "desk phone "+user+" has registered", func() bool { return strings.Contains(p.CLI("pjsip", "show", "contacts"), user+"/sip:") })
	return d
}

// command tells the phone what to do.
func (d *deskPhone) command(name, params string) {
	d.t.Helper()
	c, err := net.Dial("tcp", d.control)
	if err != nil {
		d.t.Fatal(err)
	}
	defer c.Close()
	raw, _ := json.Marshal(map[string]string{"command": name, "params": params})
	fmt.Fprintf(c, "%d:%s,", len(raw), raw)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	answer := make([]byte, 4096)
	n, err := c.Read(answer)
	if err != nil {
		d.t.Fatalf("%s: %v", name, err)
	}
	d.t.Logf("desk phone, %s %s: %s", name, params, answer[:n])
}

// handedToDesk lets an agent hand a caller to the first desk phone, whose voice is hz.
func (h *house) handedToDesk(a *browser, from string, hz float64) (l *line, call string) {
	h.t.Helper()
	h.routesToDesks()
	l, call = h.talks(a, from)
	mark := a.mark()
	h.eventually(10*time.Second, "the route to the desk phones is known", func() bool {
		return a.ask("call.transfer", map[string]any{"to": map[string]any{"kind": "number", "value": deskPhones[0]}}).OK
	})
	l.hears([]float64{hz}, []float64{agentHz})
	a.closes(mark, call)
	return l, call
}

// transfersToDesk: a caller is handed to a desk phone that has registered with Asterisk; that phone sends the caller on to another, which
// hangs up.
func transfersToDesk(h *house, p *pbx, a *browser) {
	const from, hz, otherHz = "+8613800138043", 720.0, 1380.0
	d, other := p.desk(h, deskPhones[0], hz), p.desk(h, deskPhones[1], otherHz)
	l, call := h.handedToDesk(a, from, hz)
	d.command("transfer", "sip:"+deskPhones[1]+"@"+p.SIPAddr.String())
	l.hears([]float64{otherHz}, []float64{hz})
	other.command("hangup", "")
	l.ended(10 * time.Second)
	if row := h.ended(from); row.ID != call || len(row.Legs) < 4 {
		h.t.Errorf("the call's row is %+v", row)
	}
}

// asksAndJoins: a desk phone that has a caller calls the hotline, asks who answers there, and joins the two (REFER with Replaces).
func asksAndJoins(h *house, p *pbx, a *browser) {
	const from, hz = "+8613800138044", 720.0
	d := p.desk(h, deskPhones[0], hz)
	l, call := h.handedToDesk(a, from, hz)
	mark := a.mark()
	d.command("dial", "sip:4000@"+p.SIPAddr.String())
	h.eventually(15*time.Second, "the desk phone's question is answered", func() bool { return d.dialog("4000") != "" })
	d.command("sndcode", "2") // English
	d.command("sndcode", "1") // support
	asked := a.answers(mark)
	a.hears([]float64{hz}, []float64{callerHz})
	d.command("line", "1")
	d.command("transfer", "<sip:4000@"+p.SIPAddr.String()+"?Replaces="+d.dialog("4000")+">")
	l.hears([]float64{agentHz}, []float64{hz})
	a.hears([]float64{callerHz}, []float64{hz})
	a.after(mark, "call", 10*time.Second, func(v json.RawMessage) bool { return field(v, "id") == call })
	h.eventually(10*time.Second, "the desk phone is free", func() bool {
		return !strings.Contains(p.CLI("core", "show", "channels", "concise"), "PJSIP/"+deskPhones[0])
	})
	mark = a.mark()
	a.must("call.hangup", nil)
	l.ended(10 * time.Second)
	a.closes(mark, call)
	row := h.ended(from)
	if row.ID != call || row.Result != "answered" || len(row.Legs) != 4 {
		h.t.Errorf("the caller's row is %+v", row)
	}
	if question := h.ended(deskPhones[0]); question.ID != asked || question.Result != "answered" || question.Segments[len(question.Segments)-1].Reason != "given" {
		h.t.Errorf("the desk phone's row is %+v", question)
	}
	var timeline page[struct {
		Kind string
		Data struct {
			By, Kind, Whom string
			Attended       bool
		}
	}]
	h.api("GET", fmt.Sprintf("/api/v1/tickets/%d/timeline", row.Ticket), nil, &timeline)
	var told []string
	for _, e := range timeline.Items {
		if e.Kind == "transfer" {
			told = append(told, fmt.Sprint(e.Data.Kind, " ", e.Data.By == deskPhones[0], " ", e.Data.Whom == deskPhones[0], " ", e.Data.Attended))
		}
	}
	if want := []string{"number false true false", "agent true false true"}; !slices.Equal(told, want) {
		h.t.Errorf("the timeline tells of the transfers %v, want %v: %+v", told, want, timeline.Items)
	}
}

// asksAtTheDesk: a desk phone that has a caller calls another by its Asterisk's own dialplan, and joins the two.
func asksAtTheDesk(h *house, p *pbx, a *browser) {
	const from, hz, otherHz = "+8613800138045", 720.0, 1380.0
	d, other := p.desk(h, deskPhones[0], hz), p.desk(h, deskPhones[1], otherHz)
	l, call := h.handedToDesk(a, from, hz)
	d.command("dial", "sip:*"+deskPhones[1]+"@"+p.SIPAddr.String())
	h.eventually(15*time.Second, "the other desk phone answers", func() bool { return d.dialog("*"+deskPhones[1]) != "" })
	d.command("line", "1")
	d.command("transfer", "<sip:*"+deskPhones[1]+"@"+p.SIPAddr.String()+"?Replaces="+d.dialog("*"+deskPhones[1])+">")
	l.hears([]float64{otherHz}, []float64{hz})
	h.eventually(10*time.Second, "the desk phone is free", func() bool {
		return !strings.Contains(p.CLI("core", "show", "channels", "concise"), "PJSIP/"+deskPhones[0])
	})
	other.command("hangup", "")
	l.ended(10 * time.Second)
	if row := h.ended(from); row.ID != call || row.Result != "transferred" || len(row.Legs) != 4 {
		h.t.Errorf("the caller's row is %+v", row)
	}
}

// dialog returns what a Replaces says of the phone's call to a number; "" until it is answered.
func (d *deskPhone) dialog(number string) string {
	for message := range strings.SplitSeq(d.out.String(), "SIP/2.0 200 OK\r\n") {
		message, _, _ = strings.Cut(message, "\r\n\r\n")
		head := map[string]string{}
		for line := range strings.SplitSeq(message, "\r\n") {
			name, value, _ := strings.Cut(line, ":")
			head[strings.ToLower(name)] = strings.TrimSpace(value)
		}
		if !strings.HasSuffix(head["cseq"], "INVITE") || !strings.Contains(head["to"], "sip:"+number+"@") {
			continue
		}
		_, ours, _ := strings.Cut(head["from"], ";tag=")
		_, theirs, _ := strings.Cut(head["to"], ";tag=")
		return url.QueryEscape(head["call-id"] + ";to-tag=" + theirs + ";from-tag=" + ours)
	}
	return ""
}

// routesToDesks lets extensions be dialled.
func (h *house) routesToDesks() {
	h.t.Helper()
	var all page[trunks.Trunk]
	h.api("GET", "/api/v1/trunks", nil, &all)
	for _, trunk := range all.Items {
		if trunk.Name == "desk phones" {
			h.api("POST", "/api/v1/outbound-routes", map[string]any{
				"name": "desks", "enabled": true, "trunks": []string{trunk.ID}, "settings": map[string]any{"prefixes": []string{"60"}},
			}, nil)
		}
	}
}
