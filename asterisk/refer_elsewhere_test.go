package asterisk

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/asterisk/asterisktest"
	"hotline/asterisk/config"
	"hotline/call"
	"hotline/trunks"
)

// dialog returns what a Replaces says of an endpoint's channel that is not the one with the id not: what the phone itself knows of its dialog.
func (r *rig) dialog(endpoint, not string) (replaces string) {
	r.t.Helper()
	client := r.edge.nodes[0].client
	r.until(endpoint+" has another call", func() bool {
		all, err := client.Channels(context.Background())
		if err != nil {
			return false
		}
		for _, c := range all {
			if !strings.HasPrefix(c.Name, "PJSIP/"+endpoint+"-") || c.ID == not || c.State != "Up" {
				continue
			}
			var of [3]string
			for i, name := range []string{"call-id", "local_tag", "remote_tag"} {
				if of[i], err = client.Variable(context.Background(), c.ID, "CHANNEL(pjsip,"+name+")"); err != nil {
					return false
				}
			}
			replaces = url.QueryEscape(of[0] + ";to-tag=" + of[1] + ";from-tag=" + of[2])
			return true
		}
		return false
	})
	return replaces
}

// desks are two desk phones, 101 and 102, of an Asterisk whose own dialplan lets them call each other.
type desks struct {
	*rig
	trunk  *trunks.Trunk
	phones [2]*softphone
}

func newDesks(t *testing.T) *desks {
	p := newDirectory(t, freePort(t), func(s *trunks.TrunkSettings) { s.MatchAddresses = []string{"127.0.0.9"} }) // the phones are at 127.0.0.1
	d := &desks{trunk: p.create("desk", trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, Dial: "PJSIP/{number}"})}
	if err := p.dir.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	const password = "c0ffee-and-more"
	p.a = asterisktest.Start(t, asterisktest.Options{
		Trunks: p.dir.Snapshot().Trunks(), Phones: []config.Phone{{User: "101", Password: password, TrunkID: d.trunk.ID}, {User: "102", Password: password, TrunkID: d.trunk.ID}},
		Extra: map[string]string{"extensions.conf": "\n[hotline-in](+)\nexten => 102,1,Dial(PJSIP/102)\n"},
	})
	d.rig = p.newRig(t)
	for i, user := range []string{"101", "102"} {
		d.phones[i] = newSoftphone(t, fmt.Sprintf("<sip:%[1]s@%[2]s>;auth_user=%[1]s;auth_pass=%[3]s;regint=60;audio_codecs=pcmu;answermode=auto\n", user, p.a.SIPAddr, password))
		d.until(user+" is registered", func() bool { return strings.Contains(p.a.CLI("pjsip", "show", "contacts"), user+"/sip:") })
	}
	return d
}

// reaches dials the first phone, which answers.
func (d *desks) reaches() (call.Leg, *call.Mailbox) {
	d.t.Helper()
	l, box := d.dial(call.Dial{To: "101", TrunkID: d.trunk.ID})
	for e := next(d.t, box, call.Ringing); e.Kind != call.Answered; {
		e = next(d.t, box, call.Answered)
	}
	d.hears(l.Audio(), 600)
	return l, box
}

// A phone that Hotline has called calls another phone of its Asterisk, and joins Hotline's caller with that one: Hotline takes it over.
func TestPhoneJoinsWithAnother(t *testing.T) {
	d := newDesks(t)
	first, box := d.reaches()
	d.phones[0].does("dial", "sip:102@"+d.a.SIPAddr.String())
	replaces := d.dialog("101", first.Info().ForeignID)
	d.phones[0].does("line", "1")
	d.phones[0].does("transfer", "<sip:102@"+d.a.SIPAddr.String()+"?Replaces="+replaces+">")
	e := next(t, box, call.TransferAsked)
	if e.Second == nil || e.Second.Number != "102" || e.Second.Taker == nil {
		t.Fatalf("the second call is %+v", e.Second)
	}
	taken := call.NewMailbox()
	second, err := e.Second.Taker.Dial(t.Context(), call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), Mailbox: taken, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	next(t, taken, call.Answered)
	d.hears(second.Audio(), 600)
	if err := first.(*Leg).ReportTransfer(t.Context(), 200, "OK"); err != nil {
		t.Error(err)
	}
	if err := first.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, box, call.Ended)
	d.until("the phone has no call", func() bool { return !strings.Contains(d.a.CLI("core", "show", "channels", "concise"), "PJSIP/101-") })
	d.hears(second.Audio(), 600)
	if err := second.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, taken, call.Ended)
	d.until("nobody has a call", func() bool { return !strings.Contains(d.a.CLI("core", "show", "channels", "concise"), "PJSIP/") })
	d.gone()
}

// Whom nobody has any more cannot be taken over, and the leg says so without having been answered.
func TestTakeOverWhoIsGone(t *testing.T) {
	d := newDesks(t)
	first, box := d.reaches()
	taken := call.NewMailbox()
	if _, err := (joiner{first.(*Leg), "PJSIP/102-ffffffff"}).Dial(t.Context(), call.Dial{CallID: hotline.NewID(), LegID: hotline.NewID(), Mailbox: taken}); err != nil {
		t.Fatal(err)
	}
	next(t, taken, call.Ended)
	d.hears(first.Audio(), 600)
	if err := first.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, box, call.Ended)
	d.gone()
}

// A phone that names the dialog of another phone, or one that there is not, gets nobody's call.
func TestPhoneNamesACallThatIsNotItsOwn(t *testing.T) {
	d := newDesks(t)
	first, box := d.reaches()
	d.phones[1].does("dial", "sip:4000@"+d.a.SIPAddr.String())
	others := d.leg()
	if err := others.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, others.box, call.Answered)
	d.phones[0].does("transfer", "<sip:4000@"+d.a.SIPAddr.String()+"?Replaces="+d.dialog("102", "")+">")
	e := next(t, box, call.TransferAsked)
	if e.Second == nil || hotline.KindOf(e.Second.Why) != hotline.Denied || e.Second.CallID != "" {
		t.Fatalf("the second call is %+v", e.Second)
	}
	if err := first.(*Leg).ReportTransfer(t.Context(), 603, "Decline"); err != nil {
		t.Error(err)
	}
	d.phones[0].told("TRANSFER_FAILED")
	d.hears(others.Audio(), 600)
	if err := first.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, box, call.Ended)
	first, box = d.reaches()
	d.phones[0].does("transfer", "<sip:4000@"+d.a.SIPAddr.String()+"?Replaces=nobodys%3Bto-tag%3D1%3Bfrom-tag%3D2>")
	if e = next(t, box, call.TransferAsked); e.Second == nil || hotline.KindOf(e.Second.Why) != hotline.NotFound {
		t.Fatalf("the second call is %+v", e.Second)
	}
	if err := first.(*Leg).ReportTransfer(t.Context(), 481, "Call/Transaction Does Not Exist"); err != nil {
		t.Error(err)
	}
	d.phones[0].told("TRANSFER_FAILED")
	for l, b := range map[call.Leg]*call.Mailbox{first: box, others.Leg: others.box} {
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
		next(t, b, call.Ended)
	}
	d.gone()
}
