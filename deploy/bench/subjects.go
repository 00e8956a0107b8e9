package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hotline/asterisk/config"
	"hotline/trunks"
)

// startSubjects starts the peer, and the product with an Asterisk, and returns them with what stops them.
func startSubjects(ctx context.Context, binary string) (subjects []*subject, done func(), err error) {
	var running []interface{ close() }
	done = func() {
		for _, one := range slices.Backward(running) {
			one.close()
		}
	}
	root, err := asteriskRoot(ctx)
	if err != nil {
		return nil, done, err
	}
	peer, err := startAsterisk(ctx, root, (*asterisk).asDialplan)
	if err != nil {
		return nil, done, err
	}
	running = append(running, peer)
	ari := freeAddr()
	products := []*product{} // one each: the memory of one must not be the other's
	for _, env := range [][]string{
		{"HOTLINE_RTP_PORTS=12000-21999", "HOTLINE_MAX_CALLS=4000", "HOTLINE_ASTERISK=bench=http://" + ari, "HOTLINE_ASTERISK_PASSWORD=" + benchPassword},
		{"HOTLINE_RTP_PORTS=22000-31999", "HOTLINE_MAX_CALLS=4000"},
	} {
		p, err := startProduct(ctx, binary, env...)
		if err != nil {
			return nil, done, err
		}
		running, products = append(running, p), append(products, p)
		if err := errors.Join(prepare(ctx, p), prepareLine(ctx, p)); err != nil {
			return nil, done, err
		}
	}
	p := products[0]
	edge, err := startEdge(ctx, root, p, ari)
	if err != nil {
		return nil, done, err
	}
	running = append(running, edge)
	subjects = []*subject{
		{asterisk: peer, rates: []int{500, 1000, 1250}, crowds: []int{200, 300, 400}},
		{name: "asterisk_edge", product: p, asterisk: edge, rates: []int{50, 100, 150}, crowds: []int{100, 150, 200}},
		{name: "native_edge", product: products[1], rates: []int{500, 1000, 1500}, crowds: []int{500, 1000, 1500}},
	}
	for _, s := range subjects {
		at := products[1].sip
		if s.asterisk != nil {
			at = s.asterisk.sip
		}
		if s.menu, err = generator(ctx, at, number); err != nil {
			return nil, done, err
		}
		if s.line, err = generator(ctx, at, lineNumber); err != nil {
			return nil, done, err
		}
	}
	return subjects, done, nil
}

// startEdge gives the product a trunk that an Asterisk carries, and starts that Asterisk with what the product renders for it.
func startEdge(ctx context.Context, root string, p *product, ari string) (*asterisk, error) {
	trunk := trunks.Trunk{Name: "bench", Enabled: true, Settings: trunks.TrunkSettings{Edge: trunks.EdgeAsterisk, MatchAddresses: []string{"127.0.0.0/8"}}}
	raw, err := p.api.do(ctx, "POST", "/api/v1/trunks", "", map[string]any{
		"name": trunk.Name, "enabled": true, "settings": map[string]any{"edge": trunk.Settings.Edge, "match_addresses": trunk.Settings.MatchAddresses},
	})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &trunk); err != nil {
		return nil, err
	}
	edge, err := startAsterisk(ctx, root, func(a *asterisk) error { return a.asEdge(trunk, netip.MustParseAddrPort(ari)) })
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for { // until the product has found it
		if out, err := edge.cli(limited, "ari show apps"); err == nil && strings.Contains(string(out), "hotline") {
			return edge, nil
		}
		wait(limited, 100*time.Millisecond)
		if limited.Err() != nil {
			edge.close()
			return nil, errors.New("the product did not find its Asterisk within a minute")
		}
	}
}

// asEdge writes what the product has its Asterisk read.
func (a *asterisk) asEdge(trunk trunks.Trunk, ari netip.AddrPort) error {
	files, err := config.Render([]trunks.Trunk{trunk}, nil, config.Options{
		Folders: config.Folders{Base: a.dir, Modules: a.modules},
		ARI:     config.ARI{Bind: ari, Password: benchPassword},
		SIP:     config.SIP{Bind: netip.MustParseAddrPort(a.sip)},
		RTP:     config.RTP{First: 8000, Last: 11999},
	})
	for _, f := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(a.dir, "etc", f.Name), []byte(f.Text), 0o600))
	}
	return err
}

// prepareLine gives the product a number whose callers wait in a queue that nobody serves.
func prepareLine(ctx context.Context, p *product) error {
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{"PUT", "/api/v1/queues/bench-line", map[string]any{"title": map[string]string{"en": "bench", "zh-CN": "bench"}}},
		{"PUT", "/api/v1/flows/bench-line/draft", map[string]any{"source": lineFlow}},
		{"POST", "/api/v1/flows/bench-line/publish", map[string]any{"comment": "bench"}},
		{"PUT", "/api/v1/numbers/" + lineNumber, map[string]any{"title": "bench line", "flow": "bench-line", "language": "en"}},
	} {
		if _, err := p.api.do(ctx, step.method, step.path, "", step.body); err != nil {
			return err
		}
	}
	return nil
}

// idle waits until no channel is left.
func (a *asterisk) idle(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		out, err := a.cli(limited, "core show channels count")
		if err != nil {
			return fmt.Errorf("channels of Asterisk: %w: %s", err, out)
		}
		if strings.HasPrefix(string(out), "0 active channels") {
			return nil
		}
		wait(limited, 20*time.Millisecond)
	}
}
