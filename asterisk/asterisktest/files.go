package asterisktest

import (
	"net/netip"
	"os"
	"path/filepath"

	"hotline/asterisk/config"
	"hotline/trunks"
)

// write makes the folders and the configuration that users get.
func (a *Asterisk) write(ari int) {
	a.t.Helper()
	for _, folder := range []string{"etc", "lib/keys", "data/sounds", "data/moh/hotline", "spool/recording", "log", "run"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, folder), 0o700); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
	for from, to := range map[string]string{"sounds/en_US_f_Allison": "sounds/en", "documentation": "documentation", "rest-api": "rest-api",
		"moh/reno_project-system.wav": "moh/music.wav"} {
		if err := os.Symlink(filepath.Join(a.root, "usr/share/asterisk", from), filepath.Join(a.Dir, "data", to)); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
	files, err := config.Render(a.trunks(), a.options.Numbers, a.rendering(ari))
	if err != nil {
		a.t.Fatalf("asterisktest: %v", err)
	}
	texts := map[string]string{}
	for _, f := range files {
		texts[f.Name] = f.Text
	}
	if a.options.Version == "16" { // lacks some of the modules
		texts["modules.conf"] = "[modules]\nautoload = yes\n"
	}
	for name, text := range a.options.Extra {
		texts[name] += text
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(a.Dir, "etc", name), []byte(text), 0o600); err != nil {
			a.t.Fatalf("asterisktest: %v", err)
		}
	}
}

func (a *Asterisk) rendering(ari int) config.Options {
	o := config.Options{
		Folders: config.Folders{Base: a.Dir, Modules: a.modules()},
		ARI: config.ARI{
			Bind: netip.AddrPortFrom(a.SIPAddr.Addr(), uint16(ari)), User: a.User, Password: a.Password, App: a.options.App,
			Transport: a.options.Transport, Hotline: a.options.Hotline,
		},
		SIP:    config.SIP{Bind: a.SIPAddr},
		RTP:    config.RTP{First: a.rtpLow, Last: a.rtpLow + audioPorts - 1},
		Phones: a.options.Phones, Away: a.options.Away,
	}
	if a.options.Render != nil {
		a.options.Render(&o)
	}
	return o
}

// trunks are those of the test, carried by Asterisk.
func (a *Asterisk) trunks() []trunks.Trunk {
	var out []trunks.Trunk
	for _, t := range a.options.Trunks {
		t.Enabled, t.Settings.Edge = true, trunks.EdgeAsterisk
		out = append(out, t)
	}
	return out
}

func (a *Asterisk) modules() string {
	found, _ := filepath.Glob(filepath.Join(a.root, "usr/lib/*/asterisk/modules"))
	if len(found) == 0 {
		return filepath.Join(a.root, "usr/lib/asterisk/modules")
	}
	return found[0]
}
