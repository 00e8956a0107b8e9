package acd

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
)

const (
	mediaGrace   = time.Minute    // a ready agent without audio is taken out then
	maxPause     = 12 * time.Hour // for reasons that do not say; then the agent is sent home
	notThereFor  = 15 * time.Minute
	maxTalk      = 4 * time.Hour // looked at again then
	leaseSlack   = 5 * time.Second
	wrapGiven    = 30 * time.Second
	maxExtension = 10 * time.Minute
)

// Reasons of pauses that nobody asked for.
const (
	NoMedia = "no_media" // the browser's audio did not come up
	NoCode  = "no_code"  // after-call work was over and the code that must be given was not
)

// freeSQL sets an agent free: to what was asked for during the call, else ready. An agent whose tab has no audio is ready for a while.
const freeSQL = ` state = case when a.after_state = '' then 'ready' else a.after_state end, reason = a.after_reason, since = @now,
	deadline = case
		when a.after_state = 'not_ready' then @now::timestamptz + make_interval(secs => coalesce((select nullif(max_s, 0) from pause_reason where name = a.after_reason), 43200))
		when a.after_state = 'offline' or a.media then null
		else @now::timestamptz + interval '1 minute' end,
	after_state = '', after_reason = '', lease_call = null, lease_offer = null, lease_kind = '', lease_queue = '', wrap_code = '', wrap_note = '' `

// one returns the agent that a change wrote, or the error when there was none in the state for it.
func (a *Agents) one(ctx context.Context, c change) (Agent, error) {
	list, err := a.apply(ctx, c)
	if err != nil {
		return Agent{}, err
	}
	if len(list) == 0 {
		g, ok := a.Get(c.agents[0])
		if !ok {
			return Agent{}, unknownAgent(c.agents[0])
		}
		return g, hotline.Errorf(hotline.Conflict, "agent.state", "this cannot be done while the agent is %s", g.State)
	}
	return list[0], nil
}

func unknownAgent(id string) error {
	return hotline.Errorf(hotline.NotFound, "agent.unknown", "there is no agent %q; make the account an agent first", id)
}

// Arrive says that a tab of the agent has the softphone now; the one that had it before has it no more. An account of the role agent
// becomes an agent here. The error is of kind NotFound for an account that is no agent.
func (a *Agents) Arrive(ctx context.Context, agent, session string) (Agent, error) {
	now := time.Now()
	if _, err := a.find(ctx, agent); hotline.KindOf(err) == hotline.NotFound {
		if err := a.enlist(ctx, agent); err != nil {
			return Agent{}, err
		}
	} else if err != nil {
		return Agent{}, err
	}
	return a.one(ctx, change{
		agents: []string{agent},
		sql: `update agent a set session = @session, node = @node, media = false,
			deadline = case when a.state = 'ready' then @now::timestamptz + interval '1 minute' else a.deadline end
			where a.account_id = @agent returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "session": session, "now": now},
		guess: func(g *Agent) {
			g.Session, g.Node, g.Media = session, a.cfg.Node, false
			if g.State == Ready {
				g.set(Ready, "", g.Since, now.Add(mediaGrace).Sub(g.Since))
			}
		},
	})
}

func (a *Agents) enlist(ctx context.Context, agent string) error {
	if err := a.roster.Enlist(ctx, agent); err != nil {
		return err
	}
	_, err := a.find(ctx, agent)
	return err
}

// find returns an agent from memory, or one that was made a moment ago from its row.
func (a *Agents) find(ctx context.Context, agent string) (Agent, error) {
	if g, ok := a.Get(agent); ok {
		return g, nil
	}
	var list []Agent
	var err error
	if _, ok := a.roster.Agent(agent); ok {
		list, err = a.read(ctx, []string{agent})
	}
	if err != nil {
		return Agent{}, hotline.Errorf(hotline.Unavailable, "agent.database", "the database is away; try again in a moment: %w", err)
	}
	if len(list) == 0 {
		return Agent{}, unknownAgent(agent)
	}
	a.take(list)
	return a.dress(list)[0], nil
}

// Leave says that the tab is gone. Nothing happens when another tab has the softphone meanwhile.
func (a *Agents) Leave(ctx context.Context, agent, session string) error {
	return a.unplug(ctx, agent, session, "", "left")
}

// Media says whether the audio of the tab is up. Nobody without audio is offered a call.
func (a *Agents) Media(ctx context.Context, agent, session string, live bool) error {
	if !live {
		return a.unplug(ctx, agent, session, session, "media")
	}
	_, err := a.apply(ctx, change{
		agents: []string{agent},
		sql: `update agent a set media = true, deadline = case when a.state = 'ready' then null else a.deadline end
			where a.account_id = @agent and a.session = @session and a.session <> '' returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "session": session},
		guess: func(g *Agent) {
			if g.Session == session {
				if g.Media = true; g.State == Ready {
					g.Deadline = nil
				}
			}
		},
	})
	return err
}

