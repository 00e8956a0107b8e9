//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// TestAgentsKill kills the product in the middle of a conversation: the call is closed as cut by the system, somebody is to call back,
// and the agent, whose page finds the new process by itself, takes the next call.
func TestAgentsKill(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	a := h.sits("agent", agentHz)
	a.ready()
	const from = "+8613800138030"
	mark := a.mark()
	l := h.queued(from, callerHz)
	answered := time.Now()
	a.answers(mark)
	l.hears([]float64{agentHz}, []float64{callerHz})
	mark = a.mark()
	killed := time.Now()
	h.kill()
	h.start()
	a.up(mark)
	l.hangup() // nobody answers that any more
	_, row := h.filed(from)
	if row.Result != "cut_by_system" || row.EndedAt == nil || row.EndedAt.Before(answered) || row.EndedAt.After(killed.Add(time.Second)) {
		t.Errorf("the call's row is %+v", row)
	}
	if tasks := h.ticket(row.Ticket).Tasks; len(tasks) != 1 || tasks[0].Kind != "callback" || tasks[0].Reason != "cut_by_system" || tasks[0].State != "open" {
		t.Errorf("the tasks are %+v", tasks)
	}
	a.must("agent.ready", nil)
	mark = a.mark()
	next := h.queued("+8613800138031", otherHz)
	call := a.answers(mark)
	next.hears([]float64{agentHz}, nil)
	a.hears([]float64{otherHz}, []float64{agentHz, callerHz})
	a.must("call.hangup", nil)
	next.ended(10 * time.Second)
	a.closes(mark, call)
}
