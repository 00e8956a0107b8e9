// Package peer holds the WebRTC connections of agents' browsers: one [Hub] with one UDP port for all of them, one [Peer] a browser.
//
// The browser offers one audio line, we answer as ICE-lite and DTLS server. When the browser has shown that it knows the password of
// the answer (STUN) and that it owns the certificate of its offer (DTLS), its audio is a [media.Stream] like that of any telephone,
// for as long as the page lives: calls come and go by who is in which room, and nothing is negotiated again.
//
// It knows no agent and no call, sends nothing to an address that has not authenticated itself, and never asks a browser's candidates.
// Start reading at hub.go, then peer.go; ice.go is what STUN may do, secure.go the handshake, path.go the way of a packet.
package peer
