package away

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hotline/asterisk/ari"
)

// prefix begins the names of messages among the recordings of an Asterisk.
const prefix = "hl-away"

// Message is what a caller left at an Asterisk while Hotline was away. All of it is in the name of the recording, see the dialplan.
type Message struct {
	Node     string    // the Asterisk
	Name     string    // of the recording there; with Node it tells messages apart
	At       time.Time // when it began
	TrunkID  string    // "" when the name has none
	Caller   string    // number as the line showed it, "+" for international; "" for none
	Withheld bool      // asked for privacy
	Dialled  string    // as it was dialled
	Channel  string    // of Asterisk, which is over
}

var named = regexp.MustCompile(`^` + prefix + `_([0-9]{1,12})_([0-9a-f-]{0,36})_([0-9a-zPSHU.-]{0,32})_([a-z]{0,40})_([0-9a-zPSHU.-]{0,32})_([0-9A-Za-z.-]{1,40})$`)

// parse reads the name of a recording. Other names than the dialplan gives are not for us.
func parse(node, name string) (Message, bool) {
	m := named.FindStringSubmatch(name)
	if m == nil {
		return Message{}, false
	}
	at, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return Message{}, false
	}
	out := Message{Node: node, Name: name, At: time.Unix(at, 0).UTC(), TrunkID: m[2], Caller: capitals.Replace(m[3]), Dialled: capitals.Replace(m[5]), Channel: m[6]}
	out.Withheld = out.Caller == "" || strings.HasPrefix(m[4], "prohib")
	return out, true
}

// capitals stand for what has a meaning in file names and addresses.
var capitals = strings.NewReplacer("P", "+", "S", "*", "H", "#", "U", "_")

// Spool is where the Asterisks keep messages.
type Spool struct {
	nodes []*ari.Requester
	names []string
}

// OpenSpool makes it. It connects when it is asked.
func OpenSpool(nodes []Node) (*Spool, error) {
	s := &Spool{}
	for _, n := range nodes {
		r, err := n.requester("")
		if err != nil {
			s.Close()
			return nil, err
		}
		s.nodes, s.names = append(s.nodes, r), append(s.names, n.Name)
	}
	return s, nil
}

// Close lets go of connections.
func (s *Spool) Close() {
	for _, r := range s.nodes {
		r.Close()
	}
}

// Messages lists the messages that are complete: who left them has hung up. What cannot be listed is an error beside the others.
func (s *Spool) Messages(ctx context.Context) ([]Message, error) {
	var all []Message
	var errs []error
	for i, r := range s.nodes {
		list, err := messages(ctx, r, s.names[i])
		all, errs = append(all, list...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func messages(ctx context.Context, r *ari.Requester, node string) ([]Message, error) {
	stored, err := r.StoredRecordings(ctx)
	if err != nil {
		return nil, err
	}
	var list []Message
	for _, s := range stored {
		if m, ok := parse(node, s.Name); ok {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	// Listed after the recordings: a channel that is gone now has closed its file.
	channels, err := r.Channels(ctx)
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, c := range channels {
		live[tail(c.ID)] = true
	}
	done := list[:0]
	for _, m := range list {
		if !live[m.Channel] {
			done = append(done, m)
		}
	}
	return done, nil
}

// tail is what the dialplan puts of a channel's id into a name.
func tail(id string) string {
	clean := make([]byte, 0, len(id))
	for _, c := range []byte(id[max(0, len(id)-40):]) {
		if c == '.' || c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			clean = append(clean, c)
		}
	}
	return string(clean)
}

// Audio reads the audio of a message: a WAV file.
func (s *Spool) Audio(ctx context.Context, m Message) (io.ReadCloser, error) {
	r, err := s.node(m)
	if err != nil {
		return nil, err
	}
	return r.StoredFile(ctx, m.Name)
}

// Delete deletes a message there. One that is gone is no error.
func (s *Spool) Delete(ctx context.Context, m Message) error {
	r, err := s.node(m)
	if err != nil {
		return err
	}
	if err := r.DeleteStored(ctx, m.Name); err != nil && !ari.Gone(err) {
		return err
	}
	return nil
}

func (s *Spool) node(m Message) (*ari.Requester, error) {
	for i, name := range s.names {
		if name == m.Node {
			return s.nodes[i], nil
		}
	}
	return nil, fmt.Errorf("there is no Asterisk %q any more", m.Node)
}
