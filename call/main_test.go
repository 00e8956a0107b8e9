package call

import (
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

// notes is a Filer that remembers.
type notes struct {
	mu    sync.Mutex
	facts []Fact
}

func (n *notes) File(callID string, kind FactKind, payload any) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.facts = append(n.facts, Fact{CallID: callID, Kind: kind, At: time.Now(), Data: data})
	return nil
}

func (n *notes) all() []Fact {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.facts)
}

// payloads returns what was filed of one kind.
func payloads[P any](t *testing.T, facts []Fact, kind FactKind) []P {
	t.Helper()
	var list []P
	for _, f := range facts {
		if f.Kind != kind {
			continue
		}
		var p P
		if err := f.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func quietLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

func testInfo() Info {
	return Info{
		LegID: newID(), CallID: newID(), Direction: Inbound, Edge: "test", ForeignID: "abc@peer", TrunkName: "demo",
		Caller: Party{Number: "+8613800138000", Display: "Wang Fang", URI: "sip:+8613800138000@127.0.0.1"}, Dialled: "4000",
		Flow: "main", Queue: "support", Language: "zh-CN", Remote: "127.0.0.1:5090", ReceivedAt: time.Now(),
	}
}
