// Package rate limits how often strangers are listened to, in memory that does not grow with their number.
//
// It owns a table of the most recently seen keys ([Table]) and token buckets kept in one ([Limiter]). It knows nothing of SIP.
package rate

import (
	"container/list"
	"sync"
	"time"
)

// Table holds at most a fixed number of values; the one that was not used for the longest time makes room.
// It is not safe for concurrent use: its owner has a lock already.
type Table[K comparable, V any] struct {
	most  int
	order *list.List // front: used last
	at    map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// NewTable returns an empty table for at most most values.
func NewTable[K comparable, V any](most int) *Table[K, V] {
	return &Table[K, V]{most: most, order: list.New(), at: map[K]*list.Element{}}
}

// Get returns the value of k and marks it as used.
func (t *Table[K, V]) Get(k K) (v V, ok bool) {
	e, ok := t.at[k]
	if !ok {
		return v, false
	}
	t.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put sets the value of k and returns the value that had to go, if one had to.
func (t *Table[K, V]) Put(k K, v V) (gone V, evicted bool) {
	if e, ok := t.at[k]; ok {
		e.Value.(*entry[K, V]).value = v
		t.order.MoveToFront(e)
		return gone, false
	}
	t.at[k] = t.order.PushFront(&entry[K, V]{k, v})
	if t.order.Len() <= t.most {
		return gone, false
	}
	last := t.order.Back()
	old := t.order.Remove(last).(*entry[K, V])
	delete(t.at, old.key)
	return old.value, true
}

// Delete forgets k.
func (t *Table[K, V]) Delete(k K) {
	if e, ok := t.at[k]; ok {
		t.order.Remove(e)
		delete(t.at, k)
	}
}

// Len returns how many values there are.
func (t *Table[K, V]) Len() int { return t.order.Len() }

// Bucket is a token bucket: it fills with a rate and holds a burst.
type Bucket struct {
	tokens float64
	at     time.Time
}

// Take takes a token if there is one. A new bucket is full.
func (b *Bucket) Take(now time.Time, perSecond, burst float64) bool {
	b.fill(now, perSecond, burst)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Empty says whether there is no token, without taking one.
func (b *Bucket) Empty(now time.Time, perSecond, burst float64) bool {
	b.fill(now, perSecond, burst)
	return b.tokens < 1
}

func (b *Bucket) fill(now time.Time, perSecond, burst float64) {
	if b.at.IsZero() {
		b.tokens, b.at = burst, now
		return
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(burst, b.tokens+d.Seconds()*perSecond)
		b.at = now
	}
}

// Limiter gives each key a bucket of its own.
type Limiter[K comparable] struct {
	perSecond, burst float64
	mu               sync.Mutex
	buckets          *Table[K, *Bucket]
}

// NewLimiter returns a limiter for at most most keys at a time. Who comes back after having been forgotten starts with a full
// bucket: most must be larger than what can come in the time that a bucket takes to fill.
func NewLimiter[K comparable](perSecond, burst float64, most int) *Limiter[K] {
	return &Limiter[K]{perSecond: perSecond, burst: burst, buckets: NewTable[K, *Bucket](most)}
}

// Take takes a token of k if there is one.
func (l *Limiter[K]) Take(k K, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(k).Take(now, l.perSecond, l.burst)
}

// Empty says whether k has no token left, without taking one.
func (l *Limiter[K]) Empty(k K, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Get(k)
	return ok && b.Empty(now, l.perSecond, l.burst)
}

// Forget fills the bucket of k.
func (l *Limiter[K]) Forget(k K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buckets.Delete(k)
}

// Len returns how many keys are remembered.
func (l *Limiter[K]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets.Len()
}

func (l *Limiter[K]) bucket(k K) *Bucket {
	b, ok := l.buckets.Get(k)
	if !ok {
		b = &Bucket{}
		l.buckets.Put(k, b)
	}
	return b
}
