package asterisk

import (
	"strings"
	"testing"

	"hotline"
	"hotline/call"
	"hotline/trunks/siptest"
)

// A phone that is talking transfers blindly: the call is told of it, Asterisk does nothing by itself, and the phone learns the outcome.
func TestPhoneTransfers(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	s := newSoftphone(t, "<sip:+8613800138000@127.0.0.1>;regint=0;audio_codecs=pcmu\n")
	s.does("dial", "sip:4000@"+p.a.SIPAddr.String())
	l := r.leg()
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, l.box, call.Answered)
	s.told("CALL_ESTABLISHED")
	r.hears(l.Audio(), 600)
	s.does("transfer", "sip:4711@"+p.a.SIPAddr.String())
	e := next(t, l.box, call.TransferAsked)
	if !strings.Contains(e.Target, "4711") {
		t.Errorf("the target is %q", e.Target)
	}
	if err := l.Leg.(*Leg).ReportTransfer(t.Context(), 603, "Decline"); err != nil {
		t.Error(err)
	}
	s.told("TRANSFER_FAILED")
	s.does("hangup", "")
	next(t, l.box, call.Ended)
	r.gone()
}

// We ask a phone to call somebody else: it does, and leaves.
func TestReferAPhone(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	s := newSoftphone(t, "<sip:+8613800138000@127.0.0.1>;regint=0;audio_codecs=pcmu\n")
	s.does("dial", "sip:4000@"+p.a.SIPAddr.String())
	l := r.leg()
	if err := l.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, l.box, call.Answered)
	s.told("CALL_ESTABLISHED")
	outcome := make(chan error, 1)
	go func() { outcome <- l.Leg.(call.Transferrer).Refer(t.Context(), "sip:4000@"+p.a.SIPAddr.String()) }()
	second := r.leg()
	if err := second.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Errorf("Refer: %v", err)
	}
	next(t, l.box, call.Ended)
	s.does("hangup", "")
	next(t, second.box, call.Answered)
	next(t, second.box, call.Ended)
	if err := l.Leg.(call.Transferrer).Refer(t.Context(), "sip:a@b\r\nX: y"); hotline.KindOf(err) != hotline.Invalid {
		t.Errorf("a target with a line break: %v", err)
	}
	r.gone()
}

// An attended transfer names the call whose place is to be taken.
func TestAttendedTransferIsAsked(t *testing.T) {
	p := newPlant(t, freePort(t))
	r := p.newRig(t)
	b := newRobot(t, r)
	talk := func() (*siptest.Call, *caught) {
		c := b.Invite("4000")
		l := r.leg()
		if err := l.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		next(t, l.box, call.Answered)
		if err := c.Answered(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c, l
	}
	first, l1 := talk()
	second, l2 := talk()
	first.Refer(second)
	if e := next(t, l1.box, call.TransferAsked); e.Second == nil || e.Second.CallID != l2.Info().CallID || e.Second.LegID != l2.Info().LegID || e.Second.Why != nil {
		t.Errorf("the second call is %+v", e.Second)
	}
	if err := l1.Leg.(*Leg).ReportTransfer(t.Context(), 200, "OK"); err != nil {
		t.Error(err)
	}
	first.Hangup()
	second.Hangup()
	next(t, l1.box, call.Ended)
	next(t, l2.box, call.Ended)
	r.gone()
}
