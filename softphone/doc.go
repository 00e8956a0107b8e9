// Package softphone is the agent's end of a call: one websocket and one PeerConnection a browser tab.
//
// It owns the protocol hotline.v1 (asyncapi.yaml): what a tab may ask for and what it is told, in order, so that a tab that was cut
// off goes on where it was. It decides which of an agent's tabs is the phone, shows who calls before anybody answers, turns commands
// into closures that the call's own goroutine runs, and keeps a call while the browser is away. It never decides who gets a call (acd
// does), moves no audio (media does) and knows no HTTP but the upgrade of its socket: web has checked who asks.
//
// Start at [Gateway.Serve], then commands.go for the table of commands and station.go for what is kept of one person.
package softphone
