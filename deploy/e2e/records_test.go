//go:build e2e

package e2e

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
)

// The shapes of the API as far as the tests look at them.
type (
	callRow struct {
		ID         string  `json:"id"`
		Phase      string  `json:"phase"`
		Caller     string  `json:"caller"`
		CallerName string  `json:"caller_name"`
		Queue      string  `json:"queue"`
		Ticket     int64   `json:"ticket"`
		Result     string  `json:"result"`
		StartedAt  string  `json:"started_at"`
		EndedAt    *string `json:"ended_at"`
		Path       []struct {
			Node   string `json:"node"`
			Kind   string `json:"kind"`
			Digits string `json:"digits"`
		} `json:"path"`
		Segments []struct {
			Kind       string `json:"kind"`
			Queue      string `json:"queue"`
			Reason     string `json:"reason"`
			DurationMS int64  `json:"duration_ms"`
		} `json:"segments"`
		Legs []struct {
			Codec   string         `json:"codec"`
			Quality map[string]any `json:"quality"`
		} `json:"legs"`
		Recordings []recordingRow `json:"recordings"`
	}
	recordingRow struct {
		ID         string  `json:"id"`
		Kind       string  `json:"kind"`
		State      string  `json:"state"`
		DurationMS int64   `json:"duration_ms"`
		Waveform   [][]int `json:"waveform"`
	}
	ticketRow struct {
		Number  int64  `json:"number"`
		Subject string `json:"subject"`
		State   string `json:"state"`
		Queue   string `json:"queue"`
		Version int64  `json:"version"`
		Tasks   []struct {
			Kind   string `json:"kind"`
			Reason string `json:"reason"`
			State  string `json:"state"`
			Phone  string `json:"phone"`
		} `json:"tasks"`
	}
	page[T any] struct {
		Items []T     `json:"items"`
		Next  *string `json:"next"`
	}
)

// calls lists the calls of one caller, the newest first.
func (h *house) calls(caller string) []callRow {
	h.t.Helper()
	var p page[callRow]
	h.api("GET", "/api/v1/calls?caller="+url.QueryEscape(caller), nil, &p)
	return p.Items
}

// ended waits until the newest call of a caller is closed in the database and returns it whole.
func (h *house) ended(caller string) callRow {
	h.t.Helper()
	var id string
	h.eventually(15*time.Second, "the call of "+caller+" is filed as ended", func() bool {
		for _, c := range h.calls(caller) {
			if c.EndedAt != nil {
				id = c.ID
				return true
			}
		}
		return false
	})
	return h.call(id)
}

func (h *house) call(id string) callRow {
	h.t.Helper()
	var c callRow
	h.api("GET", "/api/v1/calls/"+id, nil, &c)
	return c
}

func (h *house) ticket(number int64) ticketRow {
	h.t.Helper()
	var ticket ticketRow
	h.api("GET", fmt.Sprintf("/api/v1/tickets/%d", number), nil, &ticket)
	return ticket
}

// path writes the nodes and digits of a call on one line, for messages.
func (c callRow) path() string {
	var parts []string
	for _, s := range c.Path {
		parts = append(parts, s.Node+"["+s.Digits+"]")
	}
	return strings.Join(parts, " ")
}

// digits returns all digits that the call's path holds, in order.
func (c callRow) digits() string {
	var b strings.Builder
	for _, s := range c.Path {
		b.WriteString(s.Digits)
	}
	return b.String()
}

// sound fetches a recording and returns its two sides at 8 kHz.
func (h *house) sound(id string) (left, right []int16) {
	h.t.Helper()
	var wav []byte
	if status := h.api("GET", "/api/v1/recordings/"+id+"/audio", nil, &wav); status != 200 {
		h.t.Fatalf("recording %s: status %d: %s", id, status, tail(string(wav), 300))
	}
	return decodeWAV(h, wav)
}

// decodeWAV reads PCM16, A-law or µ-law of one or two channels, apart from the product's own reader.
func decodeWAV(h *house, wav []byte) (left, right []int16) {
	h.t.Helper()
	if len(wav) < 44 || string(wav[:4]) != "RIFF" || string(wav[8:12]) != "WAVE" {
		h.t.Fatalf("no WAV file: %d bytes", len(wav))
	}
	le := binary.LittleEndian
	format, channels, bits := uint16(0), 1, 16
	for at := 12; at+8 <= len(wav); {
		id, size := string(wav[at:at+4]), int(le.Uint32(wav[at+4:]))
		body := wav[at+8 : min(at+8+size, len(wav))]
		switch id {
		case "fmt ":
			format, channels, bits = le.Uint16(body), int(le.Uint16(body[2:])), int(le.Uint16(body[14:]))
			if rate := le.Uint32(body[4:]); rate != 8000 {
				h.t.Fatalf("recording at %d Hz", rate)
			}
		case "data":
			if format != 1 || bits != 16 {
				h.t.Fatalf("WAV of format %d with %d bits: the test reads PCM16", format, bits)
			}
			for i := 0; i+2*channels <= len(body); i += 2 * channels {
				left = append(left, int16(le.Uint16(body[i:])))
				if channels == 2 {
					right = append(right, int16(le.Uint16(body[i+2:])))
				}
			}
			return left, right
		}
		at += 8 + size + size&1
	}
	h.t.Fatal("WAV without data")
	return nil, nil
}

// toneShare is the share of the energy of pcm that lies at one frequency (Goertzel): 1 for a pure tone.
func toneShare(pcm []int16, hertz float64) float64 {
	if len(pcm) == 0 {
		return 0
	}
	coefficient := 2 * math.Cos(2*math.Pi*hertz/8000)
	var s1, s2, energy float64
	for _, v := range pcm {
		s := float64(v) + coefficient*s1 - s2
		s2, s1 = s1, s
		energy += float64(v) * float64(v)
	}
	if energy == 0 {
		return 0
	}
	return (s1*s1 + s2*s2 - coefficient*s1*s2) * 2 / float64(len(pcm)) / energy
}

// bestTone is the largest share of one frequency in any half second of pcm.
func bestTone(pcm []int16, hertz float64) float64 {
	best := 0.0
	for at := 0; at+4000 <= len(pcm); at += 1000 {
		best = max(best, toneShare(pcm[at:at+4000], hertz))
	}
	return best
}

// loudest is the largest sample.
func loudest(pcm []int16) int {
	most := 0
	for _, v := range pcm {
		most = max(most, int(v), -int(v))
	}
	return most
}
