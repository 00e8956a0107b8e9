// Package seed fills a migrated database with many tickets, fast: by COPY, without the facts that would make them one by one.
//
// It serves measurements and nothing else: words, names and numbers are drawn so that there are common ones and rare ones, in Chinese
// and in English, and what it writes looks to every list and search like what the product writes. Histories are not chained: do not
// verify them. Start at [Seed].
package seed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"hotline"
	"hotline/tickets"
)

// first is the number of the first ticket that is made; below it there is room for tickets made by hand.
const first = 100_001

var (
	surnames = strings.Fields("王 李 张 刘 陈 杨 黄 赵 周 吴 徐 孙 马 朱 胡 郭 何 林 高 罗 郑 梁 谢 宋 唐 许 邓 冯 韩 曹 欧阳 诸葛 司马 上官")
	given    = strings.Fields("伟 芳 娜 秀英 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀兰 霞 平 刚 桂英 建国 志强 文静 雨桐 子轩 浩然 欣怡")
	topics   = strings.Fields("退款 发票 物流 账号 密码 安装 维修 保修 投诉 咨询 打印机 空调 合同 报价 交货 质量 升级 断网 漏水 预约")
	actions  = strings.Fields("申请 查询 修改 取消 催促 确认 反馈 更换 登记 核实")
	words    = strings.Fields("refund invoice delivery account password install repair warranty complaint question printer contract quote shipment quality upgrade outage leak appointment router modem screen battery cable remote licence invoice-copy address signature manager urgent tomorrow morning customer called back promised explained waiting parts ordered arrived")
	queues   = strings.Fields("support sales billing field")
	states   = []tickets.State{tickets.StateClosed, tickets.StateResolved, tickets.StatePending, tickets.StateOpen, tickets.StateNew}
	shares   = []int{70, 22, 4, 3, 1} // of a hundred
)

// Rare are words that only few documents hold: one in some fifty thousand. Measurements ask for them and for the common ones.
var Rare = []string{"zeppelin", "麒麟"}

