package config

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hotline/trunks"
)

// writer renders the files.
type writer struct {
	o       Options
	trunks  []trunks.Trunk
	numbers []trunks.Number
	err     error
}

// file closes a text.
func (w *writer) file(name string, t *text, secret bool) File {
	if t.err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", name, t.err)
	}
	return File{Name: name, Text: t.String(), Secret: secret}
}

const generated = "Written by 'hotline asterisk config' from the trunks and numbers in Hotline's console: change them there and render again."

func (w *writer) pjsip() File {
	t := &text{}
	t.note(generated)
	if !w.o.Part {
		w.global(t)
		w.transports(t)
	}
	if len(w.trunks) == 0 {
		t.WriteByte('\n')
		t.note("No trunk is carried by Asterisk yet: in the console, under Set-up, Trunks, choose Asterisk as the edge of one.")
	}
	for i := range w.trunks {
		before := t.err
		w.trunk(t, &w.trunks[i])
		if t.err != nil && before == nil {
			t.err = fmt.Errorf("trunk %s: %w", w.trunks[i].Name, t.err)
		}
	}
	for _, p := range w.o.Phones {
		w.phone(t, p)
	}
	w.own(t, "pjsip_local.conf")
	return w.file("pjsip.conf", t, true)
}

func (w *writer) global(t *text) {
	t.section("global", "global")
	t.note("Who calls: by a login, by the trunk's addresses, or by the line that we registered. Nobody else is a caller. A desk phone that registers is")
	t.note("asked for its password before its address is looked at, which may be a trunk's.")
	t.set("endpoint_identifier_order", "auth_username,header,ip")
	t.set("user_agent", "PBX") // names no version
	t.yes("disable_multi_domain", true)
	t.set("keep_alive_interval", "90")
}

func (w *writer) transports(t *text) {
	transport := func(name, protocol string, bind netip.AddrPort) {
		t.section(name, "transport")
		t.set("protocol", protocol)
		t.set("bind", bind.String())
		if w.o.SIP.External.IsValid() {
			t.set("external_signaling_address", w.o.SIP.External.String())
			t.set("external_media_address", w.o.SIP.External.String())
			for _, p := range w.o.SIP.Local {
				t.set("local_net", p.String())
			}
		}
	}
	transport("transport-udp", "udp", w.o.SIP.Bind)
	transport("transport-tcp", "tcp", w.o.SIP.Bind)
	if w.o.SIP.TLS.IsValid() {
		transport("transport-tls", "tls", w.o.SIP.TLS)
		t.set("cert_file", w.o.SIP.Cert)
		t.set("priv_key_file", w.o.SIP.Key)
		t.set("method", "tlsv1_2")
		t.yes("verify_server", true)
		t.set("ca_list_path", "/etc/ssl/certs")
	}
}

// trunk writes one trunk: what it is reached by, and what its calls are known by.
func (w *writer) trunk(t *text, tr *trunks.Trunk) {
	s := &tr.Settings
	name := tr.Endpoint()
	t.WriteByte('\n')
	t.note("---- trunk %s", tr.Name)
	if s.MaxCalls > 0 || s.MaxCPS > 0 {
		t.note("Its limits (%d calls at a time, %d new ones a second; 0 is none) are held by Hotline.", s.MaxCalls, s.MaxCPS)
	}
	host, port, transport := tr.Target()
	own := tr.HasEndpoint()
	if own {
		w.endpoint(t, tr, name)
		if host != "" {
			t.set("aors", name)
		}
		if s.Register != nil {
			t.set("outbound_auth", name)
			t.set("from_domain", hostOf(s.Register.Registrar))
		}
		if host != "" {
			t.section(name, "aor")
			t.set("contact", uri("", host, port, transport))
			if s.OptionsIntervalS > 0 {
				t.set("qualify_frequency", strconv.Itoa(s.OptionsIntervalS))
			}
		}
	}
	if len(s.MatchAddresses) > 0 {
		t.section(name, "identify")
		t.set("endpoint", name)
		for _, a := range s.MatchAddresses {
			t.set("match", a)
		}
	}
	if s.Register != nil {
		w.register(t, tr, name)
	}
	if s.MatchDigest != nil {
		w.login(t, tr)
	}
	if !own && s.MatchDigest == nil {
		t.note("It only dials: %s. Calls from there come in by an endpoint of yours with context = hotline-in and set_var = HOTLINE_TRUNK=%s.", tr.DialOf(), tr.ID)
	}
}

// endpoint writes what all endpoints of a trunk have.
func (w *writer) endpoint(t *text, tr *trunks.Trunk, name string) {
	s := &tr.Settings
	t.section(name, "endpoint")
	t.set("context", "hotline-in")
	t.set("set_var", "HOTLINE_TRUNK="+tr.ID)
	_, _, transport := tr.Target()
	w.audio(t, "transport-"+transport)
	t.set("disallow", "all")
	t.set("allow", codecs(s.Codecs))
	t.set("dtmf_mode", dtmf(s.DTMF))
	if s.SRTP {
		t.set("media_encryption", "sdes")
	}
	t.yes("trust_id_inbound", s.TrustedIdentity)
	t.yes("trust_id_outbound", s.TrustedIdentity)
	t.yes("send_pai", s.TrustedIdentity)
	switch {
	case s.SessionTimerS < 0:
		t.yes("timers", false)
	case s.SessionTimerS > 0:
		t.set("timers_sess_expires", strconv.Itoa(s.SessionTimerS))
	}
}

