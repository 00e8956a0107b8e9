// Package config renders the configuration of an Asterisk from our trunks and numbers.
//
// The files are small and commented, so that a telecom engineer can read them before he loads them. What a trunk asks for and
// Asterisk cannot do is refused with the trunk and the reason; no value can break out of its line. It writes no file and reads none.
// Start at [Render].
package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/asterisk/away"
	"hotline/trunks"
)

// Folders are where Asterisk finds its files. What is empty is below Base, or where Debian's package has it when Base is empty too.
type Folders struct {
	Base    string // everything below one folder: Base/etc, Base/lib, Base/data, Base/spool, Base/run, Base/log
	Modules string
	Data    string // sounds and music
}

// ARI is how Hotline reaches Asterisk.
type ARI struct {
	Bind      netip.AddrPort // of Asterisk's HTTP server; default 127.0.0.1:8088
	User      string         // default hotline
	Password  string
	App       string        // default hotline
	Transport ari.Transport // with Dialled, Asterisk connects to Hotline
	Hotline   string        // and this is where: ws://host:port/asterisk/<node>
}

// SIP is where Asterisk takes calls.
type SIP struct {
	Bind     netip.AddrPort // UDP and TCP; default 0.0.0.0:5060
	TLS      netip.AddrPort // zero: no TLS
	Cert     string         // PEM files, for TLS
	Key      string
	External netip.Addr     // what the outside sees, behind NAT
	Local    []netip.Prefix // what is not outside
}

// RTP is where audio goes.
type RTP struct {
	Addr  netip.Addr // that audio is bound to; zero: the address of SIP.Bind, else all
	First int        // default 10000
	Last  int        // default 19999
}

// Options of [Render].
type Options struct {
	Folders     Folders
	ARI         ARI
	SIP         SIP
	RTP         RTP
	Part        bool         // only what is added to an Asterisk that has a configuration of its own
	Away        away.Options // what callers meet while Hotline is away; its App is ours
	Phones      []Phone      // desk phones that register with this Asterisk
	NoTransfers bool         // phones may not transfer calls by themselves
	Public      bool         // accept that the HTTP server is bound to a public address, or to all; TLS must be in front of it
}

// Phone is a desk phone.
type Phone struct {
	User     string // what is dialled to reach it
	Password string
	TrunkID  string // the trunk whose calls its own calls are
}

// File is a configuration file.
type File struct {
	Name   string
	Text   string
	Secret bool // it has passwords
}

func (o Options) withDefaults() Options {
	if !o.ARI.Bind.IsValid() {
		o.ARI.Bind = netip.MustParseAddrPort("127.0.0.1:8088")
	}
	if o.ARI.User == "" {
		o.ARI.User = "hotline"
	}
	if o.ARI.App == "" {
		o.ARI.App = "hotline"
	}
	if o.ARI.Transport == "" {
		o.ARI.Transport = ari.HTTP
	}
	if !o.SIP.Bind.IsValid() {
		o.SIP.Bind = netip.MustParseAddrPort("0.0.0.0:5060")
	}
	if o.RTP.First == 0 && o.RTP.Last == 0 {
		o.RTP.First, o.RTP.Last = 10000, 19999
	}
	if !o.RTP.Addr.IsValid() && !o.SIP.Bind.Addr().IsUnspecified() {
		o.RTP.Addr = o.SIP.Bind.Addr()
	}
	o.Away.App = o.ARI.App
	return o
}

