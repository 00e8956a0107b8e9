package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"hotline"
	"hotline/call/archive"
	"hotline/recordings"
	"hotline/web/api"
	"hotline/web/login"
)

type recordingInput struct {
	ID string `path:"id" format:"uuid"`
}

func (s *Server) showRecording(ctx context.Context, in *recordingInput) (*api.Reply[Recording], error) {
	r, err := s.cfg.Recordings.Get(ctx, in.ID)
	if err == nil {
		err = s.mayHear(ctx, r)
	}
	return api.Answer(recordingView(r), err)
}

type audioInput struct {
	ID       string `path:"id" format:"uuid"`
	Download bool   `query:"download" doc:"as a file to keep; needs the right to download"`
}

// streamed is an answer that a handler writes itself.
type streamed struct {
	Body func(huma.Context)
}

// playRecording streams a recording, whole or by ranges. Nothing is sent before the listening is in the audit.
func (s *Server) playRecording(ctx context.Context, in *audioInput) (*streamed, error) {
	x := api.Of(ctx)
	if in.Download && !x.Who.Role.May(login.DownloadRecording) {
		return nil, api.Forbidden("recording.download", "the role %s may listen to recordings, not download them", x.Who.Role)
	}
	known, err := s.cfg.Recordings.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.mayHear(ctx, known); err != nil {
		return nil, err
	}
	// Not the handler's context: that one ends before the body is streamed.
	audio, rec, err := s.cfg.Recordings.Audio(context.WithoutCancel(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	action, disposition := "recording.play", "inline"
	if in.Download {
		action, disposition = "recording.download", "attachment"
	}
	key := listening{who: x.Who.ID, recording: rec.ID, action: action}
	if s.listenings.begin(key) {
		if err := s.audit(ctx, action, "recording:"+rec.ID, map[string]any{"call": rec.CallID}); err != nil {
			s.listenings.undo(key)
			return nil, errors.Join(err, audio.Close())
		}
	}
	return &streamed{Body: func(hc huma.Context) {
		defer audio.Close()
		defer s.listenings.touch(key)
		r, w := humago.Unwrap(hc)
		h := w.Header()
		h.Set("Content-Type", "audio/wav")
		h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": fileName(rec)}))
		h.Set("Cache-Control", "private, no-store")
		http.ServeContent(&patient{ResponseWriter: w, control: x.Control}, r, "", time.Time{}, audio)
	}}, nil
}

// mayHear refuses a recording of a call that is out of scope (it is not there), and of one that somebody else of ours has had, unless
// the asker supervises.
func (s *Server) mayHear(ctx context.Context, r recordings.Recording) error {
	see := api.Of(ctx).Who.See
	if err := archive.Check(ctx, s.cfg.Pool, r.CallID, see); hotline.KindOf(err) == hotline.NotFound {
		return hotline.Errorf(hotline.NotFound, "recording.unknown", "there is no recording %q", r.ID)
	} else if err != nil || r.Kind != recordings.OfCall {
		return err
	}
	heard, err := s.heard(ctx, r.CallID)
	if err == nil && !heard[r.CallID] {
		err = hotline.Errorf(hotline.Denied, "recording.others", "this call was somebody else's: only they and who supervises the queue may listen to it")
	}
	return err
}

// heard says which of some calls, all in scope, the asker may listen to. A message is for the whole queue, a conversation is not.
func (s *Server) heard(ctx context.Context, ids ...string) (map[string]bool, error) {
	who := api.Of(ctx).Who
	if who.Role.May(login.SuperviseCalls) {
		all := make(map[string]bool, len(ids))
		for _, id := range ids {
			all[id] = true
		}
		return all, nil
	}
	return archive.Heard(ctx, s.cfg.Pool, ids, who.ID)
}

func fileName(r recordings.Recording) string {
	return r.StartedAt.UTC().Format("20060102-150405") + "-" + string(r.Kind) + "-" + r.ID + ".wav"
}

// patient lets a download take as long as it moves: the deadline is renewed with every write.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(api.AnswerTime))
	return p.ResponseWriter.Write(b)
}

// ReadFrom hides that of the server, which would write everything under one deadline.
func (p *patient) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{p}, r)
}

// listeningPause is how long after the last byte a request still belongs to the same listening. Players fetch ranges as they go.
const listeningPause = 30 * time.Second

const maxListenings = 10_000

type listening struct{ who, recording, action string }

// listenings remembers who is listening to what, so that the audit has one entry a listening and not one a range.
type listenings struct {
	mu   sync.Mutex
	last map[listening]time.Time
	now  func() time.Time
}

// begin tells whether a request starts a new listening.
func (l *listenings) begin(k listening) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	last, ok := l.last[k]
	if len(l.last) >= maxListenings {
		for old, at := range l.last {
			if now.Sub(at) > listeningPause {
				delete(l.last, old)
			}
		}
		if len(l.last) >= maxListenings {
			clear(l.last) // then some listenings are in the audit twice, none is missing
		}
	}
	l.last[k] = now
	return !ok || now.Sub(last) > listeningPause
}

func (l *listenings) touch(k listening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.last[k]; ok {
		l.last[k] = l.now()
	}
}

func (l *listenings) undo(k listening) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, k)
}
