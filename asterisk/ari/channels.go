package ari

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// params are the values of a request by Asterisk's names; what is "" is left out.
type params struct {
	values map[string]string
	body   map[string]any
}

func with(pairs ...string) params {
	p := params{values: make(map[string]string, len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		p.values[pairs[i]] = pairs[i+1]
	}
	return p
}

func (p params) variables(v map[string]string) params {
	if len(v) > 0 {
		p.body = map[string]any{"variables": v}
	}
	return p
}

// Answer takes a call.
func (r *Requester) Answer(ctx context.Context, channel string) error {
	return r.do(ctx, opAnswer, with("channelId", channel), nil)
}

// Ring tells the caller that it rings.
func (r *Requester) Ring(ctx context.Context, channel string) error {
	return r.do(ctx, opRing, with("channelId", channel), nil)
}

// RingStop takes that back.
func (r *Requester) RingStop(ctx context.Context, channel string) error {
	return r.do(ctx, opRingStop, with("channelId", channel), nil)
}

// Progress opens early media (183).
func (r *Requester) Progress(ctx context.Context, channel string) error {
	return r.do(ctx, opProgress, with("channelId", channel), nil)
}

// Hangup ends a channel with a Q.850 cause; 0 means 16.
func (r *Requester) Hangup(ctx context.Context, channel string, q850 int) error {
	if q850 <= 0 {
		q850 = 16
	}
	return r.do(ctx, opHangup, with("channelId", channel, "reason_code", strconv.Itoa(q850)), nil)
}

// Continue gives a channel back to the dialplan.
func (r *Requester) Continue(ctx context.Context, channel, context, exten string, priority int) error {
	return r.do(ctx, opContinue, with("channelId", channel, "context", context, "extension", exten, "priority", strconv.Itoa(priority)), nil)
}

// Create makes a channel that is in the application at once and is dialled by [Client.Dial].
func (r *Requester) Create(ctx context.Context, ch CreateChannel) (Channel, error) {
	var out Channel
	err := r.do(ctx, opCreate, with("channelId", ch.ID, "endpoint", ch.Endpoint, "app", r.app(ch.App), "appArgs", strings.Join(ch.Args, ","),
		"originator", ch.Originator, "formats", ch.Formats).variables(ch.Variables), &out)
	return out, err
}

// Dial dials a channel that was created. 0 means no limit.
func (r *Requester) Dial(ctx context.Context, channel string, timeout time.Duration) error {
	return r.do(ctx, opDial, with("channelId", channel, "timeout", seconds(timeout)), nil)
}

// Originate makes a channel and dials it; it enters the application when it is answered.
func (r *Requester) Originate(ctx context.Context, ch CreateChannel) (Channel, error) {
	var out Channel
	err := r.do(ctx, opOriginate, with("channelId", ch.ID, "endpoint", ch.Endpoint, "app", r.app(ch.App), "appArgs", strings.Join(ch.Args, ","),
		"callerId", ch.CallerID, "timeout", seconds(ch.Timeout), "originator", ch.Originator, "formats", ch.Formats).variables(ch.Variables), &out)
	return out, err
}

// ExternalMedia makes a channel whose audio goes to and comes from us. The answer's Variables say where it listens.
func (r *Requester) ExternalMedia(ctx context.Context, m ExternalMedia) (Channel, error) {
	var out Channel
	err := r.do(ctx, opExternalMedia, with("channelId", m.ID, "app", r.app(m.App), "external_host", m.Host, "encapsulation", m.Encapsulation,
		"transport", m.Transport, "connection_type", m.ConnectionType, "format", m.Format, "data", m.Data,
		"transport_data", m.TransportData).variables(m.Variables), &out)
	return out, err
}

// Variable returns a channel's variable or the result of a dialplan function: CALLERID(num-pres), say. One that is not set is Gone.
func (r *Requester) Variable(ctx context.Context, channel, name string) (string, error) {
	var out struct {
		Value string `json:"value"`
	}
	err := r.do(ctx, opGet, with("channelId", channel, "variable", name), &out)
	return out.Value, err
}

// SetVariable sets a channel's variable.
func (r *Requester) SetVariable(ctx context.Context, channel, name, value string) error {
	return r.do(ctx, opSet, with("channelId", channel, "variable", name, "value", value), nil)
}

// Hold tells the peer that it is on hold.
func (r *Requester) Hold(ctx context.Context, channel string) error {
	return r.do(ctx, opHold, with("channelId", channel), nil)
}

// Unhold takes that back.
func (r *Requester) Unhold(ctx context.Context, channel string) error {
	return r.do(ctx, opUnhold, with("channelId", channel), nil)
}

// MusicOn plays music of a class, "" for the default, to a channel.
func (r *Requester) MusicOn(ctx context.Context, channel, class string) error {
	return r.do(ctx, opMusicOn, with("channelId", channel, "mohClass", class), nil)
}

// MusicOff stops it.
func (r *Requester) MusicOff(ctx context.Context, channel string) error {
	return r.do(ctx, opMusicOff, with("channelId", channel), nil)
}

// SendDTMF sends digits to the peer. It returns when Asterisk has taken them, not when they are sent.
func (r *Requester) SendDTMF(ctx context.Context, channel, digits string) error {
	return r.do(ctx, opDTMF, with("channelId", channel, "dtmf", digits), nil)
}

// Redirect sends the peer to another endpoint (302 before the answer, REFER after it).
func (r *Requester) Redirect(ctx context.Context, channel, endpoint string) error {
	return r.do(ctx, opRedirect, with("channelId", channel, "endpoint", endpoint), nil)
}

// TransferProgress tells the peer that asked for a transfer what becomes of it: channel_progress, channel_answered,
// channel_unavailable or channel_declined.
func (r *Requester) TransferProgress(ctx context.Context, channel, state string) error {
	return r.do(ctx, opTransferProgress, with("channelId", channel, "states", state), nil)
}

// Channel looks at one channel.
func (r *Requester) Channel(ctx context.Context, id string) (Channel, error) {
	var out Channel
	err := r.do(ctx, opChannel, with("channelId", id), &out)
	return out, err
}

// Channels lists all channels of the Asterisk, whosever they are.
func (r *Requester) Channels(ctx context.Context) ([]Channel, error) {
	var out []Channel
	err := r.do(ctx, opChannels, params{}, &out)
	return out, err
}

func (r *Requester) app(name string) string {
	if name == "" {
		return r.cfg.App
	}
	return name
}

func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
