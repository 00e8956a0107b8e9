package seed

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"hotline/tickets"
)

// first is the number of the first ticket that is made; below it there is room for tickets made by hand.
const first = 100_001

// person is a party with the tokens by which it is found, which are on every document about it.
type person struct {
	id, identity, name, phone string
	tokens                    []string
}

// seeder draws the rows. What belongs to a ticket or party is drawn from its index alone, so that chunks can be written in any order.
type seeder struct {
	count, entries int
	end            time.Time
	owners         []string
	people         []person
}

// at is when ticket i changed last: evenly over two years.
func (s *seeder) at(i int) time.Time {
	return s.end.Add(-time.Duration(float64(s.count-i) / float64(s.count) * float64(2*365*24*time.Hour))).Truncate(time.Millisecond)
}

// span returns the range of n things, spread evenly over the tickets, that belong to ticket i.
func (s *seeder) span(i, n int) (from, to int) {
	at := func(i int) int { return (i*n + s.count - 1) / s.count }
	return at(i), at(i + 1)
}

const (
	ticketDraw = iota + 1
	personDraw
)

func draw(kind, i int) *rand.Rand { return rand.New(rand.NewPCG(uint64(kind), uint64(i))) }

// id is a UUID of version 7 (RFC 9562, section 5.7), as the product's are: they come in the order of time.
func id(rnd *rand.Rand, at time.Time) string {
	v := uint64(at.UnixMilli())
	return fmt.Sprintf("%08x-%04x-7%03x-%04x-%012x", v>>16&0xffffffff, v&0xffff, rnd.IntN(1<<12), 0x8000|rnd.IntN(1<<14), rnd.Int64N(1<<48))
}

// person j has a number that nobody else has.
func (s *seeder) person(j int) person {
	rnd := draw(personDraw, j)
	at := s.at(j * s.count / len(s.people))
	p := person{id: id(rnd, at), identity: id(rnd, at), name: pick(rnd, surnames).text + pick(rnd, given).text,
		phone: fmt.Sprintf("+861%d%09d", 4+rnd.IntN(6), j*618_033_989%1_000_000_000)} // 13… is for those who call
	p.tokens = tickets.Tokens([]string{p.name}, []string{p.phone})
	return p
}

// drawPeople draws all of them, on every core: a number's tokens take the time of parsing it.
func (s *seeder) drawPeople(n int) {
	s.people = make([]person, n)
	var wg sync.WaitGroup
	cores := runtime.NumCPU()
	for c := range cores {
		wg.Go(func() {
			for j := c; j < n; j += cores {
				s.people[j] = s.person(j)
			}
		})
	}
	wg.Wait()
}

// page holds the rows of a chunk in the text format of COPY.
type page struct {
	party, identity, partyIdentity, ticket, interaction, link, event, doc bytes.Buffer
	tokens                                                                []string
}

// copyChunk writes tickets from up to to and what hangs on them.
func (s *seeder) copyChunk(ctx context.Context, conn *pgx.Conn, from, to int) error {
	var p page
	for i := from; i < to; i++ {
		a, b := s.span(i, len(s.people))
		for j := a; j < b; j++ {
			s.party(&p, j, i)
		}
		s.ticket(&p, i)
	}
	for _, t := range []struct {
		into string
		rows *bytes.Buffer
	}{
		{"party (id, name, created_at, updated_at)", &p.party},
		{"identity (id, kind, value)", &p.identity},
		{"party_identity (party_id, identity_id, level)", &p.partyIdentity},
		{"ticket (number, subject, state, queue, owner_id, party_id, identity_id, language, created_at, updated_at, resolved_at, last_seq)", &p.ticket},
		{"interaction (id, kind, direction, party_id, body, at)", &p.interaction},
		{"ticket_interaction (ticket, interaction_id)", &p.link},
		{"ticket_event (ticket, seq, kind, actor, interaction_id, at, hash)", &p.event},
		{"search_doc (kind, ref, ticket, at, tokens)", &p.doc},
	} {
		if _, err := conn.PgConn().CopyFrom(ctx, t.rows, "copy "+t.into+" from stdin"); err != nil {
			return fmt.Errorf("%s: %w", t.into, err)
		}
	}
	return nil
}

// row writes one row; what is written holds neither tabs nor backslashes nor line ends.
func row(b *bytes.Buffer, columns ...string) {
	for i, c := range columns {
		if i > 0 {
			b.WriteByte('\t')
		}
		b.WriteString(c)
	}
	b.WriteByte('\n')
}

const null = `\N`

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05.000Z") }

func (s *seeder) party(p *page, j, i int) {
	who, at := &s.people[j], stamp(s.at(i))
	row(&p.party, who.id, who.name, at, at)
	row(&p.identity, who.identity, "phone", who.phone)
	row(&p.partyIdentity, who.id, who.identity, "known")
	p.document("party", who.id, null, at, nil, who)
}

func (s *seeder) ticket(p *page, i int) {
	rnd := draw(ticketDraw, i)
	who, at, number := &s.people[i*7919%len(s.people)], s.at(i), strconv.Itoa(first+i)
	subject, language := []piece{pick(rnd, chinese)}, "zh-CN"
	if rnd.IntN(2) == 0 {
		subject, language = []piece{pick(rnd, english), pick(rnd, english)}, "en"
	}
	state, owner, resolved, moment := drawState(rnd), null, null, stamp(at)
	if rnd.IntN(10) < 7 {
		owner = s.owners[rnd.IntN(len(s.owners))]
	}
	if state == tickets.StateResolved || state == tickets.StateClosed {
		resolved = moment
	}
	from, to := s.span(i, s.entries)
	row(&p.ticket, number, join(subject), string(state), queues[rnd.IntN(len(queues))], owner, who.id, who.identity, language,
		stamp(at.Add(-time.Hour)), moment, resolved, strconv.Itoa(to-from))
	p.document("ticket", number, number, moment, subject, who)
	for n := range to - from {
		note, body := id(rnd, at), drawBody(rnd)
		row(&p.interaction, note, "note", "internal", who.id, join(body), moment)
		row(&p.link, number, note)
		row(&p.event, number, strconv.Itoa(n+1), "note", "system", note, moment, `\\x00`)
		p.document("note", note, number, moment, body, who)
	}
}

// document writes a search document of number, pieces of text, name and phone. Pieces are words apart, so that the tokens of the whole
// are those of its pieces; these are known, which is what makes millions of documents fast.
func (p *page) document(kind, ref, number, at string, pieces []piece, who *person) {
	p.tokens = append(p.tokens[:0], who.tokens...)
	if number != null {
		p.tokens = append(p.tokens, number)
	}
	for _, t := range pieces {
		p.tokens = append(p.tokens, t.tokens...)
	}
	slices.Sort(p.tokens)
	p.tokens = slices.Compact(p.tokens)
	row(&p.doc, kind, ref, number, at, "'"+strings.Join(p.tokens, "' '")+"'")
}
