// Package media moves audio: RTP streams over UDP, G.711, jitter buffers, DTMF, prompts, music on hold, rooms and recorder taps.
//
// It owns every audio socket and the 20 ms clocks. It knows no SIP, no call and no business word: an edge opens a [Stream] per leg,
// tells it what was negotiated ([Stream.Configure]) and closes it; whoever has something to say calls [Stream.Play].
// It never calls back with a lock held, never waits for a listener, and sends nothing to an address that signalling did not name.
//
// Start reading at [Engine] (engine.go: ports, clocks, sockets), then [Stream] (stream.go: life of a stream; receive.go: a packet's
// way in; send.go: a frame's way out), then room.go.
package media
