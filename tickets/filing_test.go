package tickets

import (
	"context"
	"testing"
	"time"

	"hotline"
	"hotline/call"
)

// BenchmarkFiling files whole calls, eight facts each, from many callers; its calls/s is what the journal and the desk sustain
// together. The bar is 500.
func BenchmarkFiling(b *testing.B) {
	o := open(b, Config{})
	b.ResetTimer()
	for i := range b.N {
		id := o.rings(aPhone(i%5000), "")
		o.file(id, call.FactCallAnswered, call.CallAnswered{LegID: hotline.NewID()})
		o.file(id, call.FactCallPhase, call.CallPhase{Phase: call.PhaseMenu})
		o.file(id, call.FactCallStep, call.CallStep{Node: "menu", Kind: "menu", Digits: "1"})
		o.file(id, call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "support"})
		now := time.Now().UTC()
		o.file(id, call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentQueue, Queue: "support", StartedAt: now, EndedAt: now, Reason: "abandoned"})
		o.file(id, call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Queue: "support", Phase: call.PhaseQueued, At: now})
		o.file(id, call.FactLegEnded, call.LegEnded{LegID: hotline.NewID(), EndedAt: now})
	}
	if err := o.journal.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.StopTimer()
	o.settled()
}
