package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// floor is the peer for SIP figures: what the library costs that carries our messages, with no call behind it.
const floor = "sipgo-floor"

// startPeer runs this program as the peer.
func startPeer(ctx context.Context) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	addr := freeAddr()
	cmd := exec.CommandContext(ctx, self, "-peer", addr)
	cmd.Stderr = os.Stderr
	p, err := spawn(ctx, cmd, "listening")
	return p, addr, err
}

// servePeer answers 200 to every INVITE and BYE until it is stopped.
func servePeer(ctx context.Context, addr string) error {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ua, err := sipgo.NewUA()
	if err != nil {
		return err
	}
	server, err := sipgo.NewServer(ua)
	if err != nil {
		return err
	}
	contact := sip.ContactHeader{Address: sip.Uri{User: "floor"}}
	fmt.Sscanf(addr, "127.0.0.1:%d", &contact.Address.Port)
	contact.Address.Host = "127.0.0.1"
	sdp := []byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		res := sip.NewSDPResponseFromRequest(req, sdp)
		res.AppendHeader(&contact)
		tx.Respond(res)
	})
	server.OnAck(func(*sip.Request, sip.ServerTransaction) {})
	server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})
	fmt.Println("listening")
	return server.ListenAndServe(ctx, "udp", addr)
}
