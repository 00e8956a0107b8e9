package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"

	"hotline"
	"hotline/ivr/demo"
	"hotline/postgres"
)

const demoAuthor = "demo"

// SeedDemo makes the demonstration: a trunk that trusts loopback, the numbers 4000 and 4001, their flows, prompts, opening hours and
// queues. It does so once in the life of a database: what was changed or deleted since stays so.
func SeedDemo(ctx context.Context, s *Store) error {
	var seeded bool
	if err := s.pool.QueryRow(ctx, "select exists (select from seeded where name = 'demo')").Scan(&seeded); err != nil || seeded {
		return err
	}
	for _, step := range []func(context.Context, fs.FS) error{s.seedRows, s.seedPrompts, s.seedHours, s.seedFlows, s.seedNumbers} {
		if err := step(ctx, demo.Files()); err != nil {
			return fmt.Errorf("seed the demo: %w", err)
		}
	}
	_, err := s.pool.Exec(ctx, "insert into seeded (name, at) values ('demo', now()) on conflict do nothing")
	return err
}

// demoRows reads one list of a file of the demonstration.
func demoRows[T any](files fs.FS, list string) ([]T, error) {
	raw, err := fs.ReadFile(files, list+".yaml")
	if err != nil {
		return nil, err
	}
	var loose map[string]any
	if err := yaml.Unmarshal(raw, &loose); err != nil {
		return nil, err
	}
	strict, err := json.Marshal(loose[list])
	if err != nil {
		return nil, err
	}
	var out []T
	return out, json.Unmarshal(strict, &out)
}

type demoQueue struct {
	Name     string          `json:"name"`
	Title    json.RawMessage `json:"title"`
	Settings json.RawMessage `json:"settings"`
}

type demoTrunk struct {
	Name     string          `json:"name"`
	Settings json.RawMessage `json:"settings"`
}

type demoNumber struct {
	Number, Title, Flow, Queue, Language string
}

// seedRows writes queues and the trunk: rows that stand by themselves.
func (s *Store) seedRows(ctx context.Context, files fs.FS) error {
	queues, err := demoRows[demoQueue](files, "queues")
	if err != nil {
		return err
	}
	trunks, err := demoRows[demoTrunk](files, "trunks")
	if err != nil {
		return err
	}
	return postgres.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, q := range queues {
			if _, err := tx.Exec(ctx, "insert into queue (name, title, settings) values ($1, $2, $3) on conflict do nothing", q.Name, q.Title, q.Settings); err != nil {
				return err
			}
		}
		for _, t := range trunks {
			if _, err := tx.Exec(ctx, "insert into trunk (id, name, settings) values ($1, $2, $3) on conflict do nothing", hotline.NewID(), t.Name, t.Settings); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) seedPrompts(ctx context.Context, files fs.FS) error {
	prompts, err := demoRows[PromptRow](files, "prompts")
	if err != nil {
		return err
	}
	for _, p := range prompts {
		if _, err := s.PutPrompt(ctx, demoAuthor, p); err != nil && hotline.KindOf(err) != hotline.Conflict {
			return err
		}
	}
	return nil
}

func (s *Store) seedHours(ctx context.Context, files fs.FS) error {
	tables, err := demoRows[HoursRow](files, "hours")
	if err != nil {
		return err
	}
	for _, h := range tables {
		if _, err := s.PutHours(ctx, h); err != nil && hotline.KindOf(err) != hotline.Conflict {
			return err
		}
	}
	return nil
}

func (s *Store) seedFlows(ctx context.Context, files fs.FS) error {
	names, err := fs.Glob(files, "flows/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range names {
		source, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		never := int64(0)
		_, err = s.SaveDraft(ctx, demoAuthor, name, string(source), &never)
		if hotline.KindOf(err) == hotline.Conflict {
			continue // published already
		}
		if err == nil {
			_, err = s.Publish(ctx, demoAuthor, name, "Demonstration")
		}
		if err != nil {
			return errors.Join(fmt.Errorf("flow %s", name), err)
		}
	}
	return nil
}

func (s *Store) seedNumbers(ctx context.Context, files fs.FS) error {
	numbers, err := demoRows[demoNumber](files, "numbers")
	if err != nil {
		return err
	}
	return postgres.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		for _, n := range numbers {
			_, err := tx.Exec(ctx, `insert into number (number, title, flow, queue, language) values ($1, $2, $3, $4, $5) on conflict do nothing`,
				n.Number, n.Title, n.Flow, n.Queue, n.Language)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
