package media

// Role of a stream in a [Room]: who hears whom.
type Role uint8

// The roles.
const (
	Talker   Role = iota // hears talkers, is heard by all
	Coached              // a talker who hears the coaches as well
	Coach                // hears talkers, is heard by the coached only
	Listener             // hears talkers, is heard by nobody
	Held                 // hears nobody (but its own music), is heard by nobody
)

// Room lets streams hear each other. Hold, listen, whisper, barge, conference and transfer are changes of roles.
type Room struct{}

// NewRoom makes an empty room.
func NewRoom(e *Engine) *Room { return &Room{} }

// Join puts a stream into the room; a stream is in one room at most and leaves the one it was in.
func (r *Room) Join(s *Stream, role Role) error { return nil }

// SetRole changes the role of a stream that is in the room.
func (r *Room) SetRole(s *Stream, role Role) error { return nil }

// Leave takes a stream out of the room. It is no error if it is not in it.
func (r *Room) Leave(s *Stream) {}

// Close takes out all streams.
func (r *Room) Close() {}
