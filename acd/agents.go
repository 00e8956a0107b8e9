package acd

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"hotline/acd/roster"
	"hotline/call"
)

// AgentsConfig configures [Agents].
type AgentsConfig struct {
	Pool    *pgxpool.Pool
	Queues  *Queues
	Journal *call.Journal          // where segments and codes are filed; nil: nowhere
	Node    string                 // of this process, the same after a restart
	Live    func(call string) bool // whether a call is alive here; nil: leases are not compared
	Popper  Popper                 // shows offers to browsers; nil: nobody is rung
	Log     *slog.Logger
}

// Agents are those who take calls: their rows, with a copy in memory. SQL settles who has whom.
type Agents struct {
	cfg    AgentsConfig
	roster *roster.Roster
}

// OpenAgents reads the agents and frees those whom the process before left with calls that are dead. The journal must not run yet.
func OpenAgents(ctx context.Context, cfg AgentsConfig) (*Agents, error) {
	cfg.Log = cmp.Or(cfg.Log, slog.Default())
	r, err := roster.Open(ctx, cfg.Pool, cfg.Log)
	return &Agents{cfg: cfg, roster: r}, err
}

// Run keeps deadlines and leases until ctx is done.
func (a *Agents) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Roster is who the agents are: teams, skills, members of queues, reasons of pauses and codes.
func (a *Agents) Roster() *roster.Roster { return a.roster }

// Arrive says that a tab of the agent has the softphone now; the one that had it before has it no more. An account of the role agent
// becomes an agent here. The error is of kind NotFound for an account that is no agent.
func (a *Agents) Arrive(ctx context.Context, agent, session string) (Agent, error) {
	return Agent{}, nil
}

// Leave says that the tab is gone. Nothing happens when another tab has the softphone meanwhile.
func (a *Agents) Leave(ctx context.Context, agent, session string) error { return nil }

// Media says whether the audio of the tab is up. Nobody without audio is offered a call.
func (a *Agents) Media(ctx context.Context, agent, session string, live bool) error { return nil }

// Ready lets an agent take calls: from a pause, after-call work that needs no code, or after not responding.
func (a *Agents) Ready(ctx context.Context, agent string) (Agent, error) { return Agent{}, nil }

// Pause takes an agent out, for a reason of the roster. In a call it is [Agents.After].
func (a *Agents) Pause(ctx context.Context, agent, reason string) (Agent, error) {
	return Agent{}, nil
}

// Offline sends an agent home. In a call it is [Agents.After].
func (a *Agents) Offline(ctx context.Context, agent string) (Agent, error) { return Agent{}, nil }

// After asks for the state that follows the call and its after-call work: ready, not_ready with a reason, or offline.
func (a *Agents) After(ctx context.Context, agent string, s State, reason string) (Agent, error) {
	return Agent{}, nil
}

// Get returns an agent, from memory.
func (a *Agents) Get(agent string) (Agent, bool) { return Agent{}, false }

// List returns all agents, from memory, by name.
func (a *Agents) List() []Agent { return nil }

// Changes subscribes to agents: their ids, whenever a row has changed.
func (a *Agents) Changes() *Changes { return nil }
