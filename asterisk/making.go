package asterisk

import "time"

// making is how many calls of a node may be in the making at a time: from the channel to connected audio. How long that takes says what
// the machine can do, so more are let in while it is short, and at once fewer when it gets long: an Asterisk that has too much to do does
// not become a little slower but stands still.
type making struct {
	limit float64
	now   int
	cutAt time.Time
}

const (
	makingFirst = 60                     // before anything is known
	makingLeast = 16                     // a machine that stalled for a moment is not shut
	makingMost  = 1000                   // by then something else is the limit
	makingSlow  = 400 * time.Millisecond // it takes 10 ms where there is nothing else to do
)

func newMaking() making { return making{limit: makingFirst} }

// admits says whether one more may be made.
func (m *making) admits() bool { return float64(m.now) < m.limit }

// done is told how long one took. While the limit is in the way it grows by one for each round of calls that were quick.
func (m *making) done(took time.Duration, at time.Time) {
	switch {
	case took > makingSlow:
		if at.Sub(m.cutAt) > took { // those that were made together tell the same
			m.limit, m.cutAt = max(makingLeast, 0.7*m.limit), at
		}
	case m.limit < makingFirst || float64(m.now) > 0.75*m.limit:
		m.limit = min(makingMost, m.limit+1/m.limit)
	}
	m.now--
}
