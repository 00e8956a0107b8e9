package ivr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/ivr/flow"
	"hotline/ivr/hours"
	"hotline/ivr/speech"
	"hotline/media"
	"hotline/postgres"
)

// snapshot is all that calls need of the configuration. It never changes (music is a cache); a call keeps the one it began with.
type snapshot struct {
	stamp string
	flows map[string]*program
	hours map[string]table
	own   map[string]ownPrompt          // by name/language
	said  map[speech.Text]*media.Prompt // every text that may be spoken
	music sync.Map                      // *media.Prompt → *media.Music
}

// program is a published flow.
type program struct {
	*flow.Flow
	version int64
}

type table struct {
	schedule hours.Schedule
	zone     *time.Location
}

// ownPrompt is a prompt of the organisation, with the version of its row.
type ownPrompt struct {
	version int64
	at      time.Time
	text    speech.Text // of a spoken one
	sound   *media.Prompt
}

const pollEvery = 5 * time.Second

// Run keeps what calls use the same as what is published, until ctx is done: at once by a notification, and within 5 s by looking.
func (x *Exchange) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := x.follow(ctx); err != nil && ctx.Err() == nil {
			x.log.Warn("flows are not refreshed: the database is away; calls go on with what is known", "error", err)
			select {
			case <-time.After(pollEvery):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// follow listens on one connection until it fails.
func (x *Exchange) follow(ctx context.Context) error {
	conn, err := x.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, err := conn.Exec(end, "unlisten "+channel); err != nil {
			conn.Conn().Close(end)
		}
	}()
	for {
		if err := x.Reload(ctx); err != nil {
			return err
		}
		wait, cancel := context.WithTimeout(ctx, pollEvery)
		_, err := conn.Conn().WaitForNotification(wait)
		timedOut := wait.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil && !timedOut {
			return err
		}
	}
}

// Reload takes over what is published now, if it differs from what is used.
func (x *Exchange) Reload(ctx context.Context) error {
	x.reload.Lock()
	defer x.reload.Unlock()
	old := x.live.Load()
	var stamp string
	err := x.pool.QueryRow(ctx, `select md5(concat(
		(select string_agg(concat(name, ':', published_version), ',' order by name) from flow), '|',
		(select string_agg(concat(name, ':', version, ':', updated_at), ',' order by name) from hours), '|',
		(select string_agg(concat(name, ':', language, ':', version, ':', updated_at), ',' order by name, language) from prompt)))`).Scan(&stamp)
	if err != nil {
		return err
	}
	if old != nil && old.stamp == stamp {
		return nil
	}
	next, err := x.read(ctx, stamp, old)
	if err != nil {
		return err
	}
	x.live.Store(next)
	x.log.Info("flows are live", "flows", len(next.flows), "prompts", len(next.own), "hours", len(next.hours))
	return nil
}

func (x *Exchange) read(ctx context.Context, stamp string, old *snapshot) (*snapshot, error) {
	s := &snapshot{stamp: stamp}
	err := pgx.BeginTxFunc(ctx, x.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var errs [3]error
		s.flows, errs[0] = x.readFlows(ctx, tx)
		s.hours, errs[1] = x.readHours(ctx, tx)
		s.own, errs[2] = x.readPrompts(ctx, tx, old)
		return errors.Join(errs[:]...)
	})
	if err != nil {
		return nil, err
	}
	texts := builtInTexts()
	for _, p := range s.flows {
		texts = append(texts, flowTexts(p.Flow)...)
	}
	for _, p := range s.own {
		if p.sound == nil {
			texts = append(texts, p.text)
		}
	}
	if s.said, err = x.voice.Prepare(ctx, texts); err != nil {
		return nil, fmt.Errorf("speak prompts: %w", err)
	}
	x.voice.Forget(texts) // calls that began before hold their own
	return s, nil
}

func (x *Exchange) readFlows(ctx context.Context, db postgres.DB) (map[string]*program, error) {
	rows, err := db.Query(ctx, "select v.flow, v.version, v.source from flow f join flow_version v on v.flow = f.name and v.version = f.published_version")
	if err != nil {
		return nil, err
	}
	type live struct {
		Flow    string
		Version int64
		Source  string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[live])
	if err != nil {
		return nil, err
	}
	out := map[string]*program{}
	for _, l := range list {
		f, problems := flow.Parse(l.Source)
		if len(problems) > 0 { // it was published by another version of Hotline
			x.log.Error("a published flow cannot be read and is not live", "flow", l.Flow, "version", l.Version, "problem", problems[0].String())
			continue
		}
		out[l.Flow] = &program{f, l.Version}
	}
	return out, nil
}

func (x *Exchange) readHours(ctx context.Context, db postgres.DB) (map[string]table, error) {
	rows, err := db.Query(ctx, hoursColumns)
	if err != nil {
		return nil, err
	}
	records, err := pgx.CollectRows(rows, pgx.RowToStructByName[hoursRecord])
	if err != nil {
		return nil, err
	}
	out := map[string]table{}
	for _, r := range records {
		var t table
		if err = json.Unmarshal(r.Schedule, &t.schedule); err == nil {
			t.zone, err = hours.Zone(r.Timezone)
		}
		if err != nil || len(t.schedule.Check()) > 0 {
			x.log.Error("opening hours cannot be read", "hours", r.Name, "error", err)
			continue
		}
		out[r.Name] = t
	}
	return out, nil
}

func (x *Exchange) readPrompts(ctx context.Context, db postgres.DB, old *snapshot) (map[string]ownPrompt, error) {
	rows, err := db.Query(ctx, promptColumns)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[PromptRow])
	if err != nil {
		return nil, err
	}
	out := map[string]ownPrompt{}
	for _, row := range list {
		key := row.Name + "/" + row.Language
		p := ownPrompt{version: row.Version, at: row.UpdatedAt, text: speech.Text{Language: row.Language, Words: row.Text}}
		if row.Kind == "audio" {
			if p.sound, err = x.readAudio(ctx, db, row, old); err != nil {
				return nil, err
			}
			if p.sound == nil {
				continue
			}
		}
		out[key] = p
	}
	return out, nil
}

// readAudio takes the sound of the snapshot before if the row is the same.
func (x *Exchange) readAudio(ctx context.Context, db postgres.DB, row PromptRow, old *snapshot) (*media.Prompt, error) {
	if old != nil {
		if p := old.own[row.Name+"/"+row.Language]; p.sound != nil && p.version == row.Version && p.at.Equal(row.UpdatedAt) {
			return p.sound, nil
		}
	}
	var wav []byte
	if err := db.QueryRow(ctx, "select audio from prompt where name = $1 and language = $2", row.Name, row.Language).Scan(&wav); err != nil {
		return nil, err
	}
	pcm, err := decodeAudio(wav)
	if err != nil {
		x.log.Error("a recorded prompt cannot be read", "prompt", row.Name, "language", row.Language, "error", err)
		return nil, nil
	}
	return media.NewPrompt(pcm), nil
}
