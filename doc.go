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
// # Folders
//
// A package imports only what stands above it in this list (layers_test.go holds that):
//
//	.            errors, ids, scopes
//	media        RTP, codecs, jitter, prompts, DTMF, rooms, recorder taps, browsers (media/peer); no SIP, no business word
//	postgres     connect or run the cluster, migrations, transactions, databases for tests
//	call         Leg, Call, the facts of a call and their Journal
//	sip          native edge: trunks, numbers, dialogs, offer/answer, SIP trace
//	recordings   keep, encrypt, find, play, expire
//	tickets      parties, identities, tickets, timeline, search, audit
//	acd          queues, those who wait in them, agents, and the offers between the two
//	ivr          flows, the interpreter, prompts, speech, hours, voicemail
//	softphone    agents' browsers: socket, screen-pop, call commands, supervision, live board
//	web          HTTP API, login, console
//	cmd/hotline  reads configuration, wires the packages, runs
package hotline
