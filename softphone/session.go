package softphone

import (
	"time"

	"hotline"
	"hotline/media/peer"
)

// A tab that comes back is sent what it missed, as long as that is not more than this; else it starts from a snapshot.
const (
	keepFrames = 256
	keepBytes  = 64 << 10
)

// session is one browser tab, through all the sockets it has had. The station's mutex guards it.
type session struct {
	id     string    // chosen by the tab, which keeps it through a reload
	socket *socket   // nil while the tab is away
	gone   time.Time // since when it is away

	stream string   // id of the row of events that its numbers count
	seq    uint64   // of the last one
	kept   [][]byte // the last events, the newest with seq
	size   int      // of them, in bytes

	peer    *peer.Peer // nil: no audio
	media   mediaState
	mute    bool // the browser offered to listen only: it has no microphone
	watches bool // the board
	stale   bool // and has missed some of it
}

// mediaState is how the audio of a tab is.
type mediaState string

const (
	mediaNone       mediaState = "none"
	mediaConnecting mediaState = "connecting"
	mediaUp         mediaState = "up"
	mediaLost       mediaState = "lost"
)

func newSession(id string) *session {
	return &session{id: id, media: mediaNone}
}

// begin starts a new row of events: the tab has just been given everything as it stands.
func (s *session) begin() {
	s.stream, s.seq, s.kept, s.size = hotline.NewID(), 0, nil, 0
}

// tell sends an event and keeps it for a tab that was cut off before it arrived.
func (s *session) tell(name string, data []byte) {
	if s.stream == "" {
		return
	}
	s.seq++
	frame := eventFrame(s.seq, name, data)
	s.kept, s.size = append(s.kept, frame), s.size+len(frame)
	for len(s.kept) > keepFrames || (s.size > keepBytes && len(s.kept) > 1) {
		s.size -= len(s.kept[0])
		s.kept[0] = nil
		s.kept = s.kept[1:]
	}
	if s.socket != nil {
		s.socket.send(frame)
	}
}

// missed returns the events after seq, and false when they are not kept any more or were never ours.
func (s *session) missed(stream string, seq uint64) ([][]byte, bool) {
	if stream == "" || stream != s.stream || seq > s.seq || s.seq-seq > uint64(len(s.kept)) {
		return nil, false
	}
	return s.kept[uint64(len(s.kept))-(s.seq-seq):], true
}

func (s *session) away() bool { return s.socket == nil }
