package config

import (
	"cmp"
	"path"
	"strconv"
	"strings"

	"hotline/asterisk/ari"
	"hotline/asterisk/away"
)

// own ends a file with the place for what the engineer adds.
func (w *writer) own(t *text, name string) {
	if w.o.Part {
		return
	}
	t.WriteByte('\n')
	t.note("What is yours goes into %s; it is not overwritten.", name)
	t.WriteString("#tryinclude \"" + name + "\"\n")
}

// at returns a folder: the one that is given, else one below Base, else Debian's.
func (f Folders) at(given, below, debian string) string {
	if given != "" || f.Base == "" {
		return cmp.Or(given, debian)
	}
	return path.Join(f.Base, below)
}

func (f Folders) etc() string   { return f.at("", "etc", "/etc/asterisk") }
func (f Folders) data() string  { return f.at(f.Data, "data", "/usr/share/asterisk") }
func (f Folders) spool() string { return f.at("", "spool", "/var/spool/asterisk") }

func (w *writer) asterisk() File {
	t := &text{}
	t.note(generated)
	f := w.o.Folders
	t.section("directories", "")
	for _, line := range [][2]string{
		{"astetcdir", f.etc()},
		{"astmoddir", f.at(f.Modules, "modules", "/usr/lib/x86_64-linux-gnu/asterisk/modules")},
		{"astvarlibdir", f.at("", "lib", "/var/lib/asterisk")},
		{"astdbdir", f.at("", "lib", "/var/lib/asterisk")},
		{"astkeydir", f.at("", "lib", "/var/lib/asterisk")},
		{"astdatadir", f.data()},
		{"astagidir", path.Join(f.data(), "agi-bin")},
		{"astspooldir", f.spool()},
		{"astrundir", f.at("", "run", "/var/run/asterisk")},
		{"astlogdir", f.at("", "log", "/var/log/asterisk")},
	} {
		t.set(line[0], line[1])
	}
	t.section("options", "")
	t.set("verbose", "1")
	t.note("Recordings and messages of the fallback are written without a second copy.")
	t.yes("transmit_silence", false)
	t.note("An id of its own, also on a machine without an Ethernet card.")
	t.set("entityid", "02:00:00:00:00:01")
	return w.file("asterisk.conf", t, false)
}

func (w *writer) http() File {
	t := &text{}
	t.note(generated)
	t.note("Whoever reaches this port and knows the password of ari.conf can place calls: keep it on 127.0.0.1 or a private network.")
	t.section("general", "")
	t.yes("enabled", true)
	t.set("bindaddr", w.o.ARI.Bind.Addr().String())
	t.set("bindport", strconv.Itoa(int(w.o.ARI.Bind.Port())))
	t.set("servername", "PBX")
	t.yes("enable_static", false)
	t.yes("enable_status", false)
	t.set("sessionlimit", "500")
	return w.file("http.conf", t, false)
}

func (w *writer) ari() File {
	t := &text{}
	t.note(generated)
	if !w.o.Part {
		t.section("general", "")
		t.yes("enabled", true)
		t.set("allowed_origins", "http://localhost") // browsers have no business here
		t.note("An event that cannot be sent at once within this time (ms) ends the connection; Hotline connects again.")
		t.set("websocket_write_timeout", "1000")
	} else {
		t.note("#include \"hotline-ari.conf\" at the end of ari.conf; its [general] needs enabled = yes, and http.conf too.")
	}
	t.section(w.o.ARI.User, "user")
	t.yes("read_only", false)
	t.set("password_format", "plain")
	t.set("password", w.o.ARI.Password)
	if w.o.ARI.Transport == ari.Dialled {
		t.WriteByte('\n')
		t.note("Asterisk connects to Hotline (20.15, 21.10, 22.5 and later); where, is in websocket_client.conf.")
		t.section("hotline-out", "outbound_websocket")
		t.set("websocket_client_id", "hotline")
		t.set("apps", w.o.ARI.App)
		t.yes("subscribe_all", false)
		t.set("local_ari_user", w.o.ARI.User)
	}
	return w.file("ari.conf", t, true)
}

