package asterisk

import (
	"context"
	"strings"

	"hotline"
	"hotline/asterisk/ari"
	"hotline/asterisk/config"
	"hotline/call"
	"hotline/trunks/header"
)

// elsewhere is whom a telephone talks with in a call that its Asterisk carries by itself.
func (l *Leg) elsewhere(with *ari.Channel) *call.Second {
	if with == nil || l.trunk == nil || with.State != "Up" || strings.ContainsAny(with.Name, ",()${}|&") {
		return &call.Second{Why: hotline.Errorf(hotline.Unavailable, "transfer.nobody", "the telephone talks with nobody in its second call")}
	}
	number := with.Caller.Number
	if number == "" {
		number = strings.TrimPrefix(endpointOf(with.Name), "PJSIP/")
	}
	return &call.Second{Number: header.Cut(header.Clean(number), 64), Taker: joiner{l, with.Name}}
}

// joiner makes a leg of the party of a channel that is not in our application: the far half of a local channel takes the place of whom it
// talks with (see [config.JoinContext]). Other channels cannot be had over ARI.
type joiner struct {
	of    *Leg // of the telephone that talks with it
	party string
}

// Dial implements [call.Dialer].
func (j joiner) Dial(_ context.Context, d call.Dial) (call.Leg, error) {
	l, err := j.of.n.outbound(d, j.of.trunk, "Local/s@"+config.JoinContext+"/n")
	if err != nil {
		return nil, err
	}
	l.out.joins = j.party
	l.setOff()
	return l, nil
}
