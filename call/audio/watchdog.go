package audio

import (
	"sync"
	"time"
)

// Watchdog ends a call whose peer sends no audio.
type Watchdog struct {
	Limit time.Duration
	Bite  func()

	mu     sync.Mutex
	timer  *time.Timer
	onHold bool // the peer put us on hold: it need not send
	done   bool
}

// Lost says that nothing is heard from the peer.
func (w *Watchdog) Lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil && !w.onHold && !w.done {
		w.timer = time.AfterFunc(w.Limit, w.Bite)
	}
}

// Back says that it is heard again.
func (w *Watchdog) Back() { w.reset(false, false) }

// Held says that the peer put us on hold.
func (w *Watchdog) Held() { w.reset(true, false) }

// Stop ends the watch.
func (w *Watchdog) Stop() { w.reset(false, true) }

func (w *Watchdog) reset(onHold, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onHold = onHold
	w.done = w.done || done
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
