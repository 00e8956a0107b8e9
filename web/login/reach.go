package login

import "slices"

// Reach is how much of others' tickets and calls somebody sees.
type Reach string

// The reaches, each with what the one before has.
const (
	ReachOwn   Reach = "own"   // what they own, took part in, or were named in
	ReachQueue Reach = "queue" // the queues they are members of, and what is in no queue and nobody's
	ReachTeam  Reach = "team"  // what the people of the teams they watch over do, and the queues that those serve
	ReachAll   Reach = "all"
)

// Reaches lists all, the narrowest first.
var Reaches = []Reach{ReachOwn, ReachQueue, ReachTeam, ReachAll}

// usual is the reach of a role when an account says nothing.
var usual = map[Role]Reach{Agent: ReachQueue, Supervisor: ReachTeam, Engineer: ReachQueue, Admin: ReachAll}

// Reach is how much an account sees: what was set, or what its role says. An admin sees everything.
func (a Account) Reach() Reach {
	if a.Scope == "" || a.Role == Admin {
		return usual[a.Role]
	}
	return a.Scope
}

func validateReach(r Reach) error {
	if r != "" && !slices.Contains(Reaches, r) {
		return invalid("scope", "account.scope", "there is no scope %q: use own, queue, team, all, or leave it to the role", r)
	}
	return nil
}
