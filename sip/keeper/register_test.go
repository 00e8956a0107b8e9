package keeper

import (
	"fmt"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	for n, most := 1, 2*time.Second; n < 20; n, most = n+1, min(2*most, maxRetry) {
		if d := retryAfter(n, nil); d < most/2 || d > most {
			t.Errorf("after %d failures %v, want %v to %v", n, d, most/2, most)
		}
	}
	err := fmt.Errorf("wrapped: %w", &registerError{status: 503, after: 10 * time.Minute})
	if d := retryAfter(1, err); d != 10*time.Minute {
		t.Errorf("Retry-After of 10 minutes gives %v", d)
	}
	if d := retryAfter(1, &registerError{status: 503, after: 100 * time.Hour}); d > time.Hour {
		t.Errorf("Retry-After of 100 hours gives %v", d)
	}
	for _, granted := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
		if d := refreshAfter(granted); d < time.Second || granted > 2*time.Second && d >= granted {
			t.Errorf("granted %v, refreshed after %v", granted, d)
		}
	}
}
