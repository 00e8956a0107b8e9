package rows

import (
	"log/slog"
	"testing"
	"time"

	"hotline"
	"hotline/call"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func quietLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

func testInfo() call.Info {
	return call.Info{
		LegID: hotline.NewID(), CallID: hotline.NewID(), Direction: call.Inbound, Edge: "test", ForeignID: "abc@peer", TrunkName: "demo",
		Caller: call.Party{Number: "+8613800138000", Display: "Wang Fang", URI: "sip:+8613800138000@127.0.0.1"}, Dialled: "4000",
		Flow: "main", Queue: "support", Language: "zh-CN", Remote: "127.0.0.1:5090", ReceivedAt: time.Now(),
	}
}
