package config

import (
	"strings"

	"hotline/asterisk/away"
	"hotline/trunks"
)

// extensions writes what happens to a call: Hotline takes it, and when Hotline is away, context hotline-away.
func (w *writer) extensions() File {
	t := &text{}
	t.note(generated)
	if !w.o.Part {
		t.section("general", "")
		t.yes("static", true)
		t.yes("writeprotect", true)
		t.yes("autofallthrough", true)
	}
	t.WriteString(strings.NewReplacer("@APP@", w.o.ARI.App, "@LINES@", w.lines(), "@TRANSFERS@", w.transfers(), "@BEFORE@", away.Before(w.o.Away), "@AFTER@", away.After(), "@EXPIRED@", away.Expired()).Replace(dialplan))
	w.languages(t)
	t.WriteString("\n" + away.Dialplan(w.o.Away))
	w.own(t, "extensions_local.conf")
	return w.file("extensions.conf", t, false)
}

// dialplan takes calls in. The letter h alone is no number: Asterisk goes there when a call has ended.
const dialplan = `
; Calls of trunks. Whatever is dialled goes to Hotline, which knows the numbers and answers 404 for others.
[hotline-in]
exten => _[+*#0-9A-Za-gi-z]!,1,Set(HOTLINE_DIALLED=${FILTER(-+*#0-9A-Za-z._,${EXTEN})})
 same => n,Goto(hotline-enter,s,1)
exten => _h[0-9A-Za-z]!,1,Set(HOTLINE_DIALLED=${FILTER(-+*#0-9A-Za-z._,${EXTEN})})
 same => n,Goto(hotline-enter,s,1)
@LINES@
; What Hotline is told: the trunk, what was dialled, whether the number may be shown, the SIP call, where it comes from, who it was
; diverted by, and the codecs. What comes from outside is reduced to the characters that are named here.
[hotline-enter]
exten => s,1,GotoIf($["${CHANNEL(channeltype)}" != "PJSIP"]?other)
 same => n,Set(HOTLINE_CALL=${FILTER(-0-9A-Za-z@._+~:!%*/,${CHANNEL(pjsip,call-id)})})
 same => n,Set(HOTLINE_FROM=${FILTER(0-9a-fA-F.:[],${CHANNEL(pjsip,remote_addr)})})
 same => n,Gosub(hotline-transfers,s,1)
 same => n,Gosub(hotline-diversions,s,1)
 same => n,Set(HOTLINE_PRIVACY=${FILTER(a-z,${TOLOWER(${PJSIP_HEADER(read,Privacy)})})})
 same => n,ExecIf($["${HOTLINE_PRIVACY}" != "" & "${HOTLINE_PRIVACY}" != "none"]?Set(CALLERID(pres)=prohib))
 same => n(other),Set(HOTLINE_CODECS=${FILTER(0-9a-z|,${CHANNEL(audionativeformat)})})
 same => n,Set(HOLD_INTERCEPT(set)=)
 same => n,Gosub(hotline-language,${HOTLINE_DIALLED},1)
 same => n,Set(HOTLINE_LANGUAGE=${GOSUB_RETVAL})
 same => n,Set(HOTLINE_ARGS=${HOTLINE_TRUNK},${HOTLINE_DIALLED},${CALLERID(num-pres)},${HOTLINE_CALL},${HOTLINE_FROM},${HOTLINE_DIVERTED},${HOTLINE_CODECS})
 same => n,@BEFORE@
 same => n,Stasis(@APP@,in,${HOTLINE_ARGS})
 same => n,@AFTER@
@EXPIRED@
; Who the call was diverted by, the last first (RFC 5806), at most five.
[hotline-diversions]
exten => s,1,Set(HOTLINE_DIVERTED=)
 same => n,Set(HOTLINE_N=1)
 same => n(next),Set(HOTLINE_HEADER=${PJSIP_HEADER(read,Diversion,${HOTLINE_N})})
 same => n,GotoIf($[${LEN(${HOTLINE_HEADER})} = 0 | ${HOTLINE_N} > 5]?done)
 same => n,Gosub(hotline-user,s,1)
 same => n,Set(HOTLINE_DIVERTED=${HOTLINE_DIVERTED}${IF($[${LEN(${HOTLINE_DIVERTED})} > 0 & ${LEN(${GOSUB_RETVAL})} > 0]?&)}${GOSUB_RETVAL})
 same => n,Set(HOTLINE_N=$[${HOTLINE_N} + 1])
 same => n,Goto(next)
 same => n(done),Return()

; The user part of the address in HOTLINE_HEADER, reduced to what a number or a name may have.
[hotline-user]
exten => s,1,Set(HOTLINE_HEADER=${CUT(HOTLINE_HEADER,<,${FIELDQTY(HOTLINE_HEADER,<)})})
 same => n,Set(HOTLINE_HEADER=${CUT(HOTLINE_HEADER,>,1)})
 same => n,Set(HOTLINE_HEADER=${CUT(HOTLINE_HEADER,@,1)})
 same => n,Return(${FILTER(-+*#0-9A-Za-z._,${CUT(HOTLINE_HEADER,:,2)})})

; A phone that transfers a call by itself (REFER) asks Hotline. Asterisk can do so from 20.13, 21.8 and 22.3 on. Versions before 20.21
; and 22.11 crash on a REFER with "Refer-Sub: false" then: render with --no-transfers if strangers can send you one.
[hotline-transfers]
exten => s,1,GotoIf($["@TRANSFERS@" = "no"]?old)
 same => n,Set(HOTLINE_VERSION=${VERSION(ASTERISK_VERSION_NUM)})
 same => n,GotoIf($[${HOTLINE_VERSION} < 201300]?old)
 same => n,GotoIf($[${HOTLINE_VERSION} >= 210000 & ${HOTLINE_VERSION} < 210800]?old)
 same => n,GotoIf($[${HOTLINE_VERSION} >= 220000 & ${HOTLINE_VERSION} < 220300]?old)
 same => n,Set(PJSIP_TRANSFER_HANDLING()=ari-only)
 same => n(old),Return()

; A desk phone talks with somebody in a call of this Asterisk, and joins a caller of Hotline's with them: they are taken from the phone.
[hotline-join]
exten => s,1,Bridge(${HOTLINE_JOIN})
 same => n,Hangup()
`

