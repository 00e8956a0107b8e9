package softphone

import (
	"time"

	"hotline/acd"
	"hotline/acd/roster"
)

type wrapData struct {
	CallID string `json:"call_id"`
	Code   string `json:"code"`
	Note   string `json:"note"`
}

// wrapDone closes the call with a code.
func wrapDone(r request, d wrapData) (any, error) {
	if len(d.Note) > 16<<10 {
		return nil, field("note", "value.long", "the note has more than 16 kB")
	}
	if d.CallID == "" || len(d.CallID) > 64 {
		return nil, field("call_id", "value.empty", "call_id is missing")
	}
	if err := r.g.cfg.Agents.WrapUp(r.ctx, r.st.account, d.CallID, d.Code, d.Note); err != nil {
		return nil, err
	}
	r.st.showWrap(r.g.wrapView(r.st.account))
	return nil, nil
}

// wrapExtend puts the end off.
func wrapExtend(r request, _ none) (any, error) {
	w, err := r.g.cfg.Agents.Extend(r.ctx, r.st.account, 0)
	if err != nil {
		return nil, err
	}
	v := r.g.viewOfWrap(w)
	r.st.showWrap(v)
	return v, nil
}

// wrapView is the after-call work that an agent has, nil for none.
func (g *Gateway) wrapView(account string) *WrapView {
	w, ok := g.cfg.Agents.Wrap(account)
	if !ok {
		return nil
	}
	return g.viewOfWrap(w)
}

func (g *Gateway) viewOfWrap(w acd.Wrap) *WrapView {
	v := &WrapView{CallID: w.CallID, Queue: w.Queue, Mode: string(w.Mode), Deadline: w.Deadline, DefaultCode: w.DefaultCode, Codes: []CodeView{}}
	for _, c := range g.cfg.Agents.Roster().CodesOf(w.Queue) {
		v.Codes = append(v.Codes, codeView(c))
	}
	return v
}

func codeView(c roster.Code) CodeView {
	return CodeView{Named: Named{Name: c.Name, Title: titled(c.Title)}, Queue: c.Queue}
}

func titled(t map[string]string) map[string]string {
	if t == nil {
		return map[string]string{}
	}
	return t
}

// showWrap tells the tabs what is left to do after the call, if that is another thing than before.
func (st *station) showWrap(w *WrapView) {
	st.mu.Lock()
	defer st.mu.Unlock()
	was := st.wrap
	if w == nil {
		if was != nil {
			st.wrap = nil
			st.emit(eventWrapGone, Gone{ID: was.CallID, Why: "done"})
		}
		return
	}
	if st.pop.CallID == w.CallID && st.pop.Ticket != nil {
		w.Ticket = &st.pop.Ticket.Number
	}
	if was != nil && was.CallID == w.CallID && sameTime(was.Deadline, w.Deadline) && deref(was.Ticket) == deref(w.Ticket) {
		return
	}
	st.wrap = w
	st.emit(eventWrap, w)
	if w.Ticket == nil {
		if st.pop.CallID != w.CallID && st.call == nil {
			st.pop = st.g.callersPop(w.CallID) // a page that comes after the call: there was no pop here
		}
		st.learn(w.CallID)
	}
}

func sameTime(a, b *time.Time) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Equal(*b))
}

func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
