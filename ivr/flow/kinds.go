package flow

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// parsers read the keys of a node of each kind.
var parsers = map[Kind]func(*fields) Spec{
	KindPlay:         parsePlay,
	KindMenu:         parseMenu,
	KindHours:        parseHours,
	KindLanguage:     parseLanguage,
	KindCollect:      parseCollect,
	KindBranch:       parseBranch,
	KindCount:        parseCount,
	KindLookup:       parseLookup,
	KindTicketStatus: parseTicketStatus,
	KindQueue:        parseQueue,
	KindVoicemail:    parseVoicemail,
	KindTransfer:     parseTransfer,
	KindHangup:       parseHangup,
}

func kindList() string {
	var names []string
	for _, k := range []Kind{KindPlay, KindMenu, KindHours, KindLanguage, KindCollect, KindBranch, KindCount, KindLookup,
		KindTicketStatus, KindQueue, KindVoicemail, KindTransfer, KindHangup} {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

const (
	firstTimeout = 6 * time.Second
	maxTimeout   = 60 * time.Second
)

func parsePlay(d *fields) Spec {
	return &Play{Say: d.needSaying("say"), BargeIn: d.flag("barge_in", true), Next: d.needTarget("next", "the node that follows")}
}

func parseMenu(d *fields) Spec {
	m := &Menu{
		Say:       d.needSaying("say"),
		Timeout:   d.duration("timeout", firstTimeout, time.Second, maxTimeout),
		Tries:     d.number("tries", 3, 1, 9),
		Invalid:   d.saying("invalid"),
		Silence:   d.saying("silence"),
		Otherwise: d.target("otherwise"),
	}
	m.Keys = d.keyTargets("keys")
	if len(m.Keys) == 0 && d.take("keys") == nil {
		d.missing("keys", "at least one key and the node it leads to, as \"1\": sales")
	}
	return m
}

// keyTargets reads a mapping of telephone keys to nodes.
func (f *fields) keyTargets(key string) []Key {
	v := f.take(key)
	if v == nil {
		return nil
	}
	sub := newFields(f.p, f.at(key), v)
	if sub == nil {
		return nil
	}
	var out []Key
	for _, k := range sub.keys {
		digit := f.asDigit(k.Value, k.Line, sub.at(k.Value))
		to := sub.needTarget(k.Value, "the node this key leads to")
		if digit != 0 {
			out = append(out, Key{Digit: digit, To: to})
		}
	}
	return out
}

func parseHours(d *fields) Spec {
	return &Hours{
		Name:   d.needName("hours", "the name of a table of opening hours"),
		Open:   d.needTarget("open", "the node for the time when you are open"),
		Closed: d.needTarget("closed", "the node for the time when you are closed"),
	}
}

func parseLanguage(d *fields) Spec {
	l := &Language{
		Set:     d.oneOf("set", "", Languages...),
		Timeout: d.duration("timeout", firstTimeout, time.Second, maxTimeout),
		Tries:   d.number("tries", 2, 1, 9),
		Next:    d.needTarget("next", "the node that follows"),
	}
	keys := d.take("keys")
	l.Say = d.saying("say")
	switch {
	case l.Set != "" && keys != nil:
		d.p.add(d.lineOf("keys"), d.at("keys"), "flow.contradiction", "give either set or keys, not both")
	case l.Set == "" && keys == nil:
		d.missing("keys", "which key chooses which language, or set: en")
	case keys != nil:
		l.Keys = d.languageKeys("keys", keys)
		if len(l.Say) == 0 && d.vals["say"] == nil {
			d.missing("say", "the question, in each language")
		}
	}
	return l
}

func (f *fields) languageKeys(key string, v *yaml.Node) []LanguageKey {
	sub := newFields(f.p, f.at(key), v)
	if sub == nil {
		return nil
	}
	var out []LanguageKey
	for _, k := range sub.keys {
		digit := f.asDigit(k.Value, k.Line, sub.at(k.Value))
		language := sub.oneOf(k.Value, "", Languages...)
		if digit != 0 && language != "" {
			out = append(out, LanguageKey{digit, language})
		}
	}
	return out
}

var variablePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

func parseCollect(d *fields) Spec {
	c := &Collect{
		Say:        d.needSaying("say"),
		Into:       d.text("into", 64),
		Min:        d.number("min", 1, 1, 64),
		Max:        d.number("max", 20, 1, 64),
		Terminator: d.oneOf("terminator", "#", "#", "*", "none"),
		Timeout:    d.duration("timeout", firstTimeout, time.Second, maxTimeout),
		InterDigit: d.duration("inter_digit", 3*time.Second, 500*time.Millisecond, 30*time.Second),
		Secret:     d.flag("secret", false),
		Tries:      d.number("tries", 3, 1, 9),
		Next:       d.needTarget("next", "the node that follows when digits were typed"),
		Otherwise:  d.target("otherwise"),
	}
	if c.Terminator == "none" {
		c.Terminator = ""
	}
	if c.Min > c.Max {
		d.p.add(d.lineOf("min"), d.at("min"), "flow.out_of_range", "min %d is more than max %d", c.Min, c.Max)
	}
	d.checkVariable("into", c.Into)
	return c
}

func (f *fields) checkVariable(key, name string) {
	switch {
	case name == "" && f.vals[key] == nil:
		f.missing(key, "the variable that keeps the digits")
	case !variablePattern.MatchString(name):
		f.p.add(f.lineOf(key), f.at(key), "flow.bad_name", "%q is not a name of a variable: use a-z, 0-9 and _", name)
	case slices.Contains(builtinVariables, name):
		f.p.add(f.lineOf(key), f.at(key), "flow.bad_name", "%q is a variable of Hotline itself; choose another name", name)
	}
}

// builtinVariables are set by Hotline for every call.
var builtinVariables = []string{"caller", "number", "language", "verified", "digits"}

func parseBranch(d *fields) Spec {
	b := &Branch{On: d.text("on", 64), Otherwise: d.needTarget("otherwise", "the node when no case fits")}
	if b.On == "" && d.vals["on"] == nil {
		d.missing("on", "caller, number, language, verified, digits or a $variable")
	} else if !strings.HasPrefix(b.On, "$") && !slices.Contains(builtinVariables, b.On) {
		d.p.add(d.lineOf("on"), d.at("on"), "flow.bad_choice", "%q is not one of %s or a $variable", b.On, strings.Join(builtinVariables, ", "))
	}
	v := d.take("cases")
	if v == nil || v.Kind != yaml.SequenceNode || len(v.Content) == 0 {
		d.missing("cases", "a list of cases, each with is, starts or present, and next")
		return b
	}
	for i, item := range v.Content {
		sub := newFields(d.p, d.at("cases")+index(i), item)
		if sub != nil {
			b.Cases = append(b.Cases, parseCase(sub))
		}
	}
	return b
}

func parseCase(d *fields) Case {
	c := Case{Is: d.list("is"), Starts: d.list("starts"), Next: d.needTarget("next", "where this case leads")}
	if d.take("present") != nil {
		present := d.flag("present", true)
		c.Present = &present
	}
	given := 0
	for _, key := range []string{"is", "starts", "present"} {
		if d.vals[key] != nil {
			given++
		}
	}
	if given != 1 {
		d.p.add(d.line, d.path, "flow.contradiction", "a case needs exactly one of is, starts and present")
	}
	d.done()
	return c
}

// String describes the case for the outline.
func (c Case) String() string {
	switch {
	case c.Present != nil && *c.Present:
		return "present"
	case c.Present != nil:
		return "absent"
	case len(c.Starts) > 0:
		return strings.Join(c.Starts, "…, ") + "…"
	}
	return strings.Join(c.Is, ", ")
}

func parseCount(d *fields) Spec {
	return &Count{
		Limit:    d.number("limit", 3, 1, 100),
		Next:     d.needTarget("next", "the node up to the limit"),
		Exceeded: d.needTarget("exceeded", "the node after the limit"),
	}
}

func parseLookup(d *fields) Spec {
	l := &Lookup{
		URL:     d.text("url", 2000),
		Method:  d.oneOf("method", "POST", "GET", "POST"),
		Send:    d.pairs("send"),
		Into:    d.pairs("into"),
		Timeout: d.duration("timeout", 3*time.Second, 100*time.Millisecond, 20*time.Second),
		Retries: d.number("retries", 1, 0, 3),
		Next:    d.needTarget("next", "the node when the service has answered"),
		Failed:  d.needTarget("failed", "the node when it has not"),
	}
	if l.URL == "" {
		if d.vals["url"] == nil {
			d.missing("url", "the address of the service")
		}
	} else if u, err := url.Parse(l.URL); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		d.p.add(d.lineOf("url"), d.at("url"), "flow.bad_url", "must be an http:// or https:// address without user and password")
	}
	for _, into := range l.Into {
		if !variablePattern.MatchString(into.Name) || slices.Contains(builtinVariables, into.Name) {
			d.p.add(into.Line, d.at("into")+"."+into.Name, "flow.bad_name", "%q is not a name of a variable: use a-z, 0-9 and _", into.Name)
		}
	}
	return l
}

func parseTicketStatus(d *fields) Spec {
	return &TicketStatus{
		Tries: d.number("tries", 3, 1, 5),
		Next:  d.needTarget("next", "the node after the state was told"),
		None:  d.needTarget("none", "the node when there is no ticket or the check has failed"),
	}
}

func parseQueue(d *fields) Spec {
	q := &Queue{
		Queue:    d.needName("queue", "the name of a queue"),
		Say:      d.saying("say"),
		Music:    d.text("music", 63),
		MaxWait:  d.duration("max_wait", 0, time.Second, 2*time.Hour),
		Announce: d.duration("announce", 0, 10*time.Second, 10*time.Minute),
		Keys:     d.keyTargets("keys"),
		Callback: d.digit("callback"),
		Timeout:  d.needTarget("timeout", "the node when the maximum wait is over"),
		Next:     d.target("next"),
	}
	for _, k := range q.Keys {
		if q.Callback != 0 && k.Digit == q.Callback {
			d.p.add(d.lineOf("callback"), d.at("callback"), "flow.contradiction", "key %q is already used in keys", string(k.Digit))
		}
	}
	return q
}

func parseVoicemail(d *fields) Spec {
	v := &Voicemail{
		Queue:  d.needName("queue", "the queue that handles the message"),
		Say:    d.saying("say"),
		Min:    d.duration("min", 2*time.Second, 0, 30*time.Second),
		Max:    d.duration("max", 3*time.Minute, 5*time.Second, 30*time.Minute),
		Review: d.flag("review", true),
		Next:   d.target("next"),
	}
	if v.Min >= v.Max {
		d.p.add(d.lineOf("min"), d.at("min"), "flow.out_of_range", "min %s is not less than max %s", v.Min, v.Max)
	}
	return v
}

func parseTransfer(d *fields) Spec {
	return &Transfer{
		To:      d.needName("to", "a number of the outbound allow-list"),
		Say:     d.saying("say"),
		Timeout: d.duration("timeout", 30*time.Second, 5*time.Second, 2*time.Minute),
		Failed:  d.needTarget("failed", "the node when nobody answers there"),
	}
}

func parseHangup(d *fields) Spec { return &Hangup{Say: d.saying("say")} }
