package ari

import (
	"strconv"
	"strings"

	"hotline"
)

// judge says what is known of a version. One that cannot work is an error.
func judge(version string, cfg Config) ([]Warning, error) {
	major, _ := number(version)
	if major > 0 && major < 20 && !cfg.AllowOld {
		return nil, hotline.Errorf(hotline.Invalid, "ari.version.old", "Asterisk %s: version %s has no security support any more; install 20 or 22", cfg.Name, version)
	}
	return nil, nil
}

// number reads "22.10.0", "certified/20.7-cert7", "GIT-22-abc".
func number(version string) (major, minor int) {
	start := strings.IndexFunc(version, func(r rune) bool { return r >= '0' && r <= '9' })
	if start < 0 {
		return 0, 0
	}
	parts := strings.FieldsFunc(version[start:], func(r rune) bool { return r == '.' || r == '-' || r == '~' || r == '+' })
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}
