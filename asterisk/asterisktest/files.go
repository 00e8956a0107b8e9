package asterisktest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// write makes the folders and the configuration.
func (a *Asterisk) write(ari int) {
	a.t.Helper()
	for _, folder := range []string{"etc", "lib", "data/sounds", "spool", "log", "run"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, folder), 0o700); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
	for from, to := range map[string]string{"sounds/en_US_f_Allison": "sounds/en", "documentation": "documentation", "rest-api": "rest-api", "moh": "moh"} {
		if err := os.Symlink(filepath.Join(a.root, "usr/share/asterisk", from), filepath.Join(a.Dir, "data", to)); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
	files := a.files(ari)
	for name, text := range a.options.Extra {
		files[name] += text
	}
	for name, text := range maps.All(files) {
		if err := os.WriteFile(filepath.Join(a.Dir, "etc", name), []byte(text), 0o600); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
}

func (a *Asterisk) modules() string {
	found, _ := filepath.Glob(filepath.Join(a.root, "usr/lib/*/asterisk/modules"))
	if len(found) == 0 {
		return filepath.Join(a.root, "usr/lib/asterisk/modules")
	}
	return found[0]
}

func (a *Asterisk) files(ari int) map[string]string {
	d := a.Dir
	return map[string]string{
		"asterisk.conf": fmt.Sprintf(`[directories]
astetcdir => %[1]s/etc
astmoddir => %[2]s
astvarlibdir => %[1]s/lib
astdbdir => %[1]s/lib
astkeydir => %[1]s/lib
astdatadir => %[1]s/data
astagidir => %[1]s/lib
astspooldir => %[1]s/spool
astrundir => %[1]s/run
astlogdir => %[1]s/log
astsbindir => %[3]s/usr/sbin
[options]
entityid = 02:00:00:00:00:01
verbose = 3
`, d, a.modules(), a.root),
		"modules.conf": `[modules]
autoload = yes
noload => chan_iax2.so
noload => chan_unistim.so
noload => chan_motif.so
noload => chan_console.so
noload => app_jack.so
noload => pbx_dundi.so
noload => res_xmpp.so
noload => cdr_radius.so
noload => cel_radius.so
`,
		"logger.conf":      "[general]\n[logfiles]\nfull => notice,warning,error,verbose\n",
		"http.conf":        fmt.Sprintf("[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = %d\n", ari),
		"ari.conf":         fmt.Sprintf("[general]\nenabled = yes\n[%s]\ntype = user\nread_only = no\npassword = %s\n", a.User, a.Password),
		"rtp.conf":         fmt.Sprintf("[general]\nrtpstart = %d\nrtpend = %d\n", a.rtpLow, a.rtpLow+400),
		"musiconhold.conf": fmt.Sprintf("[default]\nmode = files\ndirectory = %s/data/moh\n", d),
		"pjsip.conf":       a.pjsip(),
		"extensions.conf": fmt.Sprintf(`[hotline-in]
exten => h,1,NoOp()
exten => _[+*#0-9a-zA-Z]!,1,Set(HOTLINE_DIVERTED=${FILTER(+0-9&,${REDIRECTING(from-num)})})
 same => n,Stasis(%s,in,${HOTLINE_TRUNK},${FILTER(+*#0-9a-zA-Z._-,${EXTEN})},${CALLERID(num-pres)},${CHANNEL(pjsip,call-id)},${CHANNEL(pjsip,remote_addr)},${HOTLINE_DIVERTED})
 same => n,Goto(hotline-away,${EXTEN},1)
[hotline-away]
exten => _.,1,Hangup()
`, a.options.App),
	}
}

func (a *Asterisk) pjsip() string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global]\ntype = global\nuser_agent = Asterisk\n\n")
	for _, transport := range []string{"udp", "tcp"} {
		fmt.Fprintf(&b, "[transport-%s]\ntype = transport\nprotocol = %s\nbind = %s\n\n", transport, transport, a.SIPAddr)
	}
	for i := range a.options.Trunks {
		t := &a.options.Trunks[i]
		fmt.Fprintf(&b, `[hl-%[1]s]
type = endpoint
context = hotline-in
transport = transport-udp
disallow = all
allow = ulaw,alaw
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
rtp_symmetric = yes
direct_media = no
aors = hl-%[1]s
set_var = HOTLINE_TRUNK=%[2]s
[hl-%[1]s]
type = aor
contact = sip:%[3]s:%[4]d
`, t.Name, t.ID, t.Settings.Host, t.Settings.Port)
		if len(t.Settings.MatchAddresses) > 0 {
			fmt.Fprintf(&b, "[hl-%[1]s]\ntype = identify\nendpoint = hl-%[1]s\nmatch = %[2]s\n", t.Name, strings.Join(t.Settings.MatchAddresses, ","))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
