package trace

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"context"

	"hotline"
	"hotline/postgres"
	"hotline/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const invite = "INVITE sip:4000@us SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nAuthorization: Digest username=\"pbx\",\r\n nonce=\"secretnonce\",\r\n\tresponse=\"secretresponse\"\r\n" +
	"proxy-authorization : Digest response=\"secretproxy\"\r\nContent-Type: application/sdp\r\nContent-Length: 9\r\n\r\n" +
	"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0a2V5|2^20\r\na=sendrecv\r\n"

func TestRedact(t *testing.T) {
	for name, msg := range map[string]string{
		"CRLF": invite, "LF": strings.ReplaceAll(invite, "\r\n", "\n"),
		"digits": "INFO sip:x SIP/2.0\r\nc: application/dtmf-relay\r\n\r\nSignal=secret5\r\n",
	} {
		summary, body := redact([]byte(msg))
		if strings.Contains(body, "secret") || strings.Contains(body, "c2Vj") {
			t.Errorf("%s: kept\n%s", name, body)
		}
		if !strings.HasSuffix(summary, "SIP/2.0") || !strings.HasPrefix(body, summary) {
			t.Errorf("%s: summary %q of\n%s", name, summary, body)
		}
	}
	if _, body := redact([]byte(invite)); !strings.Contains(body, "a=sendrecv") || !strings.Contains(body, "Via: ") {
		t.Errorf("too much was removed:\n%s", body)
	}
	if _, body := redact([]byte("X\x00\xff" + strings.Repeat("a", 1<<20))); len(body) > longestTraced+16 || strings.ContainsRune(body, 0) {
		t.Errorf("%d bytes kept", len(body))
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(invite))
	f.Add([]byte("A\nAuthorization: secret\n more\n\nbody"))
	f.Fuzz(func(t *testing.T, b []byte) {
		summary, body := redact(b)
		if strings.ContainsRune(body+summary, 0) || strings.ToValidUTF8(body, "") != body {
			t.Fatalf("%q cannot be stored", body)
		}
		head, _, _ := cutHead(b)
		for i, line := range strings.Split(string(head), "\n") {
			name, value, ok := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			if i > 0 && ok && strings.EqualFold(strings.TrimSpace(name), "authorization") && len(value) > 20 && strings.Count(string(b), value) == 1 && strings.Contains(body, value) {
				t.Fatalf("%q was kept", value)
			}
		}
	})
}

// run runs tr until the test ends.
func run(t *testing.T, tr *Trace) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := tr.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
}

func TestMessagesInOrder(t *testing.T) {
	pool := pgtest.New(t)
	tr := New(Config{Pool: pool, BatchWait: time.Millisecond})
	run(t, tr)
	calls := []string{hotline.NewID(), hotline.NewID()}
	at := time.Now()
	const n = 1200 // more than a batch
	for i := range n {
		for _, c := range calls {
			// All at the same instant: the order is that of recording.
			tr.Record(c, Wire{At: at, Sent: i%2 == 1, Transport: "udp", Local: "192.0.2.9:5060", Remote: "192.0.2.1:5060", Data: fmt.Appendf(nil, "OPTIONS sip:%d SIP/2.0\r\n\r\n", i)})
		}
	}
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		got, err := tr.Messages(t.Context(), pool, c)
		if err != nil || len(got) != n {
			t.Fatalf("%d messages, %v; want %d", len(got), err, n)
		}
		for i, m := range got {
			if m.Seq != int64(i+1) || m.Sent != (i%2 == 1) || m.Summary != fmt.Sprintf("OPTIONS sip:%d SIP/2.0", i) || !m.At.Equal(at.Truncate(time.Microsecond)) {
				t.Fatalf("message %d is %+v", i, m)
			}
		}
	}
	if s := tr.Stats(); s.Lost != 0 || s.Written != 2*n || s.Waiting != 0 || s.Bytes != 0 {
		t.Errorf("stats %+v", s)
	}
	if got, err := tr.Messages(t.Context(), pool, hotline.NewID()); err != nil || len(got) != 0 {
		t.Errorf("of nobody: %v %v", got, err)
	}
}

func TestOneBadRowTakesNoOtherWithIt(t *testing.T) {
	pool := pgtest.New(t)
	tr := New(Config{Pool: pool})
	good := hotline.NewID()
	tr.Record(good, Wire{Data: []byte("A")})
	tr.Record("no uuid", Wire{Data: []byte("B")})
	tr.Record(good, Wire{Data: []byte("C")})
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := tr.Messages(t.Context(), pool, good); len(got) != 2 {
		t.Errorf("%d messages, want 2", len(got))
	}
	if s := tr.Stats(); s.Lost != 1 || s.Waiting != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tr := New(Config{MaxBytes: 1 << 20, PerCall: 100})
	call := hotline.NewID()
	for range 500 {
		tr.Record(call, Wire{Data: []byte("OPTIONS sip:x SIP/2.0")})
	}
	if s := tr.Stats(); s.Waiting != 101 || s.Lost != 399 {
		t.Errorf("of 500 messages of a call with a limit of 100: %+v", s)
	}
	for i := range 5000 {
		tr.Record(fmt.Sprint(i), Wire{Data: make([]byte, 4096)})
	}
	if s := tr.Stats(); s.Bytes > 1<<20 || s.Lost < 4000 {
		t.Errorf("%+v", s)
	}
	var none *Trace
	none.Record("x", Wire{})
	if none.Stats().Waiting != 0 {
		t.Error("a nil trace keeps nothing")
	}
}

func TestOldMessagesGo(t *testing.T) {
	pool := pgtest.New(t)
	tr := New(Config{Pool: pool, KeepDays: 7})
	call := hotline.NewID()
	tr.Record(call, Wire{At: time.Now().AddDate(0, 0, -8), Data: []byte("old")})
	tr.Record(call, Wire{At: time.Now().AddDate(0, 0, -6), Data: []byte("new")})
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.purge(t.Context())
	if got, _ := tr.Messages(t.Context(), pool, call); len(got) != 1 || got[0].Body != "new\r\n" {
		t.Errorf("left: %+v", got)
	}
}

// What was recorded while the database was away is there when it is back, in order and once.
func TestDatabaseAway(t *testing.T) {
	if os.Getenv("HOTLINE_TEST_DATABASE_URL") != "" {
		t.Skip("the given database is not ours to stop")
	}
	cfg := postgres.Config{DataDir: t.TempDir()}
	server, err := postgres.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Connect(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	tr := New(Config{Pool: pool, BatchWait: time.Millisecond})
	call := hotline.NewID()
	tr.Record(call, Wire{Data: []byte("1")})
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	for i := 2; i <= 50; i++ {
		tr.Record(call, Wire{Data: fmt.Append(nil, i)})
	}
	if err := tr.Flush(t.Context()); err == nil {
		t.Fatal("the database should be away")
	}
	if s := tr.Stats(); s.Waiting != 49 || s.Lost != 0 {
		t.Fatalf("%+v", s)
	}
	server, err = postgres.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := tr.Messages(t.Context(), pool, call)
	if err != nil || len(got) != 50 || got[49].Body != "50\r\n" {
		t.Fatalf("%d messages, %v", len(got), err)
	}
}
