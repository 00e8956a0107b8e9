package ari

import (
	"strconv"
	"strings"

	"hotline"
)

// oldest is the oldest version that is taken: those before it get no security fixes any more.
const oldest = 20

// release is a version of Asterisk: 22.10.1.
type release [3]int

func (r release) before(o release) bool {
	for i := range r {
		if r[i] != o[i] {
			return r[i] < o[i]
		}
	}
	return false
}

// defect is something known to be wrong in the versions of a branch from one release on until another mended it.
type defect struct {
	code  string
	what  string
	from  map[int]release // by branch; none: from its beginning
	until map[int]release // by branch: the release that mended it
}

// defects are those that matter to us, from Asterisk's change logs and advisories. Numbers are those of its issues.
var defects = []defect{
	{code: "ari.version.security", what: "an unauthenticated SIP NOTIFY stops its SIP (GHSA-589g-qgf8-m6mx, GHSA-8jw3-ccr9-xrmf), a read-only ARI user may load modules " +
		"(GHSA-wcvv-g26m-wx5c), a closed TCP connection can crash it (GHSA-g8q2-p36q-94f6)",
		until: map[int]release{20: {20, 20, 1}, 22: {22, 10, 1}}},
	{code: "ari.version.httpstatus", what: "its HTTP server shows /httpstatus with what strangers put in (GHSA-v6hp-wh3r-cwxh); until then enable_status=no in http.conf",
		until: map[int]release{20: {20, 18, 2}, 22: {22, 8, 2}}},
	{code: "ari.version.refer_sub", what: "a phone that transfers with Refer-Sub: false crashes it when transfers are ours to do (2021)",
		from: map[int]release{20: {20, 13, 0}, 22: {22, 3, 0}}, until: map[int]release{20: {20, 21, 0}, 22: {22, 11, 0}}},
	{code: "ari.version.refer", what: "a phone that transfers blindly crashes it when transfers are ours to do (1467)",
		from: map[int]release{20: {20, 13, 0}, 22: {22, 3, 0}}, until: map[int]release{20: {20, 17, 0}, 22: {22, 7, 0}}},
	{code: "ari.version.transfers", what: "it does the transfers of phones itself: a call that a phone transfers leaves the queue's sight",
		until: map[int]release{20: {20, 13, 0}, 22: {22, 3, 0}}},
	{code: "ari.version.tcp", what: "with the pjproject that it brings along SIP over TCP can stop (2011)",
		from: map[int]release{20: {20, 20, 0}, 22: {22, 10, 0}}, until: map[int]release{20: {20, 21, 0}, 22: {22, 11, 0}}},
	{code: "ari.version.deadlock", what: "it can stand still when calls end in a bridge (1907), when pjsip is reloaded (1855) and when a channel is made with a PJSIP_HEADER (1872, 1936)",
		until: map[int]release{20: {20, 20, 0}, 22: {22, 10, 0}}},
	{code: "ari.version.external_media", what: "it can stand still when external media with an id of ours end, if built with the channel storage cpp_map_name_id (1491, 1578)",
		until: map[int]release{20: {20, 17, 0}, 22: {22, 7, 0}}},
}

// sinceWebsocket is when requests over the websocket came; Asterisk dials out since the minor version after it.
var sinceWebsocket = map[int]release{20: {20, 14, 0}, 21: {21, 9, 0}, 22: {22, 4, 0}}

// tooOld refuses a version that gets no security fixes.
func tooOld(version string, cfg Config) error {
	v, _ := parse(version)
	if v[0] == 0 || v[0] >= oldest || cfg.AllowOld {
		return nil
	}
	return hotline.Errorf(hotline.Invalid, "ari.version.old", "Asterisk %s: version %s gets no security fixes any more; install 20 or 22", cfg.Name, version)
}

// Known says what is known to be wrong with a version. Certified versions have fixes of their own: of those nothing is known but
// their branch.
func Known(version string) []Warning {
	v, certified := parse(version)
	branch := v[0]
	switch {
	case branch == 21 || branch > 0 && branch < oldest:
		return []Warning{{"ari.version.end", "branch " + strconv.Itoa(branch) + " gets no security fixes any more; install 22"}}
	case certified:
		return nil
	}
	var found []Warning
	for _, d := range defects {
		until, known := d.until[branch]
		if !known || !v.before(until) || v.before(d.from[branch]) {
			continue
		}
		found = append(found, Warning{d.code, d.what + "; install " + until.String() + " or later"})
	}
	return found
}

func (r release) String() string {
	return strconv.Itoa(r[0]) + "." + strconv.Itoa(r[1]) + "." + strconv.Itoa(r[2])
}

// parse reads "22.10.1", "22.10.1+dfsg+~cs6", "certified/20.7-cert7", "GIT-22-abc1234".
func parse(version string) (r release, certified bool) {
	if branch, ok := strings.CutPrefix(version, "GIT-"); ok {
		branch, _, _ = strings.Cut(branch, "-")
		r[0], _ = strconv.Atoi(branch) // 0: master
		r[1] = 1 << 20                 // the head of its branch
		return r, false
	}
	start := strings.IndexFunc(version, func(c rune) bool { return c >= '0' && c <= '9' })
	if start < 0 {
		return r, false
	}
	rest := version[start:]
	for i := range r {
		end := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if end < 0 {
			end = len(rest)
		}
		r[i], _ = strconv.Atoi(rest[:end])
		if end == len(rest) || rest[end] != '.' {
			break
		}
		rest = rest[end+1:]
	}
	return r, strings.Contains(version, "cert")
}
