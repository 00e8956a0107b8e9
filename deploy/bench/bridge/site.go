// Package bridge measures the audio of agents in the browser: calls between trunk and browser, waiting telephones, and what the way
// through Hotline adds in delay. The site is the engine and the hub that the product has, with nothing above them, in a process of its
// own, so that its CPU and memory are its own; the crowd is callers with plain RTP and light browsers with SRTP.
// Start reading at [Serve], then [Crowd].
package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"

	"hotline/media"
	"hotline/media/peer"
)

// phone is the site's answer to an offer.
type phone struct {
	ID     int    `json:"id"`
	Answer string `json:"answer"`
}

// site holds what the crowd has asked for.
type site struct {
	engine *media.Engine
	hub    *peer.Hub
	mu     sync.Mutex
	phones []*peer.Peer
	rooms  []*media.Room
}

// Serve runs a site until ctx ends, and writes "listening ADDRESS" when it can be asked.
func Serve(ctx context.Context, out io.Writer) error {
	loopback := netip.MustParseAddr("127.0.0.1")
	engine, err := media.NewEngine(media.Config{BindIP: loopback})
	if err != nil {
		return err
	}
	hub, err := peer.NewHub(peer.Config{Engine: engine, UDPAddr: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	s := &site{engine: engine, hub: hub}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /phones", s.accept)
	mux.HandleFunc("POST /phones/{id}/call", s.call)
	mux.HandleFunc("POST /tidy", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	engineCtx, stopEngine := context.WithCancel(context.Background())
	var engines, parts sync.WaitGroup
	engines.Go(func() { engine.Run(engineCtx) })
	parts.Go(func() { hub.Run(ctx) })
	parts.Go(func() { server.Serve(listener) })
	fmt.Fprintln(out, "listening", listener.Addr())
	<-ctx.Done()
	server.Close()
	parts.Wait()
	stopEngine()
	engines.Wait()
	return nil
}

func (s *site) accept(w http.ResponseWriter, r *http.Request) {
	offer, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p, answer, err := s.hub.Accept(r.Context(), string(offer), peer.Options{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phones = append(s.phones, p)
	json.NewEncoder(w).Encode(phone{ID: len(s.phones) - 1, Answer: answer})
}

// call opens a caller's audio and puts it into a room with a telephone; it answers with the address for RTP.
func (s *site) call(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	remote, err := netip.ParseAddrPort(r.FormValue("remote"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || id < 0 || id >= len(s.phones) {
		http.Error(w, "no such telephone or address", http.StatusBadRequest)
		return
	}
	stream, err := s.engine.Open(media.OpenOptions{Remote: remote, Shared: true})
	if err == nil {
		err = stream.Configure(media.Setup{Remote: remote, RTCPMux: true, DTMFPayloadType: 101})
	}
	room := media.NewRoom(s.engine)
	for _, member := range []*media.Stream{stream, s.phones[id].Stream()} {
		if err == nil {
			err = room.Join(member, media.Talker)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.rooms = append(s.rooms, room)
	fmt.Fprint(w, stream.Local())
}

// control asks a site.
type control struct{ base string }

func (c control) do(ctx context.Context, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer)
	}
	return answer, err
}
