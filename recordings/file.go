package recordings

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"hotline/media"
)

// The container of a recording, made so that it is encrypted while it is written, plays up to wherever the writing stopped, and any
// second of it can be read without the seconds before:
//
//	magic      8 bytes  "HLREC01\n"
//	channels   1 byte   1 or 2
//	label size 2 bytes  big endian
//	label      JSON: whose recording it is ([label]), so that a file explains itself when the database cannot
//	key size   2 bytes  big endian
//	key        an age file (age-encryption.org/v1) to the store's recipient; inside it are the 32 bytes of this file's own key
//	block 0 …  4,000 sample frames (half a second) of interleaved G.711 µ-law at 8 kHz, sealed with ChaCha20-Poly1305
//	last block fewer sample frames, maybe none, sealed with the last flag; its absence tells a file that was cut
//
// As in age's STREAM, the nonce of a block is its number and the last flag, so blocks can be neither moved nor left out unseen; the
// header is authenticated with each of them.
const (
	magic       = "HLREC01\n"
	blockFrames = 4000
	sampleRate  = media.SampleRate
	overhead    = chacha20poly1305.Overhead
)

// header is the beginning of a file.
type header struct {
	label
	channels int
	raw      []byte // as in the file
	aead     cipher.AEAD
}

// label says whose recording a file is. It is readable without the key, and cannot be changed unseen.
type label struct {
	ID        string    `json:"id"`
	CallID    string    `json:"call_id"`
	LegID     string    `json:"leg_id,omitempty"`
	Kind      Kind      `json:"kind"`
	StartedAt time.Time `json:"started_at"`
}

func (h header) blockBytes() int64 { return int64(blockFrames * h.channels) }

// newHeader makes the header of a new file with a key of its own.
func newHeader(l label, channels int, to age.Recipient) (header, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)
	text, err := json.Marshal(l)
	if err != nil {
		return header{}, err
	}
	var wrapped bytes.Buffer
	w, err := age.Encrypt(&wrapped, to)
	if err != nil {
		return header{}, err
	}
	if _, err := w.Write(key); err != nil {
		return header{}, err
	}
	if err := w.Close(); err != nil {
		return header{}, err
	}
	raw := append([]byte(magic), byte(channels))
	for _, part := range [][]byte{text, wrapped.Bytes()} {
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(part)))
		raw = append(raw, part...)
	}
	aead, err := chacha20poly1305.New(key)
	return header{l, channels, raw, aead}, err
}

// readHeader reads and opens the header of a file.
func readHeader(r io.ReaderAt, with age.Identity) (header, error) {
	raw := make([]byte, len(magic)+1)
	if _, err := r.ReadAt(raw, 0); err != nil {
		return header{}, fmt.Errorf("recording has no header: %w", err)
	}
	h := header{channels: int(raw[len(magic)])}
	if string(raw[:len(magic)]) != magic || h.channels < 1 || h.channels > 2 {
		return header{}, errors.New("this is no recording of Hotline")
	}
	var parts [2][]byte
	for i := range parts {
		size := make([]byte, 2)
		if _, err := r.ReadAt(size, int64(len(raw))); err != nil {
			return header{}, fmt.Errorf("recording has half a header: %w", err)
		}
		raw = append(raw, size...)
		parts[i] = make([]byte, binary.BigEndian.Uint16(size))
		if _, err := r.ReadAt(parts[i], int64(len(raw))); err != nil {
			return header{}, fmt.Errorf("recording has half a header: %w", err)
		}
		raw = append(raw, parts[i]...)
	}
	if err := json.Unmarshal(parts[0], &h.label); err != nil {
		return header{}, fmt.Errorf("recording has no label: %w", err)
	}
	plain, err := age.Decrypt(bytes.NewReader(parts[1]), with)
	if err != nil {
		return header{}, fmt.Errorf("recording cannot be opened with this key: %w", err)
	}
	key, err := io.ReadAll(io.LimitReader(plain, chacha20poly1305.KeySize+1))
	if err != nil {
		return header{}, fmt.Errorf("recording cannot be opened with this key: %w", err)
	}
	h.raw = raw
	h.aead, err = chacha20poly1305.New(key)
	return h, err
}

func nonce(block int64, last bool) []byte {
	n := make([]byte, chacha20poly1305.NonceSize)
	binary.BigEndian.PutUint64(n[3:11], uint64(block))
	if last {
		n[11] = 1
	}
	return n
}

// seal encrypts one block.
func (h header) seal(block int64, last bool, samples []byte) []byte {
	return h.aead.Seal(nil, nonce(block, last), samples, h.raw)
}

// openBlock decrypts one block.
func (h header) openBlock(block int64, last bool, sealed []byte) ([]byte, error) {
	return h.aead.Open(nil, nonce(block, last), sealed, h.raw)
}

// layout is where the blocks of a file stand.
type layout struct {
	header
	whole  int64 // blocks that are full and not the last
	last   int64 // bytes of samples in the last block; -1 when there is none: the file was cut
	torn   int64 // bytes behind the last block that can be read
	frames int64 // sample frames in all
}

func (l layout) offset(block int64) int64 {
	return int64(len(l.raw)) + block*(l.blockBytes()+overhead)
}

func (l layout) duration() time.Duration {
	return time.Duration(l.frames) * time.Second / sampleRate
}

// survey finds the blocks of a file of a size. Only the end needs to be looked at.
func survey(r io.ReaderAt, size int64, with age.Identity) (layout, error) {
	h, err := readHeader(r, with)
	if err != nil {
		return layout{}, err
	}
	l := layout{header: h, last: -1}
	sealed := l.blockBytes() + overhead
	body := size - int64(len(h.raw))
	l.whole = body / sealed
	rest := body % sealed
	if rest >= overhead && (rest-overhead)%int64(h.channels) == 0 {
		if samples, err := l.readSealed(r, l.whole, true, rest); err == nil {
			l.last = int64(len(samples))
			l.frames = (l.whole*l.blockBytes() + l.last) / int64(h.channels)
			return l, nil
		}
	}
	l.torn = rest
	for l.whole > 0 { // after a power cut, the end of a file may be zeros
		if _, err := l.readSealed(r, l.whole-1, false, sealed); err == nil {
			break
		}
		l.whole--
		l.torn += sealed
	}
	l.frames = l.whole * blockFrames
	return l, nil
}

func (l layout) readSealed(r io.ReaderAt, block int64, last bool, size int64) ([]byte, error) {
	sealed := make([]byte, size)
	if _, err := r.ReadAt(sealed, l.offset(block)); err != nil {
		return nil, err
	}
	return l.openBlock(block, last, sealed)
}

// block returns the samples of a block.
func (l layout) block(r io.ReaderAt, n int64) ([]byte, error) {
	if n == l.whole && l.last >= 0 {
		return l.readSealed(r, n, true, l.last+overhead)
	}
	return l.readSealed(r, n, false, l.blockBytes()+overhead)
}
