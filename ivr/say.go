package ivr

import (
	"strconv"
	"time"

	"hotline/ivr/flow"
	"hotline/ivr/speech"
	"hotline/ivr/spoken"
	"hotline/media"
)

// voice finds sounds in a snapshot, in one language.
type voice struct {
	snap     *snapshot
	language string
}

var pause = media.Silence(180 * time.Millisecond)

// prompt returns a prompt by name: the organisation's own, else the built-in one.
func (v voice) prompt(name string) []*media.Prompt {
	if own, ok := v.snap.own[name+"/"+v.language]; ok {
		if own.sound != nil {
			return []*media.Prompt{own.sound}
		}
		return v.text(own.text.Words)
	}
	return v.text(builtIn(name, v.language))
}

// text returns a text that was spoken ahead. One that is not there is left out: flows are checked before they are live.
func (v voice) text(words string) []*media.Prompt {
	if p, ok := v.snap.said[speech.Text{Language: v.language, Words: words}]; ok {
		return []*media.Prompt{p}
	}
	return nil
}

// words joins words of the vocabulary.
func (v voice) words(list []string) []*media.Prompt {
	var out []*media.Prompt
	for _, w := range list {
		if w == spoken.Pause {
			out = append(out, pause)
			continue
		}
		out = append(out, v.text(w)...)
	}
	return out
}

func (v voice) number(n int64) []*media.Prompt { return v.words(spoken.Number(n, v.language)) }
func (v voice) count(n int64) []*media.Prompt  { return v.words(spoken.Count(n, v.language)) }
func (v voice) phone(s string) []*media.Prompt { return v.words(spoken.Phone(s, v.language)) }

// digits says digit by digit, in groups of three for what is longer than four.
func (v voice) digits(s string) []*media.Prompt {
	if len(s) <= 4 {
		return v.words(spoken.Digits(s, v.language))
	}
	var out []*media.Prompt
	for len(s) > 0 {
		n := min(3, len(s))
		out = append(append(out, v.words(spoken.Digits(s[:n], v.language))...), pause)
		s = s[n:]
	}
	return out
}

// around puts a number between the two halves of a phrase.
func (v voice) around(before string, middle []*media.Prompt, after string) []*media.Prompt {
	return append(append(v.prompt(before), middle...), v.prompt(after)...)
}

// value speaks a value in a manner of the flow language. What does not fit the manner is spoken digit by digit.
func (v voice) value(as, value string) []*media.Prompt {
	switch as {
	case "number":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return v.number(n)
		}
	case "phone":
		return v.phone(value)
	case "date":
		if t, ok := moment(value); ok {
			return v.words(spoken.Date(t, v.language))
		}
	case "time":
		if t, ok := moment(value); ok {
			return v.words(spoken.Clock(t, v.language))
		}
	}
	return v.digits(value)
}

// moment reads what web services send, and what is typed: 2026-10-01, 20261001, 09:30, 0930, or RFC 3339 with its own offset.
func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly, "20060102", "2006-01-02T15:04", "15:04", "1504"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// say turns a saying of the flow into sounds.
func (r *run) say(s flow.Saying) []*media.Prompt {
	var out []*media.Prompt
	for _, p := range s {
		v := r.voice()
		if p.Language != "" {
			v.language = p.Language
		}
		switch {
		case p.Prompt != "":
			out = append(out, v.prompt(p.Prompt)...)
		case p.Text != nil:
			out = append(out, v.text(p.Text[v.language])...)
		default:
			out = append(out, v.value(p.As, r.value(p.Value))...)
		}
	}
	return out
}

// phrases returns built-in phrases, one after the other.
func (r *run) phrases(names ...string) []*media.Prompt {
	var out []*media.Prompt
	for _, n := range names {
		out = append(out, r.voice().prompt(n)...)
	}
	return out
}

// or returns the flow's own words, or the built-in phrase.
func (r *run) or(s flow.Saying, name string) []*media.Prompt {
	if len(s) > 0 {
		return r.say(s)
	}
	return r.phrases(name)
}
