package softphone

import (
	"strings"

	"hotline"
	"hotline/media"
	"hotline/media/peer"
)

const maxSDP = 32 << 10

type sdpData struct {
	SDP string `json:"sdp"`
}

// phoneOffer gives the tab audio. It becomes the phone when no other tab is.
func phoneOffer(r request, d sdpData) (any, error) {
	if d.SDP == "" || len(d.SDP) > maxSDP {
		return nil, field("sdp", "phone.sdp", "sdp is the browser's offer, at most 32 kB")
	}
	if err := r.claim(false); err != nil {
		return nil, err
	}
	old := r.dropPeer(mediaConnecting)
	if old != nil {
		old.Close()
	}
	// The peer's first state may come before Accept returns: the answer says which peer it is about.
	link := &link{st: r.st, s: r.s, mute: listensOnly(d.SDP)}
	p, answer, err := r.g.cfg.Hub.Accept(r.ctx, d.SDP, peer.Options{ID: r.st.account, OnState: link.state, OnEvent: link.event})
	if err != nil {
		r.dropPeer(mediaNone)
		return nil, err
	}
	if !link.made(p) {
		p.Close()
		return nil, hotline.Errorf(hotline.Conflict, "phone.replaced", "the phone has gone to another tab meanwhile")
	}
	return sdpData{SDP: answer}, nil
}

// listensOnly says whether a browser offers to send nothing: whoever only listens needs no microphone.
func listensOnly(sdp string) bool {
	return strings.Contains(sdp, "\na=recvonly")
}

// phoneTake makes the tab the phone; the other one is told. The call comes along when this tab has audio.
func phoneTake(r request, _ none) (any, error) {
	return nil, r.claim(true)
}

// claim makes the tab the phone if none is, or whoever is if it may be forced.
func (r request) claim(force bool) error {
	r.st.mu.Lock()
	was := r.st.phone
	if was == r.s {
		r.st.mu.Unlock()
		return nil
	}
	if was != nil && !was.away() && !force {
		r.st.mu.Unlock()
		return hotline.Errorf(hotline.Conflict, "phone.elsewhere", "another tab of yours is the phone: take it over here first")
	}
	r.st.stopSupervising("taken")
	r.st.phone = r.s
	var old *peer.Peer
	if was != nil {
		old, was.peer, was.media = was.peer, nil, mediaNone
	}
	r.st.emitPhone()
	r.st.settleSeat()
	r.st.settlePresence()
	r.st.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return nil
}

// phoneRelease makes no tab the phone: the agent goes home. Not in a call.
func phoneRelease(r request, _ none) (any, error) {
	r.st.mu.Lock()
	if r.st.call != nil {
		r.st.mu.Unlock()
		return nil, errBusy
	}
	r.st.stopSupervising("stopped")
	old := r.s.peer
	r.s.peer, r.s.media, r.st.phone = nil, mediaNone, nil
	r.st.emitPhone()
	r.st.settlePresence()
	r.st.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return nil, nil
}

// dropPeer takes the tab's audio away, so that the caller hears music until there is new audio.
func (r request) dropPeer(m mediaState) *peer.Peer {
	r.st.mu.Lock()
	defer r.st.mu.Unlock()
	old := r.s.peer
	r.s.peer, r.s.media = nil, m
	if r.st.phone == r.s {
		r.st.stopSupervising("away")
		r.st.emitPhone()
		r.st.settleSeat()
		r.st.settlePresence()
	}
	return old
}

// link is what joins a peer to its tab: what is said of a peer that the tab has no more is of no interest.
type link struct {
	st    *station
	s     *session
	peer  *peer.Peer
	early peer.State // told before the peer was known
	heard bool       // RTP goes on, as far as is known
	mute  bool
}

// made says which peer it is, and false when the tab is not the phone any more.
func (l *link) made(p *peer.Peer) bool {
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	if l.st.phone != l.s || l.s.peer != nil || l.s.media != mediaConnecting {
		return false
	}
	l.peer, l.s.peer, l.heard, l.s.mute = p, p, true, l.mute
	l.become(l.early)
	return true
}

// state takes a new state of the peer. It does not block.
func (l *link) state(s peer.State) {
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	if l.peer == nil {
		l.early = s
		return
	}
	if l.s.peer == l.peer {
		l.become(s)
	}
}

// event takes what happens on the stream: a browser sends all the time, muted or not, so silence of the network means that it is gone
// long before anything else says so.
func (l *link) event(e media.StreamEvent) {
	if e.Kind != media.MediaLost && e.Kind != media.MediaBack {
		return
	}
	l.st.mu.Lock()
	defer l.st.mu.Unlock()
	l.heard = e.Kind == media.MediaBack
	if l.peer != nil && l.s.peer == l.peer {
		l.become(l.peer.State())
	}
}

// become sets how the tab's audio is. The mutex is held.
func (l *link) become(s peer.State) {
	is := l.s.media
	switch s {
	case peer.Connected:
		is = mediaUp
		if !l.heard {
			is = mediaLost
		}
	case peer.Disconnected:
		is = mediaLost
	case peer.Failed, peer.Closed:
		is, l.s.peer = mediaNone, nil
		// Whoever accepted a peer that failed closes it; not under the mutex, and not in its own goroutine.
		l.st.g.tasks.start(l.peer.Close)
	}
	if is == l.s.media {
		return
	}
	l.s.media = is
	if l.st.phone == l.s {
		l.st.emitPhone()
		l.st.settleSeat()
		l.st.settlePresence()
	}
}
