// Command bench measures the built product as its callers and agents meet it, beside a peer in the same run, and writes
// bench/results.json: a list of {name, value, unit, peer, ratio}, where ratio is ours ÷ peer.
//
//	go run ./deploy/bench -binary bin/hotline -out bench/results.json
//
// Everything runs on loopback and is bounded in calls and time. The peer for SIP messages is the floor of our SIP library: a bare
// server that answers 200 to INVITE and BYE, and does nothing else. The peer for whole calls is plain Asterisk, whose dialplan
// (deploy/bench/peer) has the same menu and the same queue; it takes turns with our Asterisk edge and our own. CPU is that of the
// processes (/proc/PID/stat), never the machine's: beside Asterisk our database's too, and with our Asterisk edge Asterisk's.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"
)

// result is one figure.
type result struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Peer  string   `json:"peer,omitempty"`
	Ratio *float64 `json:"ratio,omitempty"` // ours ÷ peer
}

// run collects the figures of one run.
type run struct {
	results []result
}

func (r *run) add(name string, value float64, unit string) {
	r.results = append(r.results, result{Name: name, Value: value, Unit: unit})
}

func (r *run) beside(name string, value float64, unit, peer string, peerValue float64) {
	ratio := value / peerValue
	r.results = append(r.results, result{Name: name, Value: value, Unit: unit, Peer: peer, Ratio: &ratio})
}

func main() {
	binary := flag.String("binary", "bin/hotline", "the product's `binary`")
	out := flag.String("out", "bench/results.json", "where the figures go")
	tickets := flag.Int("tickets", 1_000_000, "tickets for the list and search figures; 0 leaves them out")
	only := flag.String("only", "", "take only the figures whose `part` has this in its name: latency, agents at work, calls a second, calls with audio, calls to browsers, beside Asterisk, lists and search")
	peer := flag.String("peer", "", "be the peer: sipgo-floor, on this address (used by the bench itself)")
	site := flag.Bool("site", false, "be the site of browsers' calls (used by the bench itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute) // a busy machine needs more than the five that an idle one takes
	defer cancel()
	if *site {
		if err := serveSite(ctx); err != nil {
			fatal(err)
		}
		return
	}
	if *peer != "" {
		if err := servePeer(ctx, *peer); err != nil {
			fatal(err)
		}
		return
	}
	r := &run{}
	err := measureAll(ctx, r, *binary, *tickets, *only)
	if err := errors.Join(err, r.write(*out)); err != nil { // what was measured before a failure is kept
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// write prints the table and leaves the file.
func (r *run) write(path string) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tvalue\tunit\tpeer\tours ÷ peer")
	for _, f := range r.results {
		ratio := ""
		if f.Ratio != nil {
			ratio = fmt.Sprintf("%.2f", *f.Ratio)
		}
		fmt.Fprintf(table, "%s\t%.4g\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, f.Peer, ratio)
	}
	table.Flush()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r.results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}
