package web

import (
	"context"

	"hotline"
	"hotline/acd"
	acdboard "hotline/acd/board"
	"hotline/softphone"
	"hotline/web/api"
)

// Board is what goes on right now, as the socket's event of that name says it.
type Board struct {
	At     api.Time     `json:"at"`
	Queues []BoardQueue `json:"queues"`
	Agents []BoardAgent `json:"agents"`
	Calls  []BoardCall  `json:"calls" doc:"in progress, the waiting ones too"`
}

// BoardQueue is a queue with its figures since the day began.
type BoardQueue struct {
	Name         string             `json:"name"`
	Title        map[string]string  `json:"title" doc:"by language: en, zh-CN"`
	Waiting      int                `json:"waiting" doc:"with somebody on the line"`
	Callbacks    int                `json:"callbacks" doc:"that wait in the line"`
	LongestSince api.Null[api.Time] `json:"longest_since" doc:"since when the one waits who waits longest"`
	Today        acdboard.Figures   `json:"today"`
	Agents       map[acd.State]int  `json:"agents" doc:"by state; those offline are left out"`
}

// BoardAgent is an agent with figures of today.
type BoardAgent struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Team      string             `json:"team"`
	State     acd.State          `json:"state"`
	Reason    string             `json:"reason"`
	Since     api.Time           `json:"since"`
	Deadline  api.Null[api.Time] `json:"deadline"`
	Queue     string             `json:"queue"`
	CallID    string             `json:"call_id"`
	Queues    []string           `json:"queues"`
	Calls     int                `json:"calls" doc:"answered today"`
	Occupancy api.Null[float64]  `json:"occupancy" doc:"handling / (handling + ready), today"`
}

// BoardCall is a call in progress.
type BoardCall struct {
	ID          string                      `json:"id"`
	Queue       string                      `json:"queue"`
	Direction   string                      `json:"direction"`
	Caller      softphone.BoardCaller       `json:"caller"`
	Agent       api.Null[Owner]             `json:"agent"`
	Number      string                      `json:"number" doc:"outside, with whom the caller talks; empty when that is nobody"`
	Phase       string                      `json:"phase"`
	StartedAt   api.Time                    `json:"started_at"`
	Since       api.Time                    `json:"since" doc:"of the phase"`
	Supervisors []softphone.BoardSupervisor `json:"supervisors"`
}

func (s *Server) showBoard(ctx context.Context, _ *api.Empty) (*api.Reply[Board], error) {
	if s.cfg.Phones == nil {
		return nil, hotline.Errorf(hotline.Unavailable, "board.none", "there is no board here")
	}
	v, err := s.cfg.Phones.Board(ctx, api.Of(ctx).Who.See)
	if err != nil {
		return nil, err
	}
	return api.Answer(Board{
		At: api.Time(v.At),
		Queues: api.Views(v.Queues, func(q acdboard.Queue) BoardQueue {
			return BoardQueue{q.Name, q.Title, q.Waiting, q.Callbacks, api.WhenPtr(q.LongestSince), q.Today, q.Agents}
		}),
		Agents: api.Views(v.Agents, func(a acdboard.Agent) BoardAgent {
			return BoardAgent{a.ID, a.Name, a.Team, a.State, a.Reason, api.Time(a.Since), api.WhenPtr(a.Deadline), a.Queue, a.CallID,
				api.Views(a.Queues, same), a.Calls, api.Pointed(a.Occupancy)}
		}),
		Calls: api.Views(v.Calls, boardCall),
	}, nil)
}

func boardCall(c softphone.BoardCall) BoardCall {
	v := BoardCall{ID: c.ID, Queue: c.Queue, Direction: c.Direction, Caller: c.Caller, Number: c.Number, Phase: c.Phase, StartedAt: api.Time(c.StartedAt), Since: api.Time(c.Since),
		Supervisors: api.Views(c.Supervisors, same)}
	if c.Agent != nil {
		v.Agent = api.Some(Owner{ID: c.Agent.ID, Name: c.Agent.Name})
	}
	return v
}