// unplug takes the audio of a tab away, and the tab itself when rest is "". An offer that it rings goes to somebody else.
func (a *Agents) unplug(ctx context.Context, agent, session, rest, why string) error {
	now := time.Now()
	list, err := a.apply(ctx, change{
		agents: []string{agent},
		sql: `update agent a set session = @rest, media = false,
			deadline = case when a.state = 'ready' then @now::timestamptz + interval '1 minute' else a.deadline end
			where a.account_id = @agent and a.session = @session and a.session <> '' returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "session": session, "rest": rest, "now": now},
		guess: func(g *Agent) {
			if g.Session == session {
				if g.Session, g.Media = rest, false; g.State == Ready {
					g.set(Ready, "", g.Since, now.Add(mediaGrace).Sub(g.Since))
				}
			}
		},
	})
	if err != nil || len(list) == 0 {
		return err
	}
	for _, o := range a.Offers(agent) {
		a.drop(ctx, o.ID, outcome{why: GoneFailed, reason: why})
	}
	return nil
}

// Ready lets an agent take calls: from a pause, after-call work that needs no code, or after not responding. The error is of kind
// Conflict, agent.no_media, while the browser's audio is not up.
func (a *Agents) Ready(ctx context.Context, agent string) (Agent, error) {
	g, err := a.find(ctx, agent)
	switch {
	case err != nil:
		return g, err
	case g.State == Ready && g.Media:
		return g, nil
	case g.State == WrapUp:
		if err := a.WrapUp(ctx, agent, g.Lease.Call, "", ""); err != nil {
			return g, err
		}
		g, _ = a.Get(agent)
		return g, nil
	case g.busy():
		return a.After(ctx, agent, Ready, "")
	case !g.Media:
		return g, hotline.Errorf(hotline.Conflict, "agent.no_media", "the audio of the browser is not up yet; allow the microphone, then go ready")
	}
	return a.one(ctx, change{
		agents: []string{agent},
		sql: `update agent a set state = 'ready', reason = '', since = @now, deadline = null, misses = 0
			where a.account_id = @agent and a.state in ('offline', 'not_ready', 'not_responding') and a.media returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "now": time.Now()},
	})
}

// Pause takes an agent out, for a reason of the roster. In a call it is [Agents.After].
func (a *Agents) Pause(ctx context.Context, agent, reason string) (Agent, error) {
	return a.step(ctx, agent, NotReady, reason)
}

// Offline sends an agent home. In a call it is [Agents.After].
func (a *Agents) Offline(ctx context.Context, agent string) (Agent, error) {
	return a.step(ctx, agent, Offline, "")
}

func (a *Agents) step(ctx context.Context, agent string, s State, reason string) (Agent, error) {
	limit, err := a.pauseFor(s, reason)
	if err != nil {
		return Agent{}, err
	}
	now := time.Now()
	g, err := a.one(ctx, change{
		agents: []string{agent},
		sql: `update agent a set state = @state, reason = @reason, since = @now, deadline = @deadline, misses = 0
			where a.account_id = @agent and a.state in ('offline', 'ready', 'not_ready', 'not_responding') returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "state": s, "reason": reason, "now": now, "deadline": deadline(now, limit)},
	})
	if hotline.KindOf(err) == hotline.Conflict && g.busy() {
		return a.After(ctx, agent, s, reason)
	}
	return g, err
}

// pauseFor returns how long a pause may last; 0 for states without end.
func (a *Agents) pauseFor(s State, reason string) (time.Duration, error) {
	if s != NotReady {
		return 0, nil
	}
	p, ok := a.roster.Reason(reason)
	if !ok && (reason != "" || len(a.roster.Reasons()) > 0) {
		return 0, &hotline.Error{Kind: hotline.Invalid, Code: "agent.reason", Field: "reason", Message: "there is no such reason of a pause; give one from the list"}
	}
	if p.MaxS > 0 {
		return seconds(p.MaxS), nil
	}
	return maxPause, nil
}

func deadline(now time.Time, limit time.Duration) *time.Time {
	if limit <= 0 {
		return nil
	}
	t := now.Add(limit)
	return &t
}

// After asks for the state that follows the call and its after-call work: ready, not_ready with a reason, or offline.
func (a *Agents) After(ctx context.Context, agent string, s State, reason string) (Agent, error) {
	if !slices.Contains([]State{Ready, NotReady, Offline}, s) {
		return Agent{}, &hotline.Error{Kind: hotline.Invalid, Code: "agent.after", Field: "state", Message: "after a call an agent is ready, not_ready or offline"}
	}
	if _, err := a.pauseFor(s, reason); err != nil {
		return Agent{}, err
	}
	return a.wish(ctx, agent, s, reason)
}

// wish is [Agents.After] for any reason.
func (a *Agents) wish(ctx context.Context, agent string, s State, reason string) (Agent, error) {
	wish := string(s)
	if s == Ready {
		wish = "" // what comes anyhow
	}
	return a.one(ctx, change{
		agents: []string{agent},
		sql: `update agent a set after_state = @state, after_reason = @reason
			where a.account_id = @agent and a.state in ('reserved', 'ringing', 'talking', 'wrap_up') returning ` + agentColumns,
		args: pgx.NamedArgs{"agent": agent, "state": wish, "reason": reason},
	})
}
