package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigRefusesWithPlaceKeyAndMend(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hotline.yaml")
	for _, tt := range []struct {
		name, yaml string
		env        []string
		want       []string
	}{
		{"bad port in file", "log_level: warn\nhttp_addr: 127.0.0.1:99999\n", nil, []string{file + ":2", "http_addr", "1 to 65535"}},
		{"unknown key in file", "\nsipaddr: 127.0.0.1:5060\n", nil, []string{file + ":2", `"sipaddr"`, "did you mean sip_addr?"}},
		{"key twice", "max_calls: 3\nmax_calls: 4\n", nil, []string{file + ":2", "line 1"}},
		{"not YAML", "max_calls: [\n", nil, []string{file, "not YAML"}},
		{"bad range in environment", "", []string{"HOTLINE_RTP_PORTS=20000"}, []string{"HOTLINE_RTP_PORTS", "20000-23999"}},
		{"range too small", "", []string{"HOTLINE_RTP_PORTS=20000-20001"}, []string{"at least four"}},
		{"host name as address", "", []string{"HOTLINE_SIP_ADDR=example.org:5060"}, []string{"no IP address"}},
		{"missing certificate", "", []string{"HOTLINE_SIP_TLS_CERT=/nowhere.pem"}, []string{"sip_tls_cert", "PEM file"}},
		{"TLS without certificate", "", []string{"HOTLINE_SIP_TLS_ADDR=127.0.0.1:5061"}, []string{"sip_tls_cert", "sip_tls_key"}},
		{"dial-out without plus", "", []string{"HOTLINE_DIAL_OUT=+8621,0044"}, []string{`"0044"`, "+ and digits"}},
		{"unknown key in environment", "", []string{"HOTLINE_MAXCALLS=3"}, []string{"HOTLINE_MAXCALLS", "did you mean max_calls?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(file, tt.env)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestConfigEnvironmentWins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hotline.yaml")
	if err := os.WriteFile(file, []byte("max_calls: 7\nrtp_ports: 30000-30099\ndial_out: [\"+86\", \"+44\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(file, []string{"HOTLINE_MAX_CALLS=9", "HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	if c.MaxCalls != 9 || c.RTP.First != 30000 || c.RTP.Last != 30099 || len(c.DialOut) != 2 || c.HTTP.Addr != "127.0.0.1:8080" {
		t.Errorf("got %+v", c)
	}
}
