package asterisk

import (
	"context"
	"sync"
)

// orders are the requests of one leg. They go out one after the other, in a goroutine that is there while there are some, so that the
// leg itself never waits for Asterisk, and what takes something away never overtakes what makes it.
type orders struct {
	run func(func()) // starts the goroutine

	mu    sync.Mutex
	queue []func()
	busy  bool
}

func (o *orders) add(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, f)
	if !o.busy {
		o.busy = true
		o.run(o.work)
	}
}

func (o *orders) work() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.busy, o.queue = false, nil
			o.mu.Unlock()
			return
		}
		f := o.queue[0]
		o.queue = o.queue[1:]
		o.mu.Unlock()
		f()
	}
}

// ask sends a request when those before it are done. then gets what came of it, on the leg's goroutine; nil: nobody wants to know.
func (l *Leg) ask(request func(context.Context) error, then func(error)) {
	l.orders.add(func() {
		ctx, cancel := context.WithTimeout(l.n.e.ctx, patience)
		err := request(ctx)
		cancel()
		if then != nil {
			l.tasks.Do(func() { then(err) })
		}
	})
}
