// Package away keeps callers when Hotline is away: it is dead, stopped, or cannot be reached by Asterisk.
//
// It owns the dialplan that keeps them there (dialplan.go: music, trying again each second, a message when it takes long), the guardian,
// a second process that gives the channels of a killed Hotline to that dialplan (guard.go), the part of Hotline that starts the guardian
// and renews the lease on callers (keep.go), and the messages that Asterisk took meanwhile (message.go). What becomes of a message it does
// not know: package ivr/pickup files it.
package away
