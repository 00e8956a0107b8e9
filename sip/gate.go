package sip

import (
	"bytes"
	"net/netip"
	"time"

	"hotline/sip/guard"
	"hotline/sip/wire"
)

// gate asks the guard about a message that has just come in.
func (e *Edge) gate(src wire.Source, data []byte) wire.Verdict {
	switch e.guard.Packet(src.Remote, data) {
	case guard.Pass:
		return wire.Pass
	case guard.Refuse:
		return wire.Turn
	}
	return wire.Drop
}

// stranger is the answer to whoever is no trunk: the same for what exists and what does not (abuse 7).
func (e *Edge) stranger(src wire.Source) *wire.Refusal {
	if !e.guard.Challenges() {
		return &wire.Refusal{Code: 403, Reason: "Forbidden"}
	}
	r := &wire.Refusal{Code: 401, Reason: "Unauthorized"}
	for _, h := range e.cfg.Directory.Challenge(src.Remote.Addr(), false) {
		r.Fields = append(r.Fields, wire.Field{Name: h.Name(), Value: h.Value()})
	}
	return r
}

// connect admits a stream connection.
func (e *Edge) connect(peer netip.Addr) (release func(), idle time.Duration, ok bool) {
	release, ok = e.guard.Connect(peer)
	limits := e.guard.Limits()
	idle = limits.FirstMessage
	if e.cfg.Directory.Snapshot().Known(peer) {
		idle = limits.IdleTrunk
	}
	return release, idle, ok
}

// seen keeps a message with the call it belongs to.
func (e *Edge) seen(src wire.Source, sent bool, data []byte) {
	e.counts.count(sent, data)
	if e.cfg.Trace == nil {
		return
	}
	e.legs.mu.Lock()
	callID := e.legs.traced[callIDOf(data)]
	e.legs.mu.Unlock()
	e.record(callID, src, sent, time.Now(), data)
}

func (e *Edge) record(callID string, src wire.Source, sent bool, at time.Time, data []byte) {
	if callID == "" || e.cfg.Trace == nil {
		return
	}
	e.cfg.Trace.Record(callID, TraceMessage{
		At: at, Sent: sent, Transport: src.Transport, Local: src.Local.String(), Remote: src.Remote.String(), Data: data,
	})
}

// callIDOf finds the Call-ID in a message that is not parsed.
func callIDOf(data []byte) string {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\r\n"))
		data = rest
		if len(line) == 0 {
			return ""
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); ok && (bytes.EqualFold(name, []byte("Call-ID")) || bytes.EqualFold(name, []byte("i"))) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
