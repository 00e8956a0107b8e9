package recordings

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"

	"hotline/media"
)

const wavHeaderSize = 44

// wave is a recording as a WAV file of 16-bit samples, which every player takes: decrypted and decoded block by block, where it is read.
type wave struct {
	file  io.ReadCloser
	at    io.ReaderAt
	lay   layout
	head  [wavHeaderSize]byte
	pos   int64
	size  int64
	block int64  // that cached holds
	pcm   []byte // nil: nothing is cached
}

type readFile interface {
	io.ReadCloser
	io.ReaderAt
}

func newWave(f readFile, l layout) *wave {
	data := l.frames * int64(l.channels) * 2
	w := &wave{file: f, at: f, lay: l, size: wavHeaderSize + data}
	w.head = wavHeader(l.channels, data)
	return w
}

// wavHeader is a canonical WAV header (RIFF, fmt, data) of 16-bit PCM.
func wavHeader(channels int, data int64) (h [wavHeaderSize]byte) {
	le := binary.LittleEndian
	copy(h[0:], "RIFF")
	le.PutUint32(h[4:], uint32(data+wavHeaderSize-8))
	copy(h[8:], "WAVEfmt ")
	le.PutUint32(h[16:], 16)
	le.PutUint16(h[20:], 1)
	le.PutUint16(h[22:], uint16(channels))
	le.PutUint32(h[24:], sampleRate)
	le.PutUint32(h[28:], uint32(sampleRate*channels*2))
	le.PutUint16(h[32:], uint16(channels*2))
	le.PutUint16(h[34:], 16)
	copy(h[36:], "data")
	le.PutUint32(h[40:], uint32(data))
	return h
}

// Read implements io.Reader.
func (w *wave) Read(p []byte) (int, error) {
	if w.pos >= w.size {
		return 0, io.EOF
	}
	if w.pos < wavHeaderSize {
		n := copy(p, w.head[w.pos:])
		w.pos += int64(n)
		return n, nil
	}
	off := w.pos - wavHeaderSize
	perBlock := w.lay.blockBytes() * 2
	if err := w.load(off / perBlock); err != nil {
		return 0, err
	}
	n := copy(p, w.pcm[off%perBlock:])
	w.pos += int64(n)
	return n, nil
}

func (w *wave) load(block int64) error {
	if w.pcm != nil && w.block == block {
		return nil
	}
	samples, err := w.lay.block(w.at, block)
	if err != nil {
		return err
	}
	pcm := make([]int16, len(samples))
	media.PCMU.Decode(pcm, samples)
	w.pcm = make([]byte, 2*len(pcm))
	for i, v := range pcm {
		binary.LittleEndian.PutUint16(w.pcm[2*i:], uint16(v))
	}
	w.block = block
	return nil
}

// Seek implements io.Seeker.
func (w *wave) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += w.pos
	case io.SeekEnd:
		offset += w.size
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: "recording", Err: errors.New("before the beginning")}
	}
	w.pos = offset
	return offset, nil
}

// Close implements io.Closer.
func (w *wave) Close() error { return w.file.Close() }

// peaks keeps the loudest sample of stretches of a channel, at most maxPeaks of them: when they are full, two become one.
type peaks struct {
	span int // sample frames a peak
	fill int // of them in the last one
	list []uint8
}

const maxPeaks = 400

func newPeaks() *peaks { return &peaks{span: 160} }

func (p *peaks) add(pcm []int16) {
	for len(pcm) > 0 {
		if p.fill == 0 {
			if len(p.list) == maxPeaks {
				p.halve()
			}
			p.list = append(p.list, 0)
		}
		n := min(len(pcm), p.span-p.fill)
		last := &p.list[len(p.list)-1]
		for _, v := range pcm[:n] {
			*last = max(*last, loudness(v))
		}
		p.fill = (p.fill + n) % p.span
		pcm = pcm[n:]
	}
}

func (p *peaks) halve() {
	for i := range maxPeaks / 2 {
		p.list[i] = max(p.list[2*i], p.list[2*i+1])
	}
	p.list = p.list[:maxPeaks/2]
	p.span *= 2
}

func loudness(v int16) uint8 {
	a := int(v)
	if a < 0 {
		a = -a
	}
	return uint8(min(a>>7, 255))
}
