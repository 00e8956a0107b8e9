package main

import (
	"context"
	"net/netip"

	"hotline/acd"
	"hotline/acd/board"
	"hotline/ivr"
	"hotline/ivr/lookup"
	"hotline/media/peer"
	"hotline/softphone"
)

// staff is what the people who take calls have: queues, the line before them, and the phones in their browsers. The order of its
// fields is the order in which its parts are made.
type staff struct {
	queues *acd.Queues
	agents *acd.Agents
	line   *acd.Line
	board  *board.Board
	hub    *peer.Hub
	phones *softphone.Gateway
}

// popper rings through phones that are made later: an offer comes when everything runs.
type popper struct{ *house }

func (p popper) Expect(o acd.Offer) { p.staff.phones.Expect(o) }

func (p popper) Offer(ctx context.Context, o acd.Offer) error { return p.staff.phones.Offer(ctx, o) }

func (p popper) Withdraw(offerID, agent string, why acd.Gone) {
	p.staff.phones.Withdraw(offerID, agent, why)
}

// callbacks dials customers through the exchange, which is made later.
type callbacks struct{ *house }

func (c callbacks) Callback(ctx context.Context, d acd.CallbackDial) error {
	return c.exchange.Callback(ctx, d)
}

// dialler makes the calls that agents ask for.
type dialler struct{ *house }

func (d dialler) Dial(ctx context.Context, o softphone.OutboundCall) (string, error) {
	return d.exchange.Dial(ctx, ivr.OutboundCall{Seat: o.Seat, Phone: o.Phone, Ticket: o.Ticket, Queue: o.Queue})
}

// openStaff makes agents and the line before the exchange that puts callers there. Agents read the journal, so it may not run yet.
func (h *house) openStaff(ctx context.Context, _ config, _ bool) (err error) {
	s := &h.staff
	if s.queues, err = acd.OpenQueues(ctx, h.pool, h.log); err != nil {
		return err
	}
	alive := func(id string) bool { _, ok := h.board.Call(id); return ok || h.resume.Undecided(id) }
	s.agents, err = acd.OpenAgents(ctx, acd.AgentsConfig{
		Pool: h.quick, Queues: s.queues, Journal: h.journal, Node: h.node, Live: alive, Popper: popper{h}, Log: h.log,
	})
	if err != nil {
		return err
	}
	s.line = acd.NewLine(acd.LineConfig{Queues: s.queues, Agents: s.agents, Caller: callbacks{h}, Pool: h.quick, Log: h.log})
	s.board = board.New(board.Config{Pool: h.pool, Queues: s.queues, Line: s.line, Agents: s.agents, Log: h.log})
	return nil
}

// openPhones makes what agents' browsers connect to.
func (h *house) openPhones(_ context.Context, c config, _ bool) (err error) {
	s := &h.staff
	hosts := c.WebRTC.Hosts
	if len(hosts) == 0 && c.ExternalAddr.IsValid() {
		hosts = []netip.Addr{c.ExternalAddr}
	}
	s.hub, err = peer.NewHub(peer.Config{Engine: h.engine, UDPAddr: c.WebRTC.Addr, TCPAddr: c.WebRTC.Addr, External: hosts, Log: h.log})
	if err != nil {
		return err
	}
	s.phones, err = softphone.New(softphone.Config{
		Agents: s.agents, Line: s.line, Queues: s.queues, Calls: h.board, Hub: s.hub, Desk: h.desk, Pops: h.desk, Board: s.board, Numbers: h.routes, Dialler: dialler{h},
		Hook:   lookup.New(c.LookupHosts).Post,
		PopURL: c.Pop.URL, PopHook: c.Pop.Hook, Log: h.log,
	})
	return err
}