// The local channel s@JoinContext takes over the party of the channel that JoinVariable names.
const (
	JoinContext  = "hotline-join"
	JoinVariable = "HOTLINE_JOIN"
)

// lines writes the contacts that we registered: a call to one says only which account is called, and P-Called-Party-ID (RFC 7315)
// or To has the number.
func (w *writer) lines() string {
	var t text
	for i := range w.trunks {
		tr := &w.trunks[i]
		if tr.Settings.Register == nil {
			continue
		}
		if t.Len() == 0 {
			t.note("A provider calls the contact that was registered with him; the number stands beside it.")
		}
		t.WriteString(strings.ReplaceAll(registered, "@TOKEN@", trunks.ContactToken(tr)))
	}
	return t.String()
}

const registered = `exten => @TOKEN@,1,Set(HOTLINE_HEADER=${PJSIP_HEADER(read,P-Called-Party-ID)})
 same => n,GotoIf($[${LEN(${HOTLINE_HEADER})} > 0]?user)
 same => n,Set(HOTLINE_HEADER=${PJSIP_HEADER(read,To)})
 same => n(user),Gosub(hotline-user,s,1)
 same => n,Set(HOTLINE_DIALLED=${GOSUB_RETVAL})
 same => n,GotoIf($["${HOTLINE_DIALLED}" != ""]?hotline-enter,s,1)
 same => n,Hangup(1)
`

// languages writes what is spoken to callers of a number when Hotline is away.
func (w *writer) languages(t *text) {
	t.WriteByte('\n')
	t.note("The language of each number, for what Asterisk says when Hotline is away.")
	t.section("hotline-language", "")
	t.WriteString("exten => _[+*#0-9A-Za-z]!,1,Return()\n")
	for _, n := range w.numbers {
		if n.TrunkID != "" && !w.carries(n.TrunkID) {
			continue
		}
		t.WriteString("exten => " + n.Number + ",1,Return(" + n.Language + ")\n")
		if bare, ok := strings.CutPrefix(n.Number, "+"); ok {
			t.WriteString("exten => " + bare + ",1,Return(" + n.Language + ")\n")
		}
	}
}

func (w *writer) transfers() string {
	if w.o.NoTransfers {
		return "no"
	}
	return "yes"
}

func (w *writer) carries(id string) bool {
	for i := range w.trunks {
		if w.trunks[i].ID == id {
			return true
		}
	}
	return false
}
