package asterisk

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline"
)

// Drained says at whose wish a node takes no new calls, and since when: a row of table asterisk_drain.
type Drained struct {
	Account string // id, or "token:NAME"
	Name    string
	At      time.Time
}

// Drain lets a node take no new calls, which are refused with 503 so that who stands in front tries another, while those that are
// there go on. It holds until [Edge.Undrain], whatever is restarted meanwhile.
func (e *Edge) Drain(ctx context.Context, name string, by Drained) error {
	n := e.node(name)
	if n == nil {
		return noNode(name)
	}
	by.At = time.Now()
	if e.cfg.Pool != nil {
		if err := e.cfg.Pool.QueryRow(ctx, `insert into asterisk_drain (node, account, name) values ($1, $2, $3)
			on conflict (node) do update set account = excluded.account, name = excluded.name, drained_at = excluded.drained_at returning drained_at`,
			name, by.Account, by.Name).Scan(&by.At); err != nil {
			return fmt.Errorf("drain Asterisk %s: %w", name, err)
		}
	}
	n.drain(&by)
	return nil
}

// Undrain lets a node take calls again.
func (e *Edge) Undrain(ctx context.Context, name string) error {
	n := e.node(name)
	if n == nil {
		return noNode(name)
	}
	if e.cfg.Pool != nil {
		if _, err := e.cfg.Pool.Exec(ctx, `delete from asterisk_drain where node = $1`, name); err != nil {
			return fmt.Errorf("take Asterisk %s back: %w", name, err)
		}
	}
	n.drain(nil)
	return nil
}

func noNode(name string) error {
	return hotline.Errorf(hotline.NotFound, "asterisk.no_node", "there is no Asterisk %.80q", name)
}

// drain notes that the node is drained; nil: it is not.
func (n *node) drain(by *Drained) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drained = by
	n.log.Warn("an Asterisk is drained, or taken back", "event", "audit", "draining", by != nil)
}

// recall reads which nodes are drained.
func (e *Edge) recall(ctx context.Context) error {
	if e.cfg.Pool == nil {
		return nil
	}
	rows, err := e.cfg.Pool.Query(ctx, `select node, account, name, drained_at from asterisk_drain`)
	if err != nil {
		return err
	}
	var name string
	var by Drained
	_, err = pgx.ForEachRow(rows, []any{&name, &by.Account, &by.Name, &by.At}, func() error {
		if n := e.node(name); n != nil {
			was := by
			n.drain(&was)
		}
		return nil
	})
	return err
}