// Render returns the files for an Asterisk that carries those of the trunks that are enabled and whose edge is asterisk.
func Render(all []trunks.Trunk, numbers []trunks.Number, o Options) ([]File, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	carried := slices.DeleteFunc(slices.Clone(all), func(t trunks.Trunk) bool { return !t.Enabled || !t.Settings.OnAsterisk() })
	if err := expressible(carried, o); err != nil {
		return nil, err
	}
	w := &writer{o: o, trunks: carried, numbers: numbers}
	files := []File{w.ari(), w.pjsip(), w.extensions(), w.music()}
	if o.ARI.Transport == ari.Dialled {
		files = append(files, w.client())
	}
	if !o.Part {
		files = append(files, w.asterisk(), w.modules(), w.http(), w.rtp(), w.logger(), w.indications())
		files = append(files, w.quiet()...)
	}
	if w.err != nil {
		return nil, w.err
	}
	if o.Part {
		for i := range files {
			files[i].Name = "hotline-" + files[i].Name
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// check refuses what would let strangers in or could not work.
func (o Options) check() error {
	c := ari.Config{Name: "Asterisk", URL: "http://127.0.0.1:8088", User: o.ARI.User, Password: o.ARI.Password, App: o.ARI.App, Transport: o.ARI.Transport}
	if err := ari.Check(c); err != nil {
		return err
	}
	bind := o.ARI.Bind.Addr()
	switch {
	case !o.Public && (bind.IsUnspecified() || !bind.IsLoopback() && !bind.IsPrivate() && !bind.IsLinkLocalUnicast()):
		return hotline.Errorf(hotline.Invalid, "asterisk.public_bind",
			"Asterisk's HTTP server would listen at %s, where strangers may reach ARI: bind it to 127.0.0.1 or to a private address", o.ARI.Bind)
	case o.ARI.Transport == ari.Dialled && !strings.HasPrefix(o.ARI.Hotline, "ws://") && !strings.HasPrefix(o.ARI.Hotline, "wss://"):
		return hotline.Errorf(hotline.Invalid, "asterisk.no_hotline",
			"with transport dialled Asterisk connects to Hotline: say where, as in ws://10.0.0.5:8080/asterisk/pbx1")
	case o.SIP.TLS.IsValid() && (o.SIP.Cert == "" || o.SIP.Key == ""):
		return hotline.Errorf(hotline.Invalid, "asterisk.tls", "SIP over TLS needs a certificate and its key: name both PEM files")
	case o.RTP.First < 1024 || o.RTP.Last > 65535 || o.RTP.Last-o.RTP.First < 3:
		return hotline.Errorf(hotline.Invalid, "asterisk.rtp", "%d-%d is no range of RTP ports between 1024 and 65535", o.RTP.First, o.RTP.Last)
	}
	for i, p := range o.Phones {
		if plain.FindString(p.User) == "" || len(p.Password) < 10 {
			return hotline.Errorf(hotline.Invalid, "asterisk.phone", "desk phone %d: the user %q may have letters, digits, - and _, and the password needs 10 characters", i+1, p.User)
		}
	}
	return nil
}

// expressible refuses the first trunk that wants what Asterisk cannot do.
func expressible(carried []trunks.Trunk, o Options) error {
	names := map[string]string{}
	taken := func(t *trunks.Trunk, name string) error {
		if before, twice := names[strings.ToLower(name)]; twice {
			return refuse(t, "asterisk.name_taken", "its name %q in Asterisk's configuration is that of %s already; rename one", name, before)
		}
		names[strings.ToLower(name)] = "trunk " + t.Name
		return nil
	}
	for _, reserved := range []string{"global", "system", "transport-udp", "transport-tcp", "transport-tls"} {
		names[reserved] = "Asterisk itself"
	}
	for _, p := range o.Phones {
		names[strings.ToLower(p.User)] = "a desk phone"
	}
	for i := range carried {
		t := &carried[i]
		s := &t.Settings
		if err := taken(t, t.Endpoint()); err != nil {
			return err
		}
		if d := s.MatchDigest; d != nil {
			if !plain.MatchString(d.Username) {
				return refuse(t, "asterisk.login", "the user %q of its login cannot be the name of an endpoint; use letters, digits, dots, - and _", d.Username)
			}
			if err := taken(t, d.Username); err != nil {
				return err
			}
		}
		if s.Transport == "tls" && !o.Part && !o.SIP.TLS.IsValid() {
			return refuse(t, "asterisk.tls", "it wants SIP over TLS, and this Asterisk has no TLS address (--sip-tls with --tls-cert and --tls-key)")
		}
	}
	return overlapping(carried)
}

// overlapping refuses trunks that share addresses: Asterisk takes the first that it comes across.
func overlapping(carried []trunks.Trunk) error {
	type block struct {
		prefix netip.Prefix
		trunk  *trunks.Trunk
	}
	var all []block
	for i := range carried {
		t := &carried[i]
		for _, p := range t.Prefixes() {
			for _, b := range all {
				if b.trunk != t && b.prefix.Overlaps(p) {
					return refuse(t, "asterisk.address_taken", "calls from %s could be those of trunk %s (%s) as well, and Asterisk cannot tell them apart; "+
						"keep the address on one of them, or carry both by the native edge", p, b.trunk.Name, b.prefix)
				}
			}
			all = append(all, block{p, t})
		}
	}
	return nil
}

func refuse(t *trunks.Trunk, code, format string, args ...any) error {
	return &hotline.Error{Kind: hotline.Invalid, Code: code, Field: t.Name, Message: "trunk " + t.Name + ": " + fmt.Sprintf(format, args...)}
}