// audio writes what makes audio pass by Asterisk and by nobody else.
func (w *writer) audio(t *text, transport string) {
	if !w.o.Part {
		t.set("transport", transport)
	}
	if w.o.RTP.Addr.IsValid() {
		t.set("media_address", w.o.RTP.Addr.String())
		t.yes("bind_rtp_to_media_address", true)
	}
	if w.o.NoTransfers {
		t.yes("allow_transfer", false)
	}
	t.yes("send_connected_line", false) // no re-INVITE because of the bridge that Hotline's audio joins by
	t.yes("direct_media", false)
	t.yes("rtp_symmetric", true)
	t.yes("force_rport", true)
	t.yes("rewrite_contact", false)
}

// register writes a registration with a provider. Its line parameter comes back in the provider's INVITEs, so that calls of the
// account are known whatever address they come from.
func (w *writer) register(t *text, tr *trunks.Trunk, name string) {
	r := tr.Settings.Register
	host, port, _ := trunks.HostPort(r.Registrar)
	_, _, transport := tr.Target()
	t.section(name, "auth")
	t.set("auth_type", "userpass")
	user := r.AuthUsername
	if user == "" {
		user = r.Username
	}
	t.set("username", user)
	t.set("password", r.Password)
	if r.Realm != "" {
		t.set("realm", r.Realm)
	} else {
		t.note("No realm is set on the trunk, so Asterisk answers any realm that challenges it; set it there once it is known.")
	}
	t.section(name, "registration")
	if !w.o.Part {
		t.set("transport", "transport-"+transport)
	}
	t.set("outbound_auth", name)
	t.set("server_uri", uri("", host, port, transport))
	t.set("client_uri", uri(uriUser(r.Username), host, 0, "udp"))
	t.set("contact_user", trunks.ContactToken(tr))
	if h := tr.Settings.Host; h != "" && !strings.EqualFold(h, host) {
		t.set("outbound_proxy", uri("", h, tr.Settings.Port, transport)+";lr")
	}
	expires := r.ExpiresS
	if expires == 0 {
		expires = 3600
	}
	t.set("expiration", strconv.Itoa(expires))
	t.set("retry_interval", "30")
	t.set("forbidden_retry_interval", "300")
	t.set("max_retries", "100000")
	t.yes("auth_rejection_permanent", false)
	t.yes("line", true)
	t.set("endpoint", name)
}

// login writes the endpoint of a trunk that proves by a password who it is. Asterisk finds it by its user name.
func (w *writer) login(t *text, tr *trunks.Trunk) {
	d := tr.Settings.MatchDigest
	w.endpoint(t, tr, d.Username)
	t.set("identify_by", "auth_username")
	t.set("auth", d.Username)
	t.section(d.Username, "auth")
	t.set("auth_type", "userpass")
	t.set("username", d.Username)
	t.set("password", d.Password)
}

func (w *writer) phone(t *text, p Phone) {
	t.WriteByte('\n')
	t.note("---- desk phone %s", p.User)
	t.section(p.User, "endpoint")
	t.set("context", "hotline-in")
	if p.TrunkID != "" {
		t.set("set_var", "HOTLINE_TRUNK="+p.TrunkID)
	}
	w.audio(t, "transport-udp")
	t.set("disallow", "all")
	t.set("allow", "ulaw,alaw")
	t.set("identify_by", "auth_username,username")
	t.set("callerid", p.User+" <"+p.User+">")
	t.set("aors", p.User)
	t.set("auth", p.User)
	t.note("Who registers as this phone is this phone, at a trunk's address too; calls from there are the trunk's.")
	if w.o.Part {
		t.note("It needs header before ip in endpoint_identifier_order of your [global].")
	}
	t.section(p.User, "identify")
	t.set("endpoint", p.User)
	t.set("match_header", "To: /sips?:"+regexp.QuoteMeta(p.User)+"@/")
	t.section(p.User, "aor")
	t.set("max_contacts", "2")
	t.yes("remove_existing", true)
	t.set("qualify_frequency", "60")
	t.section(p.User, "auth")
	t.set("auth_type", "userpass")
	t.set("username", p.User)
	t.set("password", p.Password)
}

// uri writes a SIP URI.
func uri(user, host string, port int, transport string) string {
	out := "sip:"
	if user != "" {
		out += user + "@"
	}
	switch {
	case port > 0:
		out += net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
	case strings.Contains(host, ":"):
		out += "[" + strings.Trim(host, "[]") + "]"
	default:
		out += host
	}
	if transport != "udp" && transport != "" {
		out += ";transport=" + transport
	}
	return out
}

func hostOf(registrar string) string {
	host, _, _ := trunks.HostPort(registrar)
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func codecs(names []string) string {
	if len(names) == 0 {
		names = []string{"PCMU", "PCMA"}
	}
	out := slices.Clone(names)
	for i, n := range out {
		out[i] = map[string]string{"PCMU": "ulaw", "PCMA": "alaw"}[n]
	}
	return strings.Join(out, ",")
}

// dtmf is how digits travel. With auto they are events, and where the other side has none Asterisk listens for the tones: it alone knows
// what was agreed on. With inband, Asterisk leaves them in the audio: Hotline hears them itself, when the key goes down.
func dtmf(mode string) string {
	return map[string]string{"": "auto", "auto": "auto", "rfc4733": "rfc4733", "info": "info", "inband": "none"}[mode]
}
