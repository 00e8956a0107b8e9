package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hotline/postgres"
)

// finding is one line of the doctor's report. With a mend it is a warning; with fail the product cannot start, or not do what it
// is configured to.
type finding struct {
	what string // what was looked at and what was seen
	mend string // what to do; "" when all is well
	fail bool
}

func fine(format string, args ...any) finding { return finding{what: fmt.Sprintf(format, args...)} }

// runDoctor looks at what users get wrong and says how to mend it. It changes nothing.
func runDoctor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs, load := flags("doctor", stderr)
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, err := load()
	if err != nil {
		return err
	}
	failed := 0
	for _, examine := range []func(context.Context, config) []finding{
		examineHTTP, examineSIP, examineBrowsers, examineRTP, examineCertificates, examineAsterisk, examineDatabase, examineSpeech, examineDisk, examineLimits,
	} {
		for _, f := range examine(ctx, c) {
			switch {
			case f.fail:
				failed++
				fmt.Fprintf(stdout, "FAIL  %s\n      mend: %s\n", f.what, f.mend)
			case f.mend != "":
				fmt.Fprintf(stdout, "warn  %s\n      mend: %s\n", f.what, f.mend)
			default:
				fmt.Fprintf(stdout, "ok    %s\n", f.what)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of the checks failed; the lines above say how to mend them", failed)
	}
	return nil
}

func examineHTTP(ctx context.Context, c config) []finding {
	l, err := net.Listen("tcp", c.HTTP.Addr)
	if err == nil {
		l.Close()
		return append([]finding{fine("console address %s is free", c.HTTP.Addr)}, exposed("http_addr", c.HTTP.Addr, c.secure())...)
	}
	if running(ctx, c) {
		return []finding{fine("Hotline is running at %s", c.HTTP.Addr)}
	}
	return []finding{{fmt.Sprintf("console address %s cannot be used: %v", c.HTTP.Addr, err), "stop what uses it, or set http_addr (HOTLINE_HTTP_ADDR) to another", true}}
}

// exposed warns of a console that is reachable from elsewhere without TLS: browsers then refuse the microphone.
func exposed(key, addr string, secure bool) []finding {
	if secure || loopback(addr) {
		return nil
	}
	return []finding{{what: key + " is reachable from other machines without TLS", mend: "set http_tls (HOTLINE_HTTP_TLS) to self-signed, or http_tls_cert and http_tls_key: browsers open the microphone only over HTTPS"}}
}

func running(ctx context.Context, c config) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	scheme, client := "http://", http.DefaultClient
	if c.secure() { // whoever it is: nothing is said to it
		scheme = "https://"
		client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		defer client.CloseIdleConnections()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+c.HTTP.Addr+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func examineSIP(ctx context.Context, c config) []finding {
	if running(ctx, c) {
		return nil // its own listeners hold the ports
	}
	var found []finding
	for _, addr := range []string{c.SIP.Addr, c.SIP.TLSAddr} {
		if addr == "" {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			l.Close()
			var u net.PacketConn
			if u, err = net.ListenPacket("udp", addr); err == nil {
				u.Close()
			}
		}
		if err != nil {
			found = append(found, finding{fmt.Sprintf("SIP address %s cannot be used: %v", addr, err), "stop the other SIP server on it, or set sip_addr or sip_tls_addr to another", true})
			continue
		}
		found = append(found, fine("SIP address %s is free", addr))
		host, _, _ := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() && !c.ExternalAddr.IsValid() {
			found = append(found, finding{what: "sip_addr listens on every address and external_addr is not set: peers behind NAT get a private address for audio",
				mend: "set external_addr (HOTLINE_EXTERNAL_ADDR) to the public IP address if this machine is behind NAT"})
		}
	}
	return found
}

// examineBrowsers looks at the address of agents' audio.
func examineBrowsers(ctx context.Context, c config) []finding {
	var found []finding
	if !running(ctx, c) {
		l, err := net.Listen("tcp", c.WebRTC.Addr)
		if err == nil {
			l.Close()
			var u net.PacketConn
			if u, err = net.ListenPacket("udp", c.WebRTC.Addr); err == nil {
				u.Close()
			}
		}
		if err != nil {
			return []finding{{fmt.Sprintf("address %s for agents' audio cannot be used: %v", c.WebRTC.Addr, err), "set webrtc_addr (HOTLINE_WEBRTC_ADDR) to another", true}}
		}
		found = append(found, fine("address %s for agents' audio is free", c.WebRTC.Addr))
	}
	if !loopback(c.HTTP.Addr) && loopback(c.WebRTC.Addr) {
		found = append(found, finding{what: fmt.Sprintf("the console is reachable from other machines, agents' audio is not (webrtc_addr is %s)", c.WebRTC.Addr),
			mend: "set webrtc_addr to 0.0.0.0:8444 and let UDP and TCP through to it"})
	}
	return found
}

func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func examineRTP(_ context.Context, c config) []finding {
	ports := c.RTP.Last - c.RTP.First + 1
	if ports < 2*c.MaxCalls {
		return []finding{{
			what: fmt.Sprintf("rtp_ports %d-%d hold %d calls, max_calls is %d", c.RTP.First, c.RTP.Last, ports/2, c.MaxCalls),
			mend: fmt.Sprintf("widen rtp_ports to %d ports, or lower max_calls to %d", 2*c.MaxCalls, ports/2), fail: true}}
	}
	for _, port := range []int{c.RTP.First, (c.RTP.First + c.RTP.Last) / 2 &^ 1, c.RTP.Last &^ 1} {
		u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return []finding{{what: fmt.Sprintf("RTP port %d is taken: %v", port, err), mend: "choose rtp_ports that nothing else uses"}}
		}
		u.Close()
	}
	return []finding{fine("rtp_ports %d-%d hold %d calls", c.RTP.First, c.RTP.Last, ports/2)}
}

func examineCertificates(_ context.Context, c config) []finding {
	var found []finding
	if c.HTTP.SelfSigned {
		found = append(found, fine("HTTPS with a certificate of Hotline's own: browsers warn once; compare the fingerprint that serve prints"))
	}
	for _, p := range []struct{ name, cert, key string }{{"http_tls_cert", c.HTTP.Cert, c.HTTP.Key}, {"sip_tls_cert", c.SIP.Cert, c.SIP.Key}} {
		if p.cert == "" {
			continue
		}
		pair, err := tls.LoadX509KeyPair(p.cert, p.key)
		if err != nil {
			found = append(found, finding{fmt.Sprintf("%s %s: %v", p.name, p.cert, err), "give a PEM certificate and its own key, readable by this user", true})
			continue
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		switch {
		case err != nil:
			found = append(found, finding{fmt.Sprintf("%s: %v", p.name, err), "give an X.509 certificate", true})
		case time.Now().After(leaf.NotAfter):
			found = append(found, finding{fmt.Sprintf("%s expired on %s", p.name, leaf.NotAfter.Format(time.DateOnly)), "renew the certificate", true})
		case time.Until(leaf.NotAfter) < 14*24*time.Hour:
			found = append(found, finding{what: fmt.Sprintf("%s expires on %s", p.name, leaf.NotAfter.Format(time.DateOnly)), mend: "renew the certificate"})
		default:
			found = append(found, fine("%s is valid until %s", p.name, leaf.NotAfter.Format(time.DateOnly)))
		}
	}
	return found
}

func examineDatabase(ctx context.Context, c config) []finding {
	if c.DatabaseURL != "" {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		pool, err := postgres.Connect(ctx, c.DatabaseURL)
		if err != nil {
			return []finding{{"database_url: " + err.Error(), "check the URL, the server and its pg_hba.conf", true}}
		}
		defer pool.Close()
		var version string
		if err := pool.QueryRow(ctx, "show server_version").Scan(&version); err != nil {
			return []finding{{"database_url: " + err.Error(), "check the server", true}}
		}
		return []finding{fine("database_url answers, PostgreSQL %s", version)}
	}
	if running(ctx, c) {
		return []finding{fine("Hotline's own PostgreSQL is running below %s", c.DataDir)}
	}
	bin, err := postgresBinary()
	if err != nil {
		return []finding{{"no PostgreSQL server on this machine", "apt-get install postgresql-15, or set database_url to a server", true}}
	}
	have, _ := exec.Command(bin, "--version").Output()
	cluster, err := os.ReadFile(filepath.Join(c.DataDir, "postgres", "PG_VERSION"))
	if made := strings.TrimSpace(string(cluster)); err == nil && !strings.Contains(string(have), ") "+made+".") {
		return []finding{{fmt.Sprintf("the cluster below %s is of PostgreSQL %s, installed is %s", c.DataDir, made, strings.TrimSpace(string(have))),
			"apt-get install postgresql-" + made + ", or bring the cluster over with pg_upgrade", true}}
	}
	return []finding{fine("%s", strings.TrimSpace(string(have)))}
}

func postgresBinary() (string, error) {
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres"); len(found) > 0 {
		return found[len(found)-1], nil
	}
	return exec.LookPath("postgres")
}

func examineSpeech(context.Context, config) []finding {
	path, err := exec.LookPath("espeak-ng")
	if err != nil {
		return []finding{{what: "espeak-ng is missing: texts cannot be spoken, only recorded prompts play", mend: "apt-get install espeak-ng", fail: true}}
	}
	return []finding{fine("speech by %s", path)}
}

func examineDisk(_ context.Context, c config) []finding {
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return []finding{{fmt.Sprintf("data_dir %s: %v", c.DataDir, err), "set data_dir (HOTLINE_DATA_DIR) to a folder this user may write to", true}}
	}
	probe, err := os.CreateTemp(c.DataDir, ".doctor-*")
	if err != nil {
		return []finding{{fmt.Sprintf("data_dir %s cannot be written: %v", c.DataDir, err), "give this user the right to write there, or set data_dir to another folder", true}}
	}
	probe.Close()
	os.Remove(probe.Name())
	var st syscall.Statfs_t
	if err := syscall.Statfs(c.DataDir, &st); err != nil {
		return []finding{{what: "data_dir: " + err.Error(), mend: "check the disk", fail: true}}
	}
	free := st.Bavail * uint64(st.Bsize) >> 20
	// 8 kB/s a side: an hour of stereo G.711 is 57.6 MB.
	hours := free * 1_000_000 / 57_600_000
	if free < 1024 {
		return []finding{{what: fmt.Sprintf("%d MB free for recordings below %s (about %d hours of talk)", free, c.DataDir, hours), mend: "free some space, or set data_dir to a larger disk"}}
	}
	return []finding{fine("%d GB free below %s, about %d hours of recorded talk", free>>10, c.DataDir, hours)}
}

func examineLimits(_ context.Context, c config) []finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil && !errors.Is(err, syscall.ENOSYS) {
		return []finding{{what: "file descriptors: " + err.Error(), mend: "check ulimit -n"}}
	}
	if want := uint64(3*c.MaxCalls + 500); limit.Max < want {
		return []finding{{what: fmt.Sprintf("at most %d open files, max_calls %d wants %d", limit.Max, c.MaxCalls, want),
			mend: fmt.Sprintf("LimitNOFILE=%d in the systemd unit, or ulimit -n %d, or lower max_calls", want, want)}}
	}
	return []finding{fine("open files: %d allowed", limit.Max)}
}
