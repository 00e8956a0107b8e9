package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	leakCalls = 10000            // after so many calls by Asterisk nothing may be left
	leakRate  = 125              // calls a second of those that are still to be made
	leakTime  = 90 * time.Second // that may take no longer
	leakWait  = 45 * time.Second // what ends by itself has gone by then: transactions of SIP take 32 s
)

// held is what an Asterisk and the product on it hold.
type held struct {
	calls             int // that Asterisk has had since its start
	channels, bridges int
	goroutines        int // of the product
	files             int // of the product
	asteriskFiles     int
	swept             int // channels and bridges that the product has found without an owner
}

// holds counts.
func (s *subject) holds(ctx context.Context) (h held, err error) {
	channels, err := s.asterisk.cli(ctx, "core show channels count")
	if err != nil {
		return h, fmt.Errorf("channels of Asterisk: %w: %s", err, channels)
	}
	bridges, err := s.asterisk.cli(ctx, "bridge show all")
	if err != nil {
		return h, fmt.Errorf("bridges of Asterisk: %w: %s", err, bridges)
	}
	metrics, err := s.product.api.do(ctx, "GET", "/metrics", "", nil)
	if err != nil {
		return h, err
	}
	nodes, err := s.product.api.do(ctx, "GET", "/api/v1/asterisks", "", nil)
	if err != nil {
		return h, err
	}
	var list struct {
		Items []struct{ Counts struct{ Swept int } }
	}
	if err := json.Unmarshal(nodes, &list); err != nil {
		return h, err
	}
	for _, n := range list.Items {
		h.swept += n.Counts.Swept
	}
	h.channels, h.calls = before(channels, " active channel"), before(channels, " call processed")+before(channels, " calls processed")
	h.bridges = max(0, len(strings.Split(strings.TrimSpace(string(bridges)), "\n"))-1) // the first line is the head
	h.goroutines = after(metrics, "\ngo_goroutines ")
	h.files, h.asteriskFiles = filesOf(s.product.cmd.Process.Pid), filesOf(s.asterisk.cmd.Process.Pid)
	return h, nil
}

// before reads the number that stands before a word.
func before(text []byte, word string) int {
	head, _, found := bytes.Cut(text, []byte(word))
	fields := bytes.Fields(head)
	if !found || len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(fields[len(fields)-1]))
	return n
}

// after reads the number that stands behind a word.
func after(text []byte, word string) int {
	_, tail, _ := bytes.Cut(text, []byte(word))
	fields := bytes.Fields(tail)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseFloat(string(fields[0]), 64)
	return int(n)
}

func filesOf(pid int) int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list)
}

// warm notes what is held after the first calls: what is made once is no leak.
func (s *subject) warm(ctx context.Context) (err error) {
	if s.product == nil || s.asterisk == nil {
		return nil
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.held, err = s.holds(ctx)
	return err
}

// leak makes the calls up to ten thousand and looks what is left of them.
func (s *subject) leak(ctx context.Context, r *run) error {
	if s.product == nil || s.asterisk == nil {
		return nil
	}
	now, err := s.holds(ctx)
	if err != nil {
		return err
	}
	if missing := leakCalls - now.calls; missing > 0 {
		one := measureRush(ctx, s, s.menu, leakRate, min(leakTime, time.Duration(missing)*time.Second/leakRate+time.Second))
		one.report()
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, leakWait)
	defer cancel()
	for {
		if now, err = s.holds(ctx); err != nil {
			return err
		}
		if now.channels <= s.held.channels && now.bridges <= s.held.bridges && now.goroutines <= s.held.goroutines && now.files <= s.held.files || limited.Err() != nil {
			break
		}
		wait(limited, time.Second)
	}
	r.add("asterisk_leak_calls", float64(now.calls), "calls by Asterisk, after which is counted what is left")
	r.add("asterisk_leaked_channels", float64(now.channels-s.held.channels), "channels of Asterisk more than before")
	r.add("asterisk_leaked_bridges", float64(now.bridges-s.held.bridges), "bridges of Asterisk more than before")
	r.add("asterisk_leaked_files", float64(now.asteriskFiles-s.held.asteriskFiles), "files of Asterisk more than before")
	r.add("asterisk_edge_leaked_goroutines", float64(now.goroutines-s.held.goroutines), "goroutines of Hotline more than before")
	r.add("asterisk_edge_leaked_files", float64(now.files-s.held.files), "files of Hotline more than before")
	r.add("asterisk_edge_swept", float64(now.swept-s.held.swept), "channels and bridges without an owner that Hotline took away")
	if now.channels > s.held.channels || now.bridges > s.held.bridges {
		fmt.Fprintf(os.Stderr, "\nbench: LEAK: after %d calls Asterisk has %d channels and %d bridges more than before\n\n", now.calls, now.channels-s.held.channels, now.bridges-s.held.bridges)
		return errors.New("channels or bridges are left in Asterisk")
	}
	return nil
}
