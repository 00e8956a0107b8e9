package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/asterisk/ari"
	"hotline/asterisk/away"
	pbx "hotline/asterisk/config"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/trunks"
)

// rendering is what hotline asterisk config is told.
type rendering struct {
	out     string
	check   bool
	demo    bool
	node    string
	hotline string
	phones  string
	o       pbx.Options
}

// runAsterisk renders Asterisk's configuration.
func runAsterisk(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "config" {
		return errors.New("say what to do: hotline asterisk config [--out DIR] [--check]")
	}
	fs, load := flags("asterisk config", stderr)
	r := rendering{}
	r.flags(fs)
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	c, err := load()
	if err != nil {
		return err
	}
	made, err := r.ready(&c)
	if err != nil {
		return err
	}
	files, err := r.render(ctx, c)
	if err != nil {
		return err
	}
	if r.check {
		return r.compare(files, stdout)
	}
	if err := r.write(ctx, files); err != nil {
		return err
	}
	r.next(stdout, c, files, made)
	return nil
}

func (r *rendering) flags(fs *flag.FlagSet) {
	fs.StringVar(&r.out, "out", "asterisk-config", "`folder` to write the files to")
	fs.BoolVar(&r.check, "check", false, "write nothing: fail when a trunk cannot be carried, or the files in --out are not up to date")
	fs.BoolVar(&r.demo, "demo", false, "seed a trunk of the demonstration, from this machine by Asterisk, once")
	fs.StringVar(&r.node, "node", "", "`name` of the Asterisk, as in the key asterisk (default: the first one)")
	fs.BoolVar(&r.o.Part, "part", false, "only what is added to an Asterisk that has a configuration of its own")
	fs.BoolVar(&r.o.NoTransfers, "no-transfers", false, "phones may not transfer calls by themselves")
	fs.StringVar(&r.hotline, "hotline", "", "with transport dialled, the `URL` where Asterisk reaches Hotline: ws://10.0.0.4:8080")
	fs.StringVar(&r.phones, "phones", "", "desk phones to let register, `user=password`, separated by commas")
	fs.StringVar(&r.o.Folders.Base, "base", "", "`folder` that Asterisk has everything below (default: where Debian's package has it)")
	fs.StringVar(&r.o.Folders.Modules, "modules", "", "`folder` of Asterisk's modules")
	fs.StringVar(&r.o.SIP.Cert, "tls-cert", "", "certificate for SIP over TLS, PEM `file` on Asterisk's machine")
	fs.StringVar(&r.o.SIP.Key, "tls-key", "", "its key, PEM `file`")
	fs.TextVar(&r.o.ARI.Bind, "ari", netip.AddrPort{}, "`address` of Asterisk's HTTP server (default: that of the node, else 127.0.0.1:8088)")
	fs.TextVar(&r.o.SIP.Bind, "sip", netip.MustParseAddrPort("0.0.0.0:5060"), "`address` for SIP over UDP and TCP")
	fs.TextVar(&r.o.SIP.TLS, "sip-tls", netip.AddrPort{}, "`address` for SIP over TLS")
	fs.TextVar(&r.o.SIP.External, "external", netip.Addr{}, "IP `address` that the outside sees, behind NAT")
	fs.Func("local-net", "`networks` that are not outside, separated by commas", func(v string) error {
		for _, item := range splitList(v) {
			p, err := netip.ParsePrefix(item)
			if err != nil {
				return err
			}
			r.o.SIP.Local = append(r.o.SIP.Local, p.Masked())
		}
		return nil
	})
	fs.Func("rtp", "UDP `ports` for audio (default 10000-19999)", func(v string) error {
		var c config
		if err := setRTPPorts(&c, v); err != nil {
			return err
		}
		r.o.RTP.First, r.o.RTP.Last = c.RTP.First, c.RTP.Last
		return nil
	})
}

// ready completes the options by what the process knows. A password that is not there yet is made.
func (r *rendering) ready(c *config) (made bool, err error) {
	node := asteriskNode{Name: cmp.Or(r.node, "pbx1")}
	at := slices.IndexFunc(c.Asterisk.Nodes, func(n asteriskNode) bool { return r.node == "" || n.Name == r.node })
	switch {
	case at >= 0:
		node = c.Asterisk.Nodes[at]
	case r.node != "" && len(c.Asterisk.Nodes) > 0:
		return false, fmt.Errorf("the key asterisk names no %s", r.node)
	}
	if c.Asterisk.Password == "" {
		made = true
		secret := make([]byte, 24)
		_, _ = rand.Read(secret)
		c.Asterisk.Password = hex.EncodeToString(secret)
	}
	a := &r.o.ARI
	a.User, a.Password, a.App, a.Transport = c.Asterisk.User, c.Asterisk.Password, c.Asterisk.App, c.Asterisk.Transport
	if a.Transport == ari.Dialled {
		if r.hotline == "" {
			return made, errors.New("with transport dialled Asterisk connects to Hotline: say where by --hotline, as in --hotline ws://10.0.0.4:8080")
		}
		a.Hotline = strings.TrimSuffix(r.hotline, "/") + "/asterisk/" + node.Name
	}
	if !a.Bind.IsValid() && node.URL != "" {
		a.Bind = bindOf(node.URL)
	}
	for _, item := range splitList(r.phones) {
		user, password, _ := strings.Cut(item, "=")
		r.o.Phones = append(r.o.Phones, pbx.Phone{User: strings.TrimSpace(user), Password: strings.TrimSpace(password)})
	}
	r.node = node.Name
	return made, nil
}

