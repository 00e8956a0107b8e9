package login

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"hotline"
)

func oldHash(password string) string {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func TestParseHashRefuses(t *testing.T) {
	good := oldHash("x")
	if _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "$", "plain", "$argon2i$v=19$m=64,t=1,p=1$AA$AA", "$argon2id$v=18$m=64,t=1,p=1$AA$AA",
		"$argon2id$v=19$m=0,t=1,p=1$AA$AA", "$argon2id$v=19$m=99999999,t=1,p=1$AA$AA", "$argon2id$v=19$m=64,t=1,p=1$!$AA", "$argon2id$v=19$m=64,t=1,p=1$AA$", good + "$x"} {
		if _, err := parsePHC(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// Hashing is bounded: whoever has no slot waits, and gives up with its context; a crowd is told to come back.
func TestHashingIsBounded(t *testing.T) {
	for range cap(hashSlots) {
		hashSlots <- struct{}{}
	}
	defer func() {
		for range cap(hashSlots) {
			<-hashSlots
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := hashPassword(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a slot: %v", err)
	}
	hashWaiting.Add(hashQueue)
	defer hashWaiting.Add(-hashQueue)
	if _, err := hashPassword(t.Context(), "x"); hotline.KindOf(err) != hotline.Unavailable {
		t.Errorf("in a crowd: %v", err)
	}
}
