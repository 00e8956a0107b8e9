package away

import (
	"fmt"
	"strings"
	"time"
)

// Context and extensions of the dialplan to which callers go while Hotline is away.
const (
	Context  = "hotline-away" // where callers wait
	Callers  = "again"        // a caller: music, and a message when it takes long
	Dialled  = "held"         // somebody whom we had dialled: music, and good-bye when it takes long
	MohClass = "hotline"

	contexts = "hotline-" // begins the names of all contexts that are rendered by us
)

// Options of the dialplan.
type Options struct {
	App      string        // Stasis application; "" means hotline
	While    time.Duration // how long a caller hears music before a message is offered; 0 means 60 s
	Longest  time.Duration // message; 0 means 3 min
	Lease    time.Duration // how long Asterisk leaves a caller to a Hotline that gives no sign; 0 means [Lease]
	Language string        // of the announcement where the number names none: "en", "zh-CN"; "" means both, one after the other
}

// Lease is for how long a caller is Hotline's. Hotline renews it ([Keeper.Run]) while it lives; when nobody has renewed it, Asterisk takes
// the caller back. It is what is left when the guardian died together with Hotline: the machine is gone, or the network between.
const Lease = 45 * time.Second

func (o Options) withDefaults() Options {
	if o.App == "" {
		o.App = "hotline"
	}
	if o.While == 0 {
		o.While = time.Minute
	}
	if o.Longest == 0 {
		o.Longest = 3 * time.Minute
	}
	if o.Lease == 0 {
		o.Lease = Lease
	}
	return o
}

// Dialplan returns the contexts that keep callers while Hotline is away, as text of extensions.conf. The context that takes calls sets
// HOTLINE_DIALLED, HOTLINE_ARGS (what follows "in" among the arguments of Stasis) and, where it knows it, HOTLINE_LANGUAGE; it has the
// lines of [Before] before its Stasis, [After] behind it, and [Expired] among its extensions.
//
// What a caller chose (numbers, names) is filtered to harmless characters before it is part of an expression or of a file name.
func Dialplan(o Options) string {
	o = o.withDefaults()
	return strings.NewReplacer(
		"@APP@", o.App, "@WHILE@", seconds(o.While), "@LONGEST@", seconds(o.Longest), "@LEASE@", seconds(o.Lease), "@LANGUAGE@", o.Language,
		"@PREFIX@", prefix, "@CLASS@", MohClass, "@TUNE@", tune(), "@EXPIRED@", strings.TrimSuffix(Expired(), "\n"),
	).Replace(plan)
}

// Before is what the context that takes calls does last before Stasis.
func Before(o Options) string {
	return fmt.Sprintf("Set(TIMEOUT(absolute)=%s)", seconds(o.withDefaults().Lease))
}

// After is where the call goes when Stasis returns.
func After() string { return fmt.Sprintf("Goto(%s,%s,1)", Context, Callers) }

// Expired is the extension at which a call goes on when the lease has run out.
func Expired() string { return fmt.Sprintf("exten => T,1,Goto(%s,%s,1)\n", Context, Callers) }

func seconds(d time.Duration) string { return fmt.Sprint(int(d.Seconds())) }

// MusicClass is the part of musiconhold.conf. datadir is astdatadir of asterisk.conf.
func MusicClass(datadir string) string {
	return fmt.Sprintf("; What callers hear while Hotline is away. Put the music you like there (8 kHz mono WAV). Without a file they hear a tune made of tones.\n"+
		"[%s]\nmode = files\ndirectory = %s/moh/hotline\nsort = alpha\n", MohClass, strings.TrimSuffix(datadir, "/"))
}

// tune is the built-in music for Playtones: an arpeggio over four chords, without a pause.
func tune() string {
	chords := [][4]int{{523, 659, 784, 1047}, {440, 523, 659, 880}, {349, 440, 523, 698}, {392, 494, 587, 784}} // C, a minor, F, G
	var notes []string
	for _, c := range chords {
		for _, i := range []int{0, 1, 2, 3, 2, 1, 2, 1} {
			notes = append(notes, fmt.Sprintf("%d/300", c[i]))
		}
	}
	return strings.Join(notes, ",")
}

