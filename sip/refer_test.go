package sip

import (
	"net/url"
	"strings"
	"testing"

	"hotline"
	"hotline/call"
)

// An attended transfer names another call of the same telephone; that of somebody else, or none, it does not get.
func TestAttendedTransferNamesACall(t *testing.T) {
	r := newRig(t)
	p, other := r.phone("127.0.0.1"), r.phone("127.0.0.1")
	another := *p
	q := &another // a dialog of the same telephone
	q.callID, q.tag = hotline.NewID(), hotline.NewID()
	first, second, others := r.established(p, testOffer(""), ""), r.established(q, testOffer(""), ""), r.established(other, testOffer(""), "")
	names := func(of *phone, toTag, fromTag string) string {
		return "Refer-To: <sip:4000@127.0.0.1?Subject=x&Replaces=" + url.QueryEscape(of.callID+";to-tag="+toTag+";from-tag="+fromTag) + ">\r\n"
	}
	tag := func(of *phone) string { _, tag, _ := strings.Cut(of.to, ";tag="); return tag }
	for _, c := range []struct {
		name, refer string
		why         hotline.Kind
	}{
		{"its own", names(q, tag(q), q.tag), ""},
		{"with a wrong tag", names(q, tag(q), "guessed"), hotline.Denied},
		{"with a tag that is not ours", names(q, "guessed", q.tag), hotline.NotFound},
		{"somebody else's", names(other, tag(other), other.tag), hotline.Denied},
		{"the same", names(p, tag(p), p.tag), hotline.NotFound},
		{"what nobody can read", "Refer-To: <sip:4000@127.0.0.1?Replaces=%zz>\r\n", hotline.NotFound},
	} {
		p.cseq++
		p.send(p.with("REFER", "r"+hotline.NewID(), c.refer, ""))
		p.want("SIP/2.0 202")
		p.send(okTo(p.want("NOTIFY ")))
		e := first.next(t, call.TransferAsked)
		if e.Second == nil || hotline.KindOf(e.Second.Why) != c.why {
			t.Fatalf("%s: %+v", c.name, e.Second)
		}
		if c.why == "" && (e.Second.CallID != second.Info().CallID || e.Second.LegID != second.Info().LegID) {
			t.Errorf("%s: %+v", c.name, e.Second)
		}
		if err := first.ReportTransfer(t.Context(), 603, "Decline"); err != nil {
			t.Fatal(err)
		}
		p.send(okTo(p.want("NOTIFY ")))
	}
	for _, l := range []*caught{first, second, others} {
		if err := l.Hangup(t.Context(), call.CauseNormal); err != nil {
			t.Error(err)
		}
	}
	for _, of := range []*phone{p, q, other} {
		of.send(okTo(of.want("BYE ")))
	}
	r.gone()
}
