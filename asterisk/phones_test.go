package asterisk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hotline/asterisk/asterisktest"
	"hotline/asterisk/config"
	"hotline/call"
	"hotline/sip/caller"
	"hotline/trunks"
)

// A desk phone at the address of a trunk registers with its own password, is called and calls; the trunk's calls still come in, also from a
// caller who has the phone's number.
func TestDeskPhoneAtATrunksAddress(t *testing.T) {
	p := newDirectory(t, freePort(t))
	desk := p.create("desk", trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, Dial: "PJSIP/{number}"})
	if err := p.dir.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	const password = "c0ffee-and-more"
	p.a = asterisktest.Start(t, asterisktest.Options{
		Trunks: p.dir.Snapshot().Trunks(), Phones: []config.Phone{{User: "101", Password: password, TrunkID: desk.ID}, {User: "1.1", Password: password, TrunkID: desk.ID}},
	})
	r := p.newRig(t)
	s := newSoftphone(t, fmt.Sprintf("<sip:101@%s>;auth_user=101;auth_pass=%s;regint=60;audio_codecs=pcmu;answermode=auto\n", p.a.SIPAddr, password))
	r.until("the phone is registered", func() bool { return strings.Contains(p.a.CLI("pjsip", "show", "contacts"), "101/sip:") })
	newSoftphone(t, fmt.Sprintf("<sip:101@%s>;auth_user=101;auth_pass=guessed;regint=60\n", p.a.SIPAddr))
	r.until("one with another password is refused", func() bool {
		security, _ := os.ReadFile(filepath.Join(p.a.Dir, "log", "security"))
		return strings.Contains(string(security), "ChallengeResponseFailed")
	})
	if all := p.a.CLI("pjsip", "show", "contacts"); strings.Count(all, "101/sip:") != 1 {
		t.Errorf("registered:\n%s", all)
	}

	out, box := r.dial(call.Dial{To: "101", TrunkID: desk.ID})
	for e := next(t, box, call.Ringing); e.Kind != call.Answered; {
		e = next(t, box, call.Answered)
	}
	r.hears(out.Audio(), 600)
	s.told("CALL_ESTABLISHED")
	if err := out.Hangup(t.Context(), call.CauseNormal); err != nil {
		t.Error(err)
	}
	next(t, box, call.Ended)
	s.told("CALL_CLOSED")

	s.does("dial", "sip:4000@"+p.a.SIPAddr.String())
	mine := r.leg()
	if i := mine.Info(); i.Caller.Number != "101" {
		t.Errorf("%+v", i)
	}
	if err := mine.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.hears(mine.Audio(), 600)
	s.does("hangup", "")
	next(t, mine.box, call.Answered)
	next(t, mine.box, call.Ended)

	r.trunkCalls("+8613800138000", "101")
	r.gone()
}

// trunkCalls lets callers of the trunk call with these numbers.
func (r *rig) trunkCalls(numbers ...string) {
	t := r.t
	for _, number := range numbers {
		up := r.dials(t, newCaller(t, caller.Config{}), caller.Invite{From: number})
		l := r.leg()
		if i := l.Info(); i.TrunkID != r.trunk.ID || i.Caller.Number != number {
			t.Errorf("%+v", i)
		}
		if err := l.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		(<-up).Hangup(t.Context())
		next(t, l.box, call.Answered)
		next(t, l.box, call.Ended)
	}
}
