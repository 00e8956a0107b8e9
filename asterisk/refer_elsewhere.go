package asterisk

import (
	"hotline"
	"hotline/asterisk/ari"
	"hotline/call"
)

// elsewhere is whom a telephone talks with in a call that its Asterisk carries by itself.
func (l *Leg) elsewhere(with *ari.Channel) *call.Second {
	if with == nil {
		return &call.Second{Why: hotline.Errorf(hotline.Unavailable, "transfer.nobody", "the telephone talks with nobody in its second call")}
	}
	return &call.Second{Why: hotline.Errorf(hotline.Unavailable, "transfer.not_ours", "the telephone's second call is none of Hotline's")}
}
