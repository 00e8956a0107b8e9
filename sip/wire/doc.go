// Package wire stands between the sockets and sipgo: framing and the judgement of every message.
//
// [Judge] reads each message before sipgo does. What RFC 3261 and the torture tests of RFC 4475 call broken is answered here, without
// state; what passes is written out again in canonical form (long names, no folding, no odd white space, one value a line), so that
// sipgo's parser, transports and transactions see only messages which they understand. [PacketConn] and [Listener] put a judge
// between a socket and sipgo.
//
// It knows no dialog, no trunk and no call; what needs them (CANCEL, merged requests, admission) is asked of [Judge.Hook].
package wire
