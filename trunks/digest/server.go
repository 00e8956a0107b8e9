package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hotline/trunks/rate"
)

// Outcome of [Server.Verify].
type Outcome string

// The outcomes. Everything but OK is answered with a challenge, the same one, so that nothing can be learnt from it.
const (
	OK        Outcome = "ok"
	Missing   Outcome = "missing"   // no credentials for our realm
	Bad       Outcome = "bad"       // unknown user, wrong password or nonsense
	Stale     Outcome = "stale"     // the password is right, the nonce is too old: challenge with stale=true
	Replayed  Outcome = "replayed"  // a nonce count that was used before
	Throttled Outcome = "throttled" // too many failures from there; nothing was computed
)

// Config of a [Server].
type Config struct {
	Realm    string
	Password func(username string) (password string, ok bool) // must not block
	NonceTTL time.Duration                                    // 0: 5 minutes
	Now      func() time.Time                                 // nil: time.Now
}

// Server asks for and checks credentials.
type Server struct {
	cfg   Config
	key   [32]byte
	dummy string // password of users that do not exist, so that the work is the same

	perSource *rate.Limiter[netip.Addr]   // failures of one source
	perUser   *rate.Limiter[sourceUser]   // failures of one source for one user
	unproven  *rate.Limiter[string]       // failures for one user from sources that never gave its password
	mu        sync.Mutex                  // guards counts, proven
	counts    *rate.Table[string, uint64] // highest nonce count by nonce
	proven    *rate.Table[sourceUser, struct{}]

	outcomes [6]atomic.Uint64
}

type sourceUser struct {
	source netip.Addr
	user   string
}

// The throttle: a person who mistypes does not notice it, a program that guesses gets a try a minute.
const (
	failuresBurst     = 20
	failuresPerSecond = 1.0 / 60
	userBurst         = 50 // from everywhere together; the real one is known by its source
	remembered        = 16384
	longestUser       = 128
)

// NewServer makes a server with a secret of its own; nonces do not outlive it, clients just get a new one.
func NewServer(cfg Config) *Server {
	if cfg.NonceTTL == 0 {
		cfg.NonceTTL = 5 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg:       cfg,
		perSource: rate.NewLimiter[netip.Addr](failuresPerSecond*3, failuresBurst*3, remembered),
		perUser:   rate.NewLimiter[sourceUser](failuresPerSecond, failuresBurst, remembered),
		unproven:  rate.NewLimiter[string](failuresPerSecond*5, userBurst, remembered),
		counts:    rate.NewTable[string, uint64](remembered),
		proven:    rate.NewTable[sourceUser, struct{}](remembered),
	}
	rand.Read(s.key[:])
	s.dummy = s.sign("dummy")
	return s
}

// Challenge returns the values of the WWW-Authenticate headers, one for each algorithm, the preferred first (RFC 8760, section 2.4).
func (s *Server) Challenge(source netip.Addr, stale bool) []string {
	nonce := s.nonce(source)
	var out []string
	for _, a := range algorithms {
		h := fmt.Sprintf("Digest realm=%s, nonce=%s, algorithm=%s, qop=\"auth\"", quote(s.cfg.Realm), quote(nonce), a.name)
		if stale {
			h += ", stale=true"
		}
		out = append(out, h)
	}
	return out
}

// Ours says whether one of the Authorization values bears a nonce that we gave to this source, however old: whoever sends it can
// receive at that address. It is cheap.
func (s *Server) Ours(authorizations []string, source netip.Addr) bool {
	for _, header := range authorizations {
		if c, err := parseCredentials(header); err == nil {
			if _, ok := s.nonceTime(c.nonce, source); ok {
				return true
			}
		}
	}
	return false
}

