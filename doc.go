// Package hotline is the root of the Hotline: one binary that answers an organisation's phone number, makes every call a ticket,
// and keeps what follows on that same ticket.
//
// This file is the map. The root holds only what everybody shares: [Error], [NewID] and [Scope].
//
// # An INVITE that becomes a ticket
//
// sip validates the request, finds trunk and number, makes a call.Leg and hands it to call.Switchboard, which starts the call's
// goroutine. That goroutine runs a script of ivr: the flow that the number points to, written with the blocking verbs of call.Call
// (Answer, Play, Collect, Record). media moves the audio. What happens is filed as facts in call.Journal, a local write-ahead
// file, and from there applied to PostgreSQL: call writes its rows, tickets finds the party and makes or joins the ticket when the
// phone rings. recordings taps the caller's stream. acd keeps the line of those who wait.
//
// # A call that an agent answers
//
// ivr puts the caller in the line of acd, which finds a free agent, reserves the agent's row and asks softphone to show it: the
// pop stands on the agent's screen before it rings (who calls comes from tickets). The browser says offer.answer over its socket,
// acd lets exactly one win, and the caller's goroutine goes on with call.Call.Talk: one media.Room with the caller's stream and that of
// the browser, which media/peer holds since login. Hold, transfer, consultation and conference arrive as closures that the call's
// goroutine runs (call.Call.Do). When the browser goes, the caller hears music and the seat is kept; when it comes back it is reseated,
// and after 20 s the caller is back at the head of the queue. After-call work begins in the transaction that ends the call.
//
// # A whisper
//
// A supervisor's browser says supervise.start; softphone asks whose queue it is (web's scope) and writes the audit line; the closure
// adds the supervisor's stream to the room as a coach, whom only the agent hears. The recorder taps what the caller hears.
//
// # A call out
//
// softphone asks trunks/routes whether the number may be called, ivr originates a call whose own leg is dialled, and
// trunks/callout tries the route's trunks in their order, each by the edge that carries it (sip.Edge.Dial, asterisk.Edge.Dial).
//
// # A call that outlives the process
//
// Asterisk keeps the channels when we die, and plays to them (asterisk/away). At the next start call/resume reads what was left open,
// asterisk.Edge adopts what is alive with the same ids, and ivr goes on at the node, in the line or in the conversation.
//
// # Folders
//
// A package imports only what stands above it in this list (layers_test.go holds that):
//
//	.            errors, ids, scopes
//	testport     ports for the servers of tests
//	media        RTP, codecs, jitter, prompts, DTMF, rooms, recorder taps, browsers (media/peer), SRTP; no SIP, no business word
//	postgres     connect or run the cluster, migrations, transactions, databases for tests
//	call         Leg, Call, Talk, the facts of a call; their rows (call/rows), read back by call/archive
//	trunks       trunks and numbers; where calls may go out and how many (trunks/routes), and the one dialer over both edges (trunks/callout)
//	sip          native edge: dialogs, offer/answer, registration with trunks, SIP trace
//	asterisk     Asterisk edge: its own ARI client, legs by external media, reconciling, the fallback while we are away, configuration
//	recordings   keep, encrypt, find, play, expire
//	tickets      parties, identities, tickets, timeline, search, audit
//	acd          queues, those who wait in them, agents, and the offers between the two
//	ivr          flows, the interpreter, prompts, speech, hours, voicemail
//	softphone    agents' browsers: socket, screen-pop, call commands, supervision, live board
//	web          HTTP API, login, console
//	cmd/hotline  reads configuration, wires the packages, runs
package hotline
