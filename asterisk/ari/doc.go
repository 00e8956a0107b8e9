// Package ari is the client of one Asterisk: typed requests, events in order, and a connection that is kept or known to be lost.
//
// A [Client] holds one connection for events ([Client.Run]) and asks for things over it or over HTTP beside it ([Transport]). One
// reader takes what Asterisk sends; answers to requests go to those who wait, events to a queue that never drops. One dispatcher
// takes them from there: first [Handler].Up after each connect, then the events in order, each to the owner of its channel or bridge
// ([Client.Watch]) or to [Handler].Event. What Asterisk tells twice or too late is taken out before that.
//
// Every request is made from one table (operations.go), and every event read by another (event.go); the contract test compares both
// with what the running Asterisk says of itself. Ids are chosen by the caller, so that what was asked for can be taken back when its
// outcome stays unknown: nothing is left half-made.
//
// It knows no call and no leg, and decides nothing: that is package asterisk. docs/decisions/013 says how the transports compare.
package ari
