// Package media moves audio.
package media

// Stream is one RTP stream of a leg.
type Stream struct{}
