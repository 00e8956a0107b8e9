package media

import (
	"encoding/binary"
	"errors"
	"io"

	"hotline"
	"hotline/media/resample"
)

// WAV is decoded audio; samples of several channels are interleaved.
type WAV struct {
	Rate     int
	Channels int
	PCM      []int16
}

// Formats of a WAVE file.
const (
	wavPCM        = 1
	wavALaw       = 6
	wavMuLaw      = 7
	wavExtensible = 0xfffe
)

const (
	maxRate     = 384000
	maxChannels = 8
)

// wavFormat is the fmt chunk.
type wavFormat struct {
	tag, channels, bits int
	rate                int
}

func wavError(format string, args ...any) error {
	return hotline.Errorf(hotline.Invalid, "media.bad_wav", format, args...)
}

// ReadWAV reads a RIFF WAVE file of 8, 16, 24 or 32 bits, or of G.711. A file that ends early is read as far as it goes, as one is
// whose header does not know its length. Limiting the size of r is up to the caller.
func ReadWAV(r io.Reader) (WAV, error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil || string(riff[:4]) != "RIFF" || string(riff[8:]) != "WAVE" {
		return WAV{}, wavError("this is no WAV file: it does not begin with RIFF … WAVE; save the audio as WAV (PCM, 16 bit)")
	}
	var format *wavFormat
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return WAV{}, wavError("the WAV file has no audio: its data chunk is missing")
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		switch string(head[:4]) {
		case "fmt ":
			f, err := readFormat(r, size)
			if err != nil {
				return WAV{}, err
			}
			format = f
		case "data":
			if format == nil {
				return WAV{}, wavError("the WAV file is out of order: its data chunk comes before the fmt chunk")
			}
			if size == 0 || size == 1<<32-1 {
				size = 1 << 40 // a stream: the length was not known when the header was written
			}
			data, err := io.ReadAll(io.LimitReader(r, size))
			if err != nil {
				return WAV{}, hotline.Errorf(hotline.Invalid, "media.wav_read", "the WAV file cannot be read: %w", err)
			}
			return format.decode(data), nil
		default:
			if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
				return WAV{}, wavError("the WAV file has no audio: its data chunk is missing")
			}
		}
	}
}

func readFormat(r io.Reader, size int64) (*wavFormat, error) {
	if size < 16 || size > 1024 {
		return nil, wavError("the fmt chunk of the WAV file has %d bytes: 16 to 1024 are possible", size)
	}
	b := make([]byte, size+size%2)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, wavError("the WAV file ends in its fmt chunk")
	}
	f := &wavFormat{
		tag: int(binary.LittleEndian.Uint16(b)), channels: int(binary.LittleEndian.Uint16(b[2:])),
		rate: int(binary.LittleEndian.Uint32(b[4:])), bits: int(binary.LittleEndian.Uint16(b[14:])),
	}
	if f.tag == wavExtensible && size >= 26 {
		f.tag = int(binary.LittleEndian.Uint16(b[24:]))
	}
	if f.channels < 1 || f.channels > maxChannels {
		return nil, wavError("the WAV file has %d channels: 1 to %d are possible", f.channels, maxChannels)
	}
	if f.rate < 1000 || f.rate > maxRate {
		return nil, wavError("the WAV file has a rate of %d Hz: 1000 to %d are possible", f.rate, maxRate)
	}
	switch {
	case f.tag == wavPCM && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32):
	case (f.tag == wavALaw || f.tag == wavMuLaw) && f.bits == 8:
	default:
		return nil, wavError("the WAV file has format %d with %d bits: save it as PCM of 8, 16 or 24 bits", f.tag, f.bits)
	}
	return f, nil
}

// decode turns bytes into samples; half a frame at the end is left out.
func (f *wavFormat) decode(data []byte) WAV {
	width := f.bits / 8
	n := len(data) / (width * f.channels) * f.channels
	pcm := make([]int16, n)
	switch {
	case f.tag == wavALaw:
		PCMA.Decode(pcm, data[:n])
	case f.tag == wavMuLaw:
		PCMU.Decode(pcm, data[:n])
	case width == 1:
		for i := range pcm {
			pcm[i] = (int16(data[i]) - 128) << 8 // 8 bits are unsigned
		}
	case width == 2:
		for i := range pcm {
			pcm[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
		}
	default:
		for i := range pcm {
			at := (i+1)*width - 3 // the upper three bytes, rounded to two
			v := int32(binary.LittleEndian.Uint16(data[at+1:]))<<16 | int32(data[at])<<8
			pcm[i] = int16(min(v>>8+0x80, 0x7fffff) >> 8)
		}
	}
	return WAV{Rate: f.rate, Channels: f.channels, PCM: pcm}
}

// WriteWAV writes a RIFF WAVE file of 16 bits.
func WriteWAV(w io.Writer, a WAV) error {
	if a.Rate <= 0 || a.Channels <= 0 {
		return wavError("a WAV file needs a rate and channels, not %d Hz and %d", a.Rate, a.Channels)
	}
	size := len(a.PCM) * 2
	if int64(size) > 1<<32-64 {
		return wavError("a WAV file holds at most 4 GB")
	}
	b := make([]byte, 0, 44+size)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, wavPCM)
	b = binary.LittleEndian.AppendUint16(b, uint16(a.Channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(a.Rate*a.Channels*2))
	b = binary.LittleEndian.AppendUint16(b, uint16(a.Channels*2))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	for _, v := range a.PCM {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	_, err := w.Write(b)
	return err
}

// Mono returns the mean of the channels.
func Mono(a WAV) []int16 {
	if a.Channels <= 1 {
		return a.PCM
	}
	out := make([]int16, len(a.PCM)/a.Channels)
	for i := range out {
		sum := 0
		for _, v := range a.PCM[i*a.Channels : (i+1)*a.Channels] {
			sum += int(v)
		}
		out[i] = int16(sum / a.Channels)
	}
	return out
}

// Resample converts mono samples from one rate to another, without aliases and delay.
func Resample(pcm []int16, from, to int) []int16 { return resample.Mono(pcm, from, to) }

// ReadPrompt reads a WAV file of any rate and makes a prompt of it.
func ReadPrompt(r io.Reader) (*Prompt, error) {
	a, err := ReadWAV(r)
	if err != nil {
		return nil, err
	}
	if len(a.PCM) == 0 {
		return nil, errNoAudio
	}
	return NewPrompt(Resample(Mono(a), a.Rate, SampleRate)), nil
}

var errNoAudio = &hotline.Error{Kind: hotline.Invalid, Code: "media.wav_empty", Message: "the WAV file holds no audio", Err: errors.New("no samples")}
