package web

import (
	"context"

	"hotline"
	"hotline/acd"
	"hotline/web/api"
)

// Queue is a line in which callers wait.
type Queue struct {
	Name     string            `json:"name"`
	Title    map[string]string `json:"title" doc:"by language: en, zh-CN"`
	Settings acd.Settings      `json:"settings"`
	Version  int64             `json:"version"`
	Waiting  int               `json:"waiting" doc:"callers who wait on this node"`
}

func (s *Server) queueView(q acd.Queue) Queue {
	if q.Title == nil {
		q.Title = map[string]string{}
	}
	if q.Settings.ExitKeys == nil {
		q.Settings.ExitKeys = map[string]acd.Action{}
	}
	if q.Settings.Offering.Skills == nil {
		q.Settings.Offering.Skills = acd.Skills{}
	}
	return Queue{q.Name, q.Title, q.Settings, q.Version, s.cfg.Line.Count(q.Name)}
}

func (s *Server) listQueues(ctx context.Context, _ *api.Empty) (*api.Reply[api.Page[Queue]], error) {
	all, err := s.cfg.Queues.List(ctx)
	return api.Answer(api.PageOf(all, "", s.queueView), err)
}

// QueuePath names the queue in the path.
type QueuePath struct {
	Name string `path:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"a name of a-z, 0-9 and -"`
}

func (s *Server) showQueue(ctx context.Context, in *QueuePath) (*api.Reply[Queue], error) {
	q, err := s.cfg.Queues.Get(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return api.Answer(s.queueView(q), nil)
}

type putQueueInput struct {
	QueuePath
	Body struct {
		Title    map[string]string          `json:"title"`
		Settings *api.Partial[acd.Settings] `json:"settings,omitempty" doc:"what is left out is the default"`
		Version  int64                      `json:"version,omitempty" doc:"0 or left out: a new queue"`
	}
}

func (s *Server) putQueue(ctx context.Context, in *putQueueInput) (*api.Reply[Queue], error) {
	q := acd.Queue{Name: in.Name, Title: in.Body.Title, Settings: acd.DefaultSettings(), Version: in.Body.Version}
	if in.Body.Settings != nil {
		q.Settings = in.Body.Settings.Value
	}
	if err := governs(ctx, in.Name, q.Version == 0); err != nil {
		return nil, err
	}
	put, action := s.cfg.Queues.Update, "queue.update"
	if q.Version == 0 {
		put, action = s.cfg.Queues.Create, "queue.create"
	}
	q, err := put(ctx, q)
	if err != nil {
		return nil, err
	}
	err = s.audit(ctx, action, "queue:"+q.Name, map[string]any{"title": q.Title, "settings": q.Settings, "version": q.Version})
	return api.Answer(s.queueView(q), err)
}

type deleteQueueInput struct {
	QueuePath
	Version int64 `query:"version" required:"true" doc:"the version that was read; another one is a conflict"`
}

func (s *Server) deleteQueue(ctx context.Context, in *deleteQueueInput) (*api.Empty, error) {
	if err := governs(ctx, in.Name, false); err != nil {
		return nil, err
	}
	if err := s.cfg.Queues.Delete(ctx, in.Name, in.Version); err != nil {
		return nil, err
	}
	return nil, s.audit(ctx, "queue.delete", "queue:"+in.Name, nil)
}

// governs refuses to change a queue that is out of scope; a new one is nobody's yet, so only who sees all queues may make it.
func governs(ctx context.Context, queue string, isNew bool) error {
	who := api.Of(ctx).Who
	switch {
	case who.GovernsAll() || !isNew && who.Governs(queue):
		return nil
	case isNew:
		return hotline.Errorf(hotline.Denied, "scope.all", "this holds for all queues: only somebody who sees all of them may change it")
	}
	return hotline.Errorf(hotline.Denied, "scope.queue", "the queue %s is not yours to change", queue)
}
