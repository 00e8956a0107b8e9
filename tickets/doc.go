// Package tickets keeps the case: who asked, what for, what happened since, and what is still to be done.
//
// It owns parties and their identities, tickets with their timeline, tasks, search and the audit chain. A call becomes a ticket when
// the phone rings: [Desk.Register] has the call's journal apply the facts here. It knows nothing of how a call is carried, never
// waits for a caller and never shows an internal note to anybody but staff.
//
// Start at desk.go; ring.go is a call becoming a ticket, attach.go the rule by which it joins an older one, event.go the chain that
// every change is appended to, states.go what may follow what, scope.go how a desk looks to somebody who sees a part of it. Numbers,
// the words of search, screen-pops, mentions, files, call-backs and the proof of histories have packages of their own below.
package tickets
