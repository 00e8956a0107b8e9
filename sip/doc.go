// Package sip is the native SIP edge: it takes and makes telephone calls over UDP, TCP and TLS and gives each as a call.Leg to the
// switchboard.
//
// sipgo parses, transports and retransmits. Above it stands what is ours: every message is judged before sipgo sees it (wire), the
// guard keeps strangers and floods out (guard), and a Leg is a dialog with offer and answer, timers and transfers whose state
// belongs to one goroutine. Trunks and numbers are rows (directory); the keeper registers with providers and knows which are alive;
// trace keeps every message of a call.
//
// It plays no prompt, knows no menu and no ticket, and never waits for the database in the path of a call. Start reading at [Edge],
// then Edge.hook and Edge.incoming (a call comes in), [Edge.Dial] (one goes out) and [Leg]. docs/decisions/003 says why the layers
// are cut as they are.
package sip