// bindOf is where the HTTP server of a node listens, if its URL says so by an address.
func bindOf(raw string) netip.AddrPort {
	u, err := url.Parse(raw)
	if err != nil {
		return netip.AddrPort{}
	}
	bind, _ := netip.ParseAddrPort(strings.Replace(u.Host, "localhost", "127.0.0.1", 1))
	return bind
}

// render reads trunks and numbers and renders.
func (r *rendering) render(ctx context.Context, c config) (files []pbx.File, err error) {
	err = withDatabase(ctx, c, func(pool *pgxpool.Pool) error {
		if r.demo {
			if err := seedAsterisk(ctx, pool); err != nil {
				return fmt.Errorf("seed the demo: %w", err)
			}
		}
		directory, err := trunks.Open(ctx, pool, nil)
		if err != nil {
			return err
		}
		snap := directory.Snapshot()
		for i := range r.o.Phones {
			r.o.Phones[i].TrunkID = phoneTrunk(snap.Trunks())
		}
		files, err = pbx.Render(snap.Trunks(), snap.Numbers(), r.o)
		return err
	})
	return files, err
}

// phoneTrunk is the trunk that desk phones are reached by: the first whose calls go to an endpoint named as what is dialled.
func phoneTrunk(all []trunks.Trunk) string {
	for i := range all {
		if all[i].Enabled && all[i].Settings.OnAsterisk() && all[i].DialOf() == "PJSIP/{number}" {
			return all[i].ID
		}
	}
	return ""
}

// compare says whether what is in the folder is what would be written.
func (r *rendering) compare(files []pbx.File, stdout io.Writer) error {
	if _, err := os.Stat(r.out); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(stdout, "every trunk can be carried; %d files would be written to %s\n", len(files), r.out)
		return nil
	}
	stale := 0
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(r.out, f.Name))
		switch {
		case err != nil:
			fmt.Fprintf(stdout, "missing  %s\n", f.Name)
		case string(old) != f.Text:
			fmt.Fprintf(stdout, "differs  %s\n", f.Name)
		default:
			continue
		}
		stale++
	}
	if stale > 0 {
		return fmt.Errorf("%d of %d files in %s are not what would be rendered now: render again and reload Asterisk", stale, len(files), r.out)
	}
	fmt.Fprintf(stdout, "the %d files in %s are up to date\n", len(files), r.out)
	return nil
}

// write puts the files and the announcements into the folder. What holds a password is for its owner alone.
func (r *rendering) write(ctx context.Context, files []pbx.File) error {
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		if err := put(filepath.Join(r.out, f.Name), []byte(f.Text), mode); err != nil {
			return err
		}
	}
	voice, err := speech.NewEspeak()
	if err != nil {
		return fmt.Errorf("the announcements of the fallback are not spoken: %w", err)
	}
	for _, s := range away.Sounds() {
		pcm, err := voice.Speak(ctx, s.Text, s.Language)
		if err != nil {
			return fmt.Errorf("the announcements of the fallback: %w", err)
		}
		var b bytes.Buffer
		if err := media.WriteWAV(&b, media.WAV{Rate: 8000, Channels: 1, PCM: pcm}); err != nil {
			return err
		}
		path := filepath.Join(r.out, filepath.FromSlash(s.File))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := put(path, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// put writes a file in one step, with its mode from the first byte on.
func put(path string, data []byte, mode os.FileMode) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(fresh, data, mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// next says what was done and what is to be done.
func (r *rendering) next(w io.Writer, c config, files []pbx.File, made bool) {
	fmt.Fprintf(w, "%d files and the announcements are in %s.\n\nNext:\n", len(files), r.out)
	step := 0
	say := func(format string, args ...any) {
		step++
		fmt.Fprintf(w, "  %d. %s\n", step, fmt.Sprintf(format, args...))
	}
	etc, data := "/etc/asterisk", "/usr/share/asterisk"
	if r.o.Folders.Base != "" {
		etc, data = r.o.Folders.Base+"/etc", r.o.Folders.Base+"/data"
	}
	if made {
		say("asterisk_password is not set; a random one was made and stands in %s. Put it into Hotline's configuration.", filepath.Join(r.out, "ari.conf"))
	}
	if len(c.Asterisk.Nodes) == 0 {
		bind := r.o.ARI.Bind
		if !bind.IsValid() {
			bind = netip.MustParseAddrPort("127.0.0.1:8088")
		}
		say("Tell Hotline: asterisk: %s=http://%s", r.node, bind)
	}
	if r.o.Part {
		say("Copy hotline-*.conf to %s, and add #include \"hotline-pjsip.conf\" to pjsip.conf, and so for ari, extensions and musiconhold.", etc)
		say("http.conf needs enabled=yes on a private address; see docs/asterisk.md for the modules that are needed.")
	} else {
		say("Keep a copy of %s, then copy the .conf files there (chown asterisk: …; those with passwords stay 0600).", etc)
	}
	say("Copy sounds/hotline to %s/sounds/hotline, and make the folder %s/moh/hotline (music while Hotline is away; it may stay empty).", data, data)
	say("Restart Asterisk (or: asterisk -rx 'core reload'), then run: hotline doctor")
	if len(c.Asterisk.Nodes) > 1 {
		say("Do the same for each node: --node NAME")
	}
}
