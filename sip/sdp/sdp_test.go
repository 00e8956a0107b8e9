package sdp

import (
	"net/netip"
	"strings"
	"testing"
)

var local = Local{Addr: netip.MustParseAddrPort("192.0.2.1:20000"), Codecs: []string{"PCMU", "PCMA"}, DTMF: true, Session: 1, Version: 1, Crypto: NewCrypto()}

func offer(lines ...string) []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n" + strings.Join(lines, "\r\n") + "\r\n")
}

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		offer []string
		want  string // in the answer; "" for none acceptable
		pt    uint8
		dtmf  uint8
	}{
		"static":             {[]string{"m=audio 4000 RTP/AVP 8 0"}, "m=audio 20000 RTP/AVP 8\r\n", 8, 0},
		"dtmf":               {[]string{"m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000"}, "m=audio 20000 RTP/AVP 0 96\r\n", 0, 96},
		"wideband dtmf only": {[]string{"m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/16000"}, "m=audio 20000 RTP/AVP 0\r\n", 0, 0},
		"dynamic pcmu":       {[]string{"m=audio 4000 RTP/AVP 9 97", "a=rtpmap:97 pcmu/8000/1"}, "m=audio 20000 RTP/AVP 97\r\n", 97, 0},
		"stereo":             {[]string{"m=audio 4000 RTP/AVP 97", "a=rtpmap:97 PCMU/8000/2"}, "", 0, 0},
		"unknown":            {[]string{"m=audio 4000 RTP/AVP 9 18"}, "", 0, 0},
		"port 0":             {[]string{"m=audio 0 RTP/AVP 0"}, "", 0, 0},
		"video first":        {[]string{"m=video 4002 RTP/AVP 31", "m=audio 4000 RTP/AVP 0"}, "m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 0\r\n", 0, 0},
		"two audio":          {[]string{"m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"}, "m=audio 0 RTP/AVP 0\r\n", 0, 0},
		"image":              {[]string{"m=image 4000 udptl t38"}, "", 0, 0},
		"savp in the clear":  {[]string{"m=audio 4000 RTP/SAVP 0", "a=crypto:1 " + Suite + " inline:" + NewCrypto().Key}, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(offer(c.offer...))
			if err != nil {
				t.Fatal(err)
			}
			r, ok := local.Choose(s)
			if ok != (c.want != "") {
				t.Fatalf("taken %v: %v", ok, r)
			}
			if !ok {
				return
			}
			if a := string(local.Answer(s, r)); !strings.Contains(a, c.want) || r.PT != c.pt || r.DTMFPT != c.dtmf {
				t.Errorf("%+v\n%s", r, a)
			}
		})
	}
}

func TestSecureAnswer(t *testing.T) {
	secure := local
	secure.Secure = true
	theirs := NewCrypto()
	s, err := Parse(offer("m=audio 4000 RTP/SAVP 0", "a=crypto:3 AES_CM_256_HMAC_SHA1_80 inline:xx", "a=crypto:4 "+Suite+" inline:"+theirs.Key+"|2^31"))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := secure.Choose(s)
	if !ok || !r.SRTP || r.RemoteKey.Key != theirs.Key {
		t.Fatalf("%v %+v", ok, r)
	}
	if a := string(secure.Answer(s, r)); !strings.Contains(a, "a=crypto:4 "+Suite+" inline:"+secure.Crypto.Key) {
		t.Errorf("%s", a)
	}
	secure.SRTP = true
	plain, _ := Parse(offer("m=audio 4000 RTP/AVP 0"))
	if _, ok := secure.Choose(plain); ok {
		t.Error("plain RTP on a trunk that demands SRTP")
	}
}

func TestHostile(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "nothing": "v=0\r\n", "no media": string(offer()), "10,000 lines": string(offer(strings.Repeat("m=audio 1 RTP/AVP 0\r\n", 10000))),
		"port": string(offer("m=audio 70000 RTP/AVP 0")), "negative": string(offer("m=audio -1 RTP/AVP 0")), "text": "hello", "other version": "v=1\r\n",
		"formats": string(offer("m=audio 4000 RTP/AVP" + strings.Repeat(" 0", 500))), "1 MB": string(offer("a=" + strings.Repeat("x", 1<<20))),
	} {
		if s, err := Parse([]byte(body)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(offer("m=audio 4000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=rtcp:4001", "a=sendonly"))
	f.Add(offer("m=video 1 RTP/AVP 31", "m=audio 4000 RTP/SAVP 0", "a=crypto:1 "+Suite+" inline:"+NewCrypto().Key))
	f.Add([]byte("v=0\no=a 1 1 IN IP6 ::1\nc=IN IP6 ::/3\nm=audio 1 RTP/AVP 0\n"))
	secure := local
	secure.Secure = true
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		r, ok := secure.Choose(s)
		if !ok {
			return
		}
		a := secure.Answer(s, r)
		again, err := Parse(a)
		if err != nil {
			t.Fatalf("our answer cannot be read: %v\n%s", err, a)
		}
		if len(again.Media) != len(s.Media) {
			t.Fatalf("%d m-lines answered by %d (RFC 3264, section 6)", len(s.Media), len(again.Media))
		}
	})
}