// Seed adds tickets, one party each for every three of them, and entries: one note each, spread over the tickets.
func Seed(ctx context.Context, pool *pgxpool.Pool, count, entries int) error {
	s := &seeder{rnd: rand.New(rand.NewPCG(1, 2)), count: count, entries: entries, end: time.Now().UTC().Truncate(time.Millisecond)}
	for _, q := range queues {
		if _, err := pool.Exec(ctx, `insert into queue (name, title) values ($1, jsonb_build_object('en', $1::text, 'zh-CN', $1::text)) on conflict do nothing`, q); err != nil {
			return fmt.Errorf("seed queues: %w", err)
		}
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	defer conn.Release()
	defer conn.Conn().Close(context.WithoutCancel(ctx)) // its settings must not come back with another task
	for _, step := range []func(context.Context, *pgx.Conn) error{quick, s.accounts, s.parties, s.tickets, s.notes, s.documents, s.finish} {
		if err := step(ctx, conn.Conn()); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	return nil
}

// filled are the tables that get many rows.
const filled = `array['party', 'identity', 'party_identity', 'ticket', 'interaction', 'ticket_interaction', 'ticket_event', 'search_doc']`

// quick puts aside what makes COPY slow: foreign keys are not checked by this session (what is written refers to what was written), and
// indexes that no constraint needs are made afterwards.
func quick(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
		set session_replication_role = replica;
		create temp table seed_index as
			select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as def
			from pg_index i where i.indrelid::regclass::text = any(`+filled+`) and not exists (select from pg_constraint c where c.conindid = i.indexrelid);
		do $$ declare n text; begin for n in select name from seed_index loop execute 'drop index ' || n; end loop; end $$`)
	return err
}

// person is a party that was made.
type person struct {
	id, identity uuid
	name         string
	phone        string
}

// uuid is an id as COPY takes it.
type uuid = [16]byte

type seeder struct {
	rnd            *rand.Rand
	count, entries int
	end            time.Time
	owners         []uuid
	people         []person
	subjects       []string // of ticket first + i
	noteIDs        []uuid
}

func (s *seeder) uuid() (id uuid) {
	for i := range 2 {
		v := s.rnd.Uint64()
		for b := range 8 {
			id[8*i+b] = byte(v >> (8 * b))
		}
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func pickOf[T any](s *seeder, list []T) T { return list[s.rnd.IntN(len(list))] }

// at is when ticket i changed last: evenly over two years.
func (s *seeder) at(i int) time.Time {
	return s.end.Add(-time.Duration(float64(s.count-i) / float64(s.count) * float64(2*365*24*time.Hour))).Truncate(time.Millisecond)
}

func (s *seeder) accounts(ctx context.Context, conn *pgx.Conn) error {
	for i := range 20 {
		id := s.uuid()
		s.owners = append(s.owners, id)
		if _, err := conn.Exec(ctx, `insert into account (id, login, name, password_hash, role, disabled_at) values ($1, $2, $3, '', 'agent', null) on conflict (login) do nothing`,
			id, "seed-"+hotline.NewID(), fmt.Sprintf("Agent %02d", i)); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) parties(ctx context.Context, conn *pgx.Conn) error {
	n := max(1, s.count/3)
	for range n {
		s.people = append(s.people, person{id: s.uuid(), identity: s.uuid(), name: pickOf(s, surnames) + pickOf(s, given),
			phone: fmt.Sprintf("+861%d%09d", 3+s.rnd.IntN(7), s.rnd.IntN(1_000_000_000))})
	}
	seen := map[string]bool{}
	for i := range s.people {
		for seen[s.people[i].phone] {
			s.people[i].phone = fmt.Sprintf("+861%d%09d", 3+s.rnd.IntN(7), s.rnd.IntN(1_000_000_000))
		}
		seen[s.people[i].phone] = true
	}
	err := s.copy(ctx, conn, "party", []string{"id", "name", "created_at", "updated_at"}, n, func(i int) []any {
		return []any{s.people[i].id, s.people[i].name, s.at(i * s.count / n), s.at(i * s.count / n)}
	})
	if err != nil {
		return err
	}
	if err := s.copy(ctx, conn, "identity", []string{"id", "kind", "value"}, n, func(i int) []any {
		return []any{s.people[i].identity, "phone", s.people[i].phone}
	}); err != nil {
		return err
	}
	return s.copy(ctx, conn, "party_identity", []string{"party_id", "identity_id", "level"}, n, func(i int) []any {
		return []any{s.people[i].id, s.people[i].identity, "known"}
	})
}

func (s *seeder) copy(ctx context.Context, conn *pgx.Conn, table string, columns []string, n int, row func(i int) []any) error {
	_, err := conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) { return row(i), nil }))
	return err
}

// person of a ticket: drawn once, the same whenever it is asked.
func (s *seeder) person(i int) person { return s.people[(i*7919)%len(s.people)] }

func (s *seeder) state() tickets.State {
	r := s.rnd.IntN(100)
	for i, share := range shares {
		if r -= share; r < 0 {
			return states[i]
		}
	}
	return tickets.StateNew
}

func (s *seeder) tickets(ctx context.Context, conn *pgx.Conn) error {
	s.subjects = make([]string, s.count)
	columns := []string{"number", "subject", "state", "queue", "owner_id", "party_id", "identity_id", "language", "created_at", "updated_at", "resolved_at", "last_seq"}
	return s.copy(ctx, conn, "ticket", columns, s.count, func(i int) []any {
		p, at, state := s.person(i), s.at(i), s.state()
		subject, language := pickOf(s, topics)+pickOf(s, actions), "zh-CN"
		if s.rnd.IntN(2) == 0 {
			subject, language = pickOf(s, words)+" "+pickOf(s, words), "en"
		}
		s.subjects[i] = subject
		var owner *uuid
		if s.rnd.IntN(10) < 7 {
			o := pickOf(s, s.owners)
			owner = &o
		}
		var resolved *time.Time
		if state == tickets.StateResolved || state == tickets.StateClosed {
			resolved = &at
		}
		return []any{int64(first + i), subject, string(state), pickOf(s, queues), owner, p.id, p.identity, language, at.Add(-time.Hour), at, resolved, int64(1)}
	})
}

// body of note i.
func (s *seeder) body() string {
	var b strings.Builder
	for range 8 + s.rnd.IntN(16) {
		if s.rnd.IntN(2) == 0 {
			b.WriteString(pickOf(s, topics) + pickOf(s, actions) + "，")
		} else {
			b.WriteString(pickOf(s, words) + " ")
		}
	}
	if s.rnd.IntN(50_000) == 0 {
		b.WriteString(" " + pickOf(s, Rare))
	}
	return b.String()
}

func (s *seeder) ticketOf(i int) int { return i * s.count / s.entries }

func (s *seeder) notes(ctx context.Context, conn *pgx.Conn) error {
	s.noteIDs = make([]uuid, s.entries)
	bodies := rand.NewPCG(7, 7) // the documents draw the same once more
	kept := s.rnd
	s.rnd = rand.New(bodies)
	err := s.copy(ctx, conn, "interaction", []string{"id", "kind", "direction", "party_id", "body", "at"}, s.entries, func(i int) []any {
		s.noteIDs[i] = s.uuid()
		return []any{s.noteIDs[i], "note", "internal", s.person(s.ticketOf(i)).id, s.body(), s.at(s.ticketOf(i))}
	})
	s.rnd = kept
	if err != nil {
		return err
	}
	if err := s.copy(ctx, conn, "ticket_interaction", []string{"ticket", "interaction_id"}, s.entries, func(i int) []any {
		return []any{int64(first + s.ticketOf(i)), s.noteIDs[i]}
	}); err != nil {
		return err
	}
	seq, of := int64(0), -1
	return s.copy(ctx, conn, "ticket_event", []string{"ticket", "seq", "kind", "actor", "interaction_id", "at", "hash"}, s.entries, func(i int) []any {
		if t := s.ticketOf(i); t != of {
			seq, of = 0, t
		}
		seq++
		return []any{int64(first + of), seq, "note", "system", s.noteIDs[i], s.at(of), []byte{0}}
	})
}

// documents writes the search documents, oldest first, as they come in life.
func (s *seeder) documents(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `create temp table if not exists seed_doc (kind text, ref text, ticket bigint, at timestamptz, tokens text[])`); err != nil {
		return err
	}
	columns := []string{"kind", "ref", "ticket", "at", "tokens"}
	if err := s.copy(ctx, conn, "seed_doc", columns, s.count, func(i int) []any {
		p, number := s.person(i), int64(first+i)
		return []any{"ticket", fmt.Sprint(number), number, s.at(i), tickets.Tokens([]string{fmt.Sprint(number), s.subjects[i], p.name}, []string{p.phone})}
	}); err != nil {
		return err
	}
	s.rnd = rand.New(rand.NewPCG(7, 7))
	if err := s.copy(ctx, conn, "seed_doc", columns, s.entries, func(i int) []any {
		id, p, number := s.uuid(), s.person(s.ticketOf(i)), int64(first+s.ticketOf(i))
		return []any{"note", text(id), number, s.at(s.ticketOf(i)), tickets.Tokens([]string{fmt.Sprint(number), s.body(), p.name}, []string{p.phone})}
	}); err != nil {
		return err
	}
	if err := s.copy(ctx, conn, "seed_doc", columns, len(s.people), func(i int) []any {
		p := s.people[i]
		return []any{"party", text(p.id), nil, s.at(i * s.count / len(s.people)), tickets.Tokens([]string{p.name}, []string{p.phone})}
	}); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `insert into search_doc (kind, ref, ticket, at, tokens) select kind, ref, ticket, at, array_to_tsvector(tokens) from seed_doc order by at; drop table seed_doc`)
	return err
}

func text(id uuid) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (s *seeder) finish(ctx context.Context, conn *pgx.Conn) error {
	for _, sql := range []string{
		`set maintenance_work_mem = '512MB'`,
		`do $$ declare d text; begin for d in select def from seed_index loop execute d; end loop; end $$`,
		`drop table seed_index`,
		`reset maintenance_work_mem`,
		`reset session_replication_role`,
		`select setval('ticket_number_seq', (select max(number) from ticket))`,
		`vacuum (analyze) ticket`, `vacuum (analyze) search_doc`, `vacuum (analyze) interaction`, `vacuum (analyze) ticket_event`,
		`vacuum (analyze) ticket_interaction`, `vacuum (analyze) party`, `vacuum (analyze) identity`, `vacuum (analyze) party_identity`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}