// client is how Asterisk connects to Hotline.
func (w *writer) client() File {
	t := &text{}
	t.note(generated)
	t.section("hotline", "websocket_client")
	t.set("uri", w.o.ARI.Hotline)
	t.set("protocols", "ari")
	t.set("username", w.o.ARI.User)
	t.set("password", w.o.ARI.Password)
	t.set("connection_type", "persistent")
	t.set("connection_timeout", "5000")
	t.set("reconnect_interval", "500")
	t.set("reconnect_attempts", "1000000000")
	t.yes("tls_enabled", strings.HasPrefix(w.o.ARI.Hotline, "wss://"))
	return w.file("websocket_client.conf", t, true)
}

func (w *writer) rtp() File {
	t := &text{}
	t.note(generated)
	t.note("Two ports a call, and one more for the audio between Asterisk and Hotline. Let them through your firewall from the trunks only.")
	t.section("general", "")
	t.set("rtpstart", strconv.Itoa(w.o.RTP.First))
	t.set("rtpend", strconv.Itoa(w.o.RTP.Last))
	t.note("Audio from another address than the one that was agreed on is dropped.")
	t.yes("strictrtp", true)
	t.yes("icesupport", false)
	return w.file("rtp.conf", t, false)
}

func (w *writer) logger() File {
	t := &text{}
	t.note(generated)
	t.section("general", "")
	t.set("dateformat", "%F %T.%3q")
	t.section("logfiles", "")
	t.WriteString("console => notice,warning,error\n")
	t.WriteString("full => notice,warning,error,verbose\n")
	t.note("Wrong passwords and calls from strangers, for fail2ban and its kin.")
	t.WriteString("security => security\n")
	return w.file("logger.conf", t, false)
}

// indications are the tones that are heard when Hotline is away.
func (w *writer) indications() File {
	t := &text{}
	t.note(generated)
	t.section("general", "")
	t.set("country", "cn")
	t.section("cn", "")
	t.set("description", "China")
	t.set("ringcadence", "1000,4000")
	t.set("dial", "450")
	t.set("busy", "450/350,0/350")
	t.set("ring", "450/1000,0/4000")
	t.set("congestion", "450/700,0/700")
	t.set("callwaiting", "450/400,0/4000")
	t.set("dialrecall", "450")
	t.set("record", "950/400,0/10000")
	t.set("info", "450/100,0/100,450/100,0/100,450/100,0/100,450/400,0/400")
	return w.file("indications.conf", t, false)
}

func (w *writer) music() File {
	t := &text{}
	t.note(generated)
	if !w.o.Part {
		t.section("default", "")
		t.set("mode", "files")
		t.set("directory", path.Join(w.o.Folders.data(), "moh"))
	}
	t.WriteString("\n" + away.MusicClass(w.o.Folders.data()))
	return w.file("musiconhold.conf", t, false)
}

// quiet are files that Asterisk looks for at each start and of which we want nothing: without them it complains.
func (w *writer) quiet() []File {
	var out []File
	if w.o.ARI.Transport != ari.Dialled {
		out = append(out, File{Name: "websocket_client.conf", Text: "; " + generated + "\n"})
	}
	for _, f := range [][2]string{
		{"chan_websocket.conf", ""},
		{"cdr.conf", "[general]\nenable = no\n"},
		{"cel.conf", "[general]\nenable = no\n"},
		{"features.conf", "[general]\n"},
		{"ccss.conf", "[general]\n"},
		{"manager.conf", "[general]\nenabled = no\n"},
		{"udptl.conf", "[general]\n"},
		{"acl.conf", ""},
		{"cli_aliases.conf", ""},
		{"codecs.conf", ""},
		{"dnsmgr.conf", "[general]\nenable = no\n"},
		{"stasis.conf", ""},
		{"sorcery.conf", ""},
		{"pjproject.conf", ""},
		{"resolver_unbound.conf", ""},
	} {
		out = append(out, File{Name: f[0], Text: "; " + generated + "\n" + f[1]})
	}
	return out
}