// plan is the dialplan. A line that is tried again each second must do nothing that the caller hears.
const plan = `; While Hotline is away: callers hear music at once, are given back to it within about a second of its return, and may leave a message when
; it takes long. Hotline fetches messages when it is back and makes a ticket of each.
[hotline-away]
@EXPIRED@

; A caller. HOTLINE_SINCE is when the music began; coming back from a Hotline that was there for a while begins anew.
exten => again,1,Set(TIMEOUT(absolute)=0)
 same => n,Set(HOTLINE_SINCE=${IF($[${EPOCH} - 0${HOTLINE_TRIED} > 5]?${EPOCH}:${HOTLINE_SINCE})})
 same => n,Gosub(hotline-away-music,s,1)
 same => n(try),Wait(1)
 same => n,Set(HOTLINE_TRIED=${EPOCH})
 same => n,Set(TIMEOUT(absolute)=@LEASE@)
 same => n,Stasis(@APP@,again,${HOTLINE_ARGS})
 same => n,Set(TIMEOUT(absolute)=0)
 same => n,GotoIf($["${STASISSTATUS}" != "FAILED"]?again,1)
 same => n,GotoIf($[${EPOCH} - ${HOTLINE_SINCE} < @WHILE@]?try)
 same => n,Goto(hotline-away-message,s,1)

; Somebody whom Hotline had dialled.
exten => held,1,Set(TIMEOUT(absolute)=0)
 same => n,Set(HOTLINE_SINCE=${IF($[${EPOCH} - 0${HOTLINE_TRIED} > 5]?${EPOCH}:${HOTLINE_SINCE})})
 same => n,Gosub(hotline-away-music,s,1)
 same => n(try),Wait(1)
 same => n,Set(HOTLINE_TRIED=${EPOCH})
 same => n,Stasis(@APP@,again)
 same => n,GotoIf($["${STASISSTATUS}" != "FAILED"]?held,1)
 same => n,GotoIf($[${EPOCH} - ${HOTLINE_SINCE} < @WHILE@]?try)
 same => n,Hangup(38)

; A tune of tones, which needs no file, and in its place the music of musiconhold.conf where there is any: never silence.
[hotline-away-music]
exten => s,1,Answer()
 same => n,Playtones(@TUNE@)
 same => n,StartMusicOnHold(@CLASS@)
 same => n,Return()

; A message. Its file name is all that Hotline learns of the call: begin, trunk, caller, presentation, dialled number, channel.
[hotline-away-message]
exten => s,1,StopMusicOnHold()
 same => n,StopPlaytones()
 same => n,Set(HOTLINE_LANG=${FILTER(a-zA-Z-,${HOTLINE_LANGUAGE})})
 same => n,Set(HOTLINE_LANG=${IF($["${HOTLINE_LANG}" = ""]?@LANGUAGE@:${HOTLINE_LANG})})
 same => n,GotoIf($["${HOTLINE_LANG}" = "en"]?english)
 same => n,ExecIf($["${STAT(e,${ASTDATADIR}/sounds/hotline/away-zh-CN.wav)}" = "1"]?Playback(${ASTDATADIR}/sounds/hotline/away-zh-CN))
 same => n,GotoIf($["${HOTLINE_LANG}" = "zh-CN"]?beep)
 same => n(english),ExecIf($["${STAT(e,${ASTDATADIR}/sounds/hotline/away-en.wav)}" = "1"]?Playback(${ASTDATADIR}/sounds/hotline/away-en))
 same => n(beep),Playtones(1000)
 same => n,Wait(0.6)
 same => n,StopPlaytones()
 same => n,Set(HOTLINE_WHO=${FILTER(0-9a-z+*#._-,${CALLERID(num):0:32})})
 same => n,Gosub(hotline-away-name,s,1(${HOTLINE_WHO}))
 same => n,Set(HOTLINE_WHO=${GOSUB_RETVAL})
 same => n,Set(HOTLINE_WHAT=${FILTER(0-9a-z+*#._-,${TOLOWER(${HOTLINE_DIALLED:0:32})})})
 same => n,Gosub(hotline-away-name,s,1(${HOTLINE_WHAT}))
 same => n,Set(HOTLINE_WHAT=${GOSUB_RETVAL})
 same => n,Set(HOTLINE_FILE=@PREFIX@_${EPOCH}_${FILTER(0-9a-f-,${HOTLINE_TRUNK:0:36})}_${HOTLINE_WHO}_${FILTER(a-z,${CALLERID(num-pres)})}_${HOTLINE_WHAT}_${FILTER(0-9A-Za-z.-,${UNIQUEID:-40})})
 same => n,Record(${ASTSPOOLDIR}/recording/${HOTLINE_FILE}.wav,15,@LONGEST@,kq)
 same => n,GotoIf($["${RECORD_STATUS}" = "ERROR"]?hotline-away,again,1)
 same => n,Playtones(!1000/150,!0/150,!1000/150,!0/3000)
 same => n,Wait(1)
 same => n,Hangup(16)

; A number as part of a file name: what has a meaning there is written as a capital.
[hotline-away-name]
exten => s,1,Set(LOCAL(name)=${ARG1})
 same => n,Set(LOCAL(name)=${STRREPLACE(name,+,P)})
 same => n,Set(LOCAL(name)=${STRREPLACE(name,*,S)})
 same => n,Set(LOCAL(name)=${STRREPLACE(name,#,H)})
 same => n,Return(${STRREPLACE(name,_,U)})
`
