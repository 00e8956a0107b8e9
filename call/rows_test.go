package call

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/postgres"
	"hotline/postgres/pgtest"
)

// lifeOf is what is filed of a call that waits in a queue and is abandoned.
func lifeOf(t *testing.T, call, leg string) []Fact {
	at := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	var facts []Fact
	add := func(kind FactKind, payload any) {
		data, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		facts = append(facts, Fact{ID: newID(), CallID: call, Kind: kind, At: at.Add(time.Duration(len(facts)) * time.Second), Data: data})
	}
	add(FactCallStarted, CallStarted{Node: "n", Info: Info{LegID: leg, CallID: call, Direction: Inbound, Edge: "sip", Dialled: "4000", Flow: "f", Queue: "q", Language: "en", ReceivedAt: at}})
	add(FactCallAnswered, CallAnswered{LegID: leg})
	add(FactCallPhase, CallPhase{Phase: PhaseMenu})
	add(FactCallStep, CallStep{Node: "a", Kind: "menu", Digits: "1"})
	add(FactCallNoted, CallNoted{Language: "zh-CN", FlowVersion: 3})
	add(FactCallNoted, CallNoted{TrunkID: "00000000-0000-4000-8000-000000000002", TrunkName: "second"})
	add(FactCallPhase, CallPhase{Phase: PhaseQueued, Queue: "sales"})
	add(FactCallStep, CallStep{Node: "b", Kind: "queue"})
	add(FactSegment, Segment{ID: newID(), Kind: SegmentQueue, Queue: "sales", StartedAt: at, EndedAt: at, Reason: "abandoned"})
	add(FactLegEnded, LegEnded{LegID: leg, Codec: "PCMU", EndedAt: at, Cause: CauseNormal})
	add(FactCallEnded, CallEnded{Result: ResultAbandoned, Cause: CauseNormal, At: at})
	add(FactCallPhase, CallPhase{Phase: PhaseMenu}) // too late: it has ended
	return facts
}

// TestRowsAreTheSameHoweverFactsAreBatched files the same life of a call in one transaction and in one for each fact.
func TestRowsAreTheSameHoweverFactsAreBatched(t *testing.T) {
	pool := pgtest.New(t)
	var rows [2]string
	for i, size := range []int{1, 100} {
		call, leg := newID(), newID()
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
