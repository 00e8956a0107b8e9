package rows

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
	"hotline/call"
	"hotline/postgres"
	"hotline/postgres/pgtest"
)

// lifeOf is what is filed of a call that waits in a queue and is abandoned.
func lifeOf(t *testing.T, id, leg string) []call.Fact {
	at := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	var facts []call.Fact
	add := func(kind call.FactKind, payload any) {
		data, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, call.Fact{ID: hotline.NewID(), CallID: id, Kind: kind, At: at.Add(time.Duration(len(facts)) * time.Second), Data: data})
	}
	add(call.FactCallStarted, call.CallStarted{Node: "n", Info: call.Info{LegID: leg, CallID: id, Direction: call.Inbound, Edge: "sip", Dialled: "4000", Flow: "f", Queue: "q", Language: "en", ReceivedAt: at}})
	add(call.FactCallAnswered, call.CallAnswered{LegID: leg})
	add(call.FactCallPhase, call.CallPhase{Phase: call.PhaseMenu})
	add(call.FactCallStep, call.CallStep{Node: "a", Kind: "menu", Digits: "1"})
	add(call.FactCallNoted, call.CallNoted{Language: "zh-CN", FlowVersion: 3})
	add(call.FactCallNoted, call.CallNoted{TrunkID: "00000000-0000-4000-8000-000000000002", TrunkName: "second"})
	add(call.FactCallPhase, call.CallPhase{Phase: call.PhaseQueued, Queue: "sales"})
	add(call.FactCallStep, call.CallStep{Node: "b", Kind: "queue"})
	add(call.FactSegment, call.Segment{ID: hotline.NewID(), Kind: call.SegmentQueue, Queue: "sales", StartedAt: at, EndedAt: at, Reason: "abandoned"})
	add(call.FactLegEnded, call.LegEnded{LegID: leg, Codec: "PCMU", EndedAt: at, Cause: call.CauseNormal})
	add(call.FactCallEnded, call.CallEnded{Result: call.ResultAbandoned, Cause: call.CauseNormal, At: at})
	add(call.FactCallPhase, call.CallPhase{Phase: call.PhaseMenu}) // too late: it has ended
	return facts
}

// TestRowsAreTheSameHoweverFactsAreBatched files the same life of a call in one transaction and in one for each fact.
func TestRowsAreTheSameHoweverFactsAreBatched(t *testing.T) {
	pool := pgtest.New(t)
	var rows [2]string
	for i, size := range []int{1, 100} {
		call, leg := hotline.NewID(), hotline.NewID()
		facts := lifeOf(t, call, leg)
		for from := 0; from < len(facts); from += size {
			err := postgres.Tx(t.Context(), pool, func(tx pgx.Tx) error {
				return applyRows(t.Context(), tx, facts[from:min(from+size, len(facts))])
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := pool.QueryRow(t.Context(), `
			select jsonb_build_object('call', to_jsonb(c) - 'id', 'legs', (select jsonb_agg(to_jsonb(l) - 'id' - 'call_id') from call_leg l where l.call_id = c.id),
				'segments', (select jsonb_agg(to_jsonb(s) - 'id' - 'call_id') from call_segment s where s.call_id = c.id))::text
			from call c where id = $1`, call).Scan(&rows[i])
		if err != nil {
			t.Fatal(err)
		}
	}
	if rows[0] != rows[1] {
		t.Errorf("one by one %s\ntogether   %s", rows[0], rows[1])
	}
	var got struct {
		Call struct {
			Phase, Queue, Language, Result string
			Path                           []map[string]any
			EndedAt                        *time.Time `json:"ended_at"`
			TrunkName                      string     `json:"trunk_name"`
		}
	}
	if err := json.Unmarshal([]byte(rows[1]), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Call; c.Phase != "ended" || c.Queue != "sales" || c.Language != "zh-CN" || c.Result != "abandoned" || len(c.Path) != 2 || c.EndedAt == nil || c.TrunkName != "second" {
		t.Errorf("the row is %+v", c)
	}
}
