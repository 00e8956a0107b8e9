package acd

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"hotline/call"
)

// newHeard returns what a journal has applied of some kinds so far, in order.
func newHeard(j *call.Journal, kinds ...call.FactKind) func() []call.Fact {
	var mu sync.Mutex
	var list []call.Fact
	for _, k := range kinds {
		j.On(k, func(_ context.Context, _ pgx.Tx, f call.Fact) error {
			mu.Lock()
			defer mu.Unlock()
			list = append(list, f)
			return nil
		})
	}
	return func() []call.Fact {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}
}
