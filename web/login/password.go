package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"hotline"
)

// The cost of a hash (RFC 9106; the second choice of OWASP): about 0.2 s and 19 MB.
const (
	hashTime   = 2
	hashMemory = 19 * 1024 // KiB
	hashLanes  = 1
	hashLength = 32
	saltLength = 16

	// hashQueue is how many may wait for their turn; more are told to come back.
	hashQueue = 64
)

// Memory and processor are the process's, so the bound is as well: half of the cores at a time.
var (
	hashSlots   = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	hashWaiting atomic.Int64
)

var errHash = errors.New("not an argon2id hash")

// withSlot runs f when it is its turn.
func withSlot(ctx context.Context, f func()) error {
	if hashWaiting.Add(1) > hashQueue {
		hashWaiting.Add(-1)
		return hotline.Errorf(hotline.Unavailable, "login.busy", "too many people log in at this moment, try again in a few seconds")
	}
	defer hashWaiting.Add(-1)
	select {
	case hashSlots <- struct{}{}:
		defer func() { <-hashSlots }()
		f()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hashPassword returns the PHC string of a password.
func hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLength)
	rand.Read(salt)
	var key []byte
	err := withSlot(ctx, func() {
		key = argon2.IDKey([]byte(password), salt, hashTime, hashMemory, hashLanes, hashLength)
	})
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashLanes,
		b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

// phc is a parsed hash.
type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parsePHC(s string) (phc, error) {
	var h phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); err != nil {
		return h, errHash
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, errHash
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(h.key) == 0 {
		return h, errHash
	}
	if h.memory == 0 || h.memory > 1<<20 || h.time == 0 || h.time > 100 || h.lanes == 0 {
		return h, errHash
	}
	return h, nil
}

// nobody stands in for the hash of an account that does not exist, so that a wrong login takes as long as a wrong password.
var nobody = phc{memory: hashMemory, time: hashTime, lanes: hashLanes, salt: make([]byte, saltLength), key: make([]byte, hashLength)}

// checkPassword tells whether the password is the one that was hashed. An empty hash is that of nobody and never matches.
func checkPassword(ctx context.Context, password, hash string) (bool, error) {
	h := nobody
	if hash != "" {
		var err error
		if h, err = parsePHC(hash); err != nil {
			return false, err
		}
	}
	var same bool
	err := withSlot(ctx, func() {
		key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(len(h.key)))
		same = subtle.ConstantTimeCompare(key, h.key) == 1
	})
	return same && hash != "", err
}

// stale tells whether a hash was made with other costs than today's.
func stale(hash string) bool {
	h, err := parsePHC(hash)
	return err != nil || h.memory != hashMemory || h.time != hashTime || h.lanes != hashLanes
}

// Passwords may be long and of any characters; what is refused is what is guessed first.
const (
	minPassword = 10
	maxPassword = 256
)

var common = []string{"1234567890", "0123456789", "qwertyuiop", "password", "letmein", "iloveyou", "administrator", "welcome", "hotline", "1q2w3e4r5t", "qwerty123"}

// validatePassword says why a password will not do.
func validatePassword(password, login string) error {
	refuse := func(code, format string, args ...any) error {
		e := hotline.Errorf(hotline.Invalid, code, format, args...)
		e.Field = "password"
		return e
	}
	n := utf8.RuneCountInString(password)
	if n < minPassword || n > maxPassword {
		return refuse("password.length", "a password has %d to %d characters, this one has %d", minPassword, maxPassword, n)
	}
	lower := strings.ToLower(password)
	for _, c := range append(common, login) {
		if c != "" && strings.Contains(lower, c) && n-utf8.RuneCountInString(c) < 6 {
			return refuse("password.common", "this password is easy to guess: choose one that is not made of %q", c)
		}
	}
	distinct := map[rune]bool{}
	for _, r := range password {
		distinct[r] = true
	}
	if len(distinct) < 5 {
		return refuse("password.common", "this password is easy to guess: use at least 5 different characters")
	}
	return nil
}

// RandomPassword returns a password of 80 random bits that can be read aloud and typed.
func RandomPassword() string {
	const alphabet = "abcdefghjkmnpqrstuvwxyz23456789-" // 31 letters and digits; the 32nd is never used, see below
	b := make([]byte, 0, 19)
	buf := make([]byte, 1)
	for len(b) < 19 {
		if len(b)%5 == 4 {
			b = append(b, '-')
			continue
		}
		rand.Read(buf)
		if c := alphabet[buf[0]&31]; c != '-' {
			b = append(b, c)
		}
	}
	return string(b)
}