// Verify checks the Authorization values of a request. The user is returned with OK only.
func (s *Server) Verify(authorizations []string, method string, source netip.Addr) (user string, outcome Outcome) {
	defer func() { s.count(outcome) }()
	c, found := s.find(authorizations)
	if !found {
		return "", Missing
	}
	now := s.cfg.Now()
	if len(c.username) > longestUser {
		s.perSource.Take(block(source), now)
		return "", Bad // nobody's: not worth remembering
	}
	who := sourceUser{block(source), c.username}
	if s.throttled(who, now) {
		return "", Throttled
	}
	made, nonceOK := s.nonceTime(c.nonce, source)
	proven := s.proves(c, method)
	if !nonceOK {
		// A nonce that we never gave is no guess: after a restart of ours honest clients come with one.
		if proven {
			return "", Stale
		}
		s.failed(who, now)
		return "", Bad
	}
	if !proven {
		s.failed(who, now)
		return "", Bad
	}
	s.succeeded(who)
	if now.Sub(made) > s.cfg.NonceTTL {
		return "", Stale
	}
	if !s.fresh(c) {
		return "", Replayed
	}
	return c.username, OK
}

// find returns the credentials for our realm.
func (s *Server) find(authorizations []string) (credentials, bool) {
	for _, header := range authorizations {
		if c, err := parseCredentials(header); err == nil && c.realm == s.cfg.Realm {
			return c, true
		}
	}
	return credentials{}, false
}

// proves compares the response with the one that the password gives. Users that do not exist have a password nobody knows: the
// steps are the same. qop must be auth: without it there is no count, and a copy of the message would be as good as the message.
func (s *Server) proves(c credentials, method string) bool {
	password, exists := s.cfg.Password(c.username)
	if !exists || password == "" {
		password, exists = s.dummy, false
	}
	a, known := algorithmNamed(c.algorithm)
	if !known {
		a = algorithms[0]
	}
	want := a.response(c, password, method)
	same := subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(c.response))) == 1
	return same && exists && known && c.qop == "auth" && c.cnonce != "" && len(c.nc) == 8
}

// fresh says whether the nonce count is higher than all before (RFC 7616, section 3.4) and remembers it.
func (s *Server) fresh(c credentials) bool {
	nc, err := strconv.ParseUint(c.nc, 16, 64)
	if err != nil || nc == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.counts.Get(c.nonce); ok && nc <= last {
		return false
	}
	s.counts.Put(c.nonce, nc)
	return true
}

// throttled says whether who has failed too often. Guessing one user from many sources stops too, but only for sources that have
// never given the right password: the real one is not locked out by others.
func (s *Server) throttled(who sourceUser, now time.Time) bool {
	if s.perUser.Empty(who, now) || s.perSource.Empty(who.source, now) {
		return true
	}
	if !s.unproven.Empty(who.user, now) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.proven.Get(who)
	return !known
}

func (s *Server) failed(who sourceUser, now time.Time) {
	s.perUser.Take(who, now)
	s.perSource.Take(who.source, now)
	s.unproven.Take(who.user, now)
}

func (s *Server) succeeded(who sourceUser) {
	s.perUser.Forget(who)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proven.Put(who, struct{}{})
}

// block returns what counts as one source: a network gives an IPv6 customer a whole /64.
func block(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// nonce is time, random and a signature over both and the source.
func (s *Server) nonce(source netip.Addr) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(s.cfg.Now().UnixMilli()))
	rand.Read(b[8:])
	text := base64.RawURLEncoding.EncodeToString(b[:])
	return text + "." + s.sign(text+source.String())
}

func (s *Server) nonceTime(nonce string, source netip.Addr) (time.Time, bool) {
	text, sig, ok := strings.Cut(nonce, ".")
	if !ok || len(nonce) > 128 || !hmac.Equal([]byte(sig), []byte(s.sign(text+source.String()))) {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))), true
}

func (s *Server) sign(text string) string {
	h := hmac.New(sha256.New, s.key[:])
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

var outcomeOrder = [...]Outcome{OK, Missing, Bad, Stale, Replayed, Throttled}

func (s *Server) count(o Outcome) {
	for i, known := range outcomeOrder {
		if known == o {
			s.outcomes[i].Add(1)
		}
	}
}

// Stats returns how often each outcome came out.
func (s *Server) Stats() map[Outcome]uint64 {
	out := map[Outcome]uint64{}
	for i, o := range outcomeOrder {
		out[o] = s.outcomes[i].Load()
	}
	return out
}
