package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	pion "github.com/pion/srtp/v3"
)

// ends are two of ours that speak with each other, and the library with the same keys as the second.
type ends struct {
	out, in *gcm
	peer    *pion.Context
}

func newEnds(t testing.TB) *ends {
	t.Helper()
	keys := Keys{Profile: AEAD_AES_128_GCM}
	for i := range keys.Local {
		keys.Local[i], keys.Remote[i] = byte(3*i), byte(7*i+1)
	}
	turned := Keys{Profile: keys.Profile, Local: keys.Remote, Remote: keys.Local}
	e := &ends{}
	var err error
	if e.out, err = newGCM(&keys); err != nil {
		t.Fatal(err)
	}
	if e.in, err = newGCM(&turned); err != nil {
		t.Fatal(err)
	}
	if e.peer, err = pion.CreateContext(keys.Local[:16], keys.Local[16:28], pion.ProtectionProfileAeadAes128Gcm, pion.SRTPReplayProtection(64)); err != nil {
		t.Fatal(err)
	}
	return e
}

// plainPacket is one of ours, with room for the tag.
func plainPacket(seq uint16, ssrc uint32, payload []byte) []byte {
	b := make([]byte, rtpHeader+len(payload), rtpHeader+len(payload)+gcmTag)
	putHeader(b, seq, ssrc)
	copy(b[rtpHeader:], payload)
	return b
}

func putHeader(b []byte, seq uint16, ssrc uint32) {
	b[0], b[1] = 0x80, 8
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}

// The example of RFC 7714, section 16.1.1, whose key and salt are those of a session already.
func TestGCMExample(t *testing.T) {
	un := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	block, err := aes.NewCipher(un("000102030405060708090a0b0c0d0e0f"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gcm{sources: map[uint32]*window{}}
	if g.out.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	g.out.salt = [12]byte(un("517569642070726f2071756f"))
	g.in = g.out
	plain := append(un("8040f17b8041f8d35501a0b2"), "Gallia est omnis divisa in partes tres"...)
	want := un("8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce")
	sealed := g.seal(append(make([]byte, 0, 200), plain...))
	if !bytes.Equal(sealed, want) {
		t.Fatalf("sealed %x, want %x", sealed, want)
	}
	if got := g.open(sealed); !bytes.Equal(got, plain) {
		t.Errorf("opened %x", got)
	}
}

// What we seal the library opens, over many turns of the sequence number.
func TestGCMSealsForTheLibrary(t *testing.T) {
	e := newEnds(t)
	payload := make([]byte, 160)
	seq := uint16(65000)
	for range 200_000 {
		payload[0]++
		sealed := e.out.seal(plainPacket(seq, 42, payload))
		plain, err := e.peer.DecryptRTP(nil, sealed, nil)
		if err != nil || !bytes.Equal(plain[rtpHeader:], payload) {
			t.Fatalf("packet %d: %v", seq, err)
		}
		seq++
	}
}

// Packets that are lost, late, double or forged, of several SSRCs, with CSRCs and extensions: ours and the library open the same ones.
func TestGCMOpensLikeTheLibrary(t *testing.T) {
	e := newEnds(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	seqs := map[uint32]uint16{1: 0, 2: 65530, 3: 40000}
	writers := map[uint32]*gcm{}
	var held [][]byte
	opened, refused := 0, 0
	for range 150_000 {
		ssrc := uint32(1 + rnd.IntN(3))
		if writers[ssrc] == nil {
			writers[ssrc] = newEnds(t).out
		}
		seqs[ssrc]++
		held = append(held, writers[ssrc].seal(plainPacket(seqs[ssrc], ssrc, []byte("hello"))))
		b := held[len(held)-1]
		switch rnd.IntN(10) {
		case 0:
			continue // late, or lost
		case 1:
			b = held[max(0, len(held)-1-rnd.IntN(300))]
		case 2:
			b = bytes.Clone(b)
			b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		case 3:
			b = b[:rnd.IntN(len(b)+1)]
		}
		plain, err := e.peer.DecryptRTP(nil, b, nil)
		got := e.in.open(bytes.Clone(b))
		if (got == nil) != (err != nil) || err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("packet %x: ours %x, the library's %x, %v", b, got, plain, err)
		}
		if got == nil {
			refused++
		} else {
			opened++
		}
	}
	if opened < 80_000 || refused < 10_000 {
		t.Errorf("%d opened, %d refused: the test tests nothing", opened, refused)
	}
}

// A header with CSRCs and an extension is authenticated whole.
func TestGCMHeaders(t *testing.T) {
	e := newEnds(t)
	header := append([]byte{0x92, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5}, 1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0)
	ctx, err := pion.CreateContext(make([]byte, 16), make([]byte, 12), pion.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		t.Fatal(err)
	}
	if e.in, err = newGCM(&Keys{Profile: AEAD_AES_128_GCM}); err != nil {
		t.Fatal(err)
	}
	sealed, err := ctx.EncryptRTP(nil, append(header, "hello"...), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range header {
		forged := bytes.Clone(sealed)
		forged[i] ^= 0x20
		if got := e.in.open(forged); got != nil {
			t.Errorf("byte %d of the header may be changed", i)
		}
	}
	if got := e.in.open(sealed); !bytes.HasSuffix(got, []byte("hello")) {
		t.Errorf("opened %x", got)
	}
}

// A peer that makes up SSRCs without end gets no memory for them, and those that are known go on.
func TestGCMSources(t *testing.T) {
	e := newEnds(t)
	for ssrc := range uint32(3 * maxSources) {
		e.out.sent = rollover{}
		if got := e.in.open(e.out.seal(plainPacket(1, ssrc, []byte("a")))); (got != nil) != (ssrc < maxSources) {
			t.Fatalf("SSRC %d: %x", ssrc, got)
		}
	}
	e.out.sent = rollover{}
	if e.in.open(e.out.seal(plainPacket(2, 7, []byte("a")))) == nil {
		t.Error("a known SSRC is not heard any more")
	}
}

// Sealing and opening make no garbage.
func TestGCMAllocates(t *testing.T) {
	e := newEnds(t)
	b, seq := make([]byte, 0, 1500), uint16(0)
	payload := make([]byte, 160)
	if n := testing.AllocsPerRun(1000, func() {
		b = b[:rtpHeader+len(payload)]
		putHeader(b, seq, 1)
		seq++
		if e.in.open(e.out.seal(b)) == nil {
			t.Fatal("not opened")
		}
	}); n > 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

// What is opened is what the library opens, whatever comes.
func FuzzGCMOpen(f *testing.F) {
	e := newEnds(f)
	f.Add(e.out.seal(plainPacket(1, 1, []byte("hello"))))
	f.Add([]byte{0x90, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := newEnds(t)
		plain, err := e.peer.DecryptRTP(nil, b, nil)
		if got := e.in.open(bytes.Clone(b)); (got == nil) != (err != nil) || err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("ours %x, the library's %x, %v", got, plain, err)
		}
	})
}
