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
func (c *Client) Answer(ctx context.Context, channel string) error {
	return c.do(ctx, opAnswer, with("channelId", channel), nil)
}

// Ring tells the caller that it rings.
func (c *Client) Ring(ctx context.Context, channel string) error {
	return c.do(ctx, opRing, with("channelId", channel), nil)
}

// RingStop takes that back.
func (c *Client) RingStop(ctx context.Context, channel string) error {
	return c.do(ctx, opRingStop, with("channelId", channel), nil)
}

// Progress opens early media (183).
func (c *Client) Progress(ctx context.Context, channel string) error {
	return c.do(ctx, opProgress, with("channelId", channel), nil)
}

// Hangup ends a channel with a Q.850 cause; 0 means 16.
func (c *Client) Hangup(ctx context.Context, channel string, q850 int) error {
	if q850 <= 0 {
		q850 = 16
	}
	return c.do(ctx, opHangup, with("channelId", channel, "reason_code", strconv.Itoa(q850)), nil)
}

// Continue gives a channel back to the dialplan.
func (c *Client) Continue(ctx context.Context, channel, context, exten string, priority int) error {
	return c.do(ctx, opContinue, with("channelId", channel, "context", context, "extension", exten, "priority", strconv.Itoa(priority)), nil)
}

// Create makes a channel that is in the application at once and is dialled by [Client.Dial].
func (c *Client) Create(ctx context.Context, ch CreateChannel) (Channel, error) {
	var out Channel
	err := c.do(ctx, opCreate, with("channelId", ch.ID, "endpoint", ch.Endpoint, "app", c.app(ch.App), "appArgs", strings.Join(ch.Args, ","),
		"originator", ch.Originator, "formats", ch.Formats).variables(ch.Variables), &out)
	return out, err
}

// Dial dials a channel that was created. 0 means no limit.
func (c *Client) Dial(ctx context.Context, channel string, timeout time.Duration) error {
	return c.do(ctx, opDial, with("channelId", channel, "timeout", seconds(timeout)), nil)
}

// Originate makes a channel and dials it; it enters the application when it is answered.
func (c *Client) Originate(ctx context.Context, ch CreateChannel) (Channel, error) {
	var out Channel
	err := c.do(ctx, opOriginate, with("channelId", ch.ID, "endpoint", ch.Endpoint, "app", c.app(ch.App), "appArgs", strings.Join(ch.Args, ","),
		"callerId", ch.CallerID, "timeout", seconds(ch.Timeout), "originator", ch.Originator, "formats", ch.Formats).variables(ch.Variables), &out)
	return out, err
}

// ExternalMedia makes a channel whose audio goes to and comes from us. The answer's Variables say where it listens.
func (c *Client) ExternalMedia(ctx context.Context, m ExternalMedia) (Channel, error) {
	var out Channel
	err := c.do(ctx, opExternalMedia, with("channelId", m.ID, "app", c.app(m.App), "external_host", m.Host, "encapsulation", m.Encapsulation,
		"transport", m.Transport, "connection_type", m.ConnectionType, "format", m.Format, "data", m.Data,
		"transport_data", m.TransportData).variables(m.Variables), &out)
	return out, err
}

// Variable returns a channel's variable or the result of a dialplan function: CALLERID(num-pres), say. One that is not set is Gone.
func (c *Client) Variable(ctx context.Context, channel, name string) (string, error) {
	var out struct {
		Value string `json:"value"`
	}
	err := c.do(ctx, opGet, with("channelId", channel, "variable", name), &out)
	return out.Value, err
}

// SetVariable sets a channel's variable.
func (c *Client) SetVariable(ctx context.Context, channel, name, value string) error {
	return c.do(ctx, opSet, with("channelId", channel, "variable", name, "value", value), nil)
}

// Hold tells the peer that it is on hold.
func (c *Client) Hold(ctx context.Context, channel string) error {
	return c.do(ctx, opHold, with("channelId", channel), nil)
}

// Unhold takes that back.
func (c *Client) Unhold(ctx context.Context, channel string) error {
	return c.do(ctx, opUnhold, with("channelId", channel), nil)
}

// MusicOn plays music of a class, "" for the default, to a channel.
func (c *Client) MusicOn(ctx context.Context, channel, class string) error {
	return c.do(ctx, opMusicOn, with("channelId", channel, "mohClass", class), nil)
}

// MusicOff stops it.
func (c *Client) MusicOff(ctx context.Context, channel string) error {
	return c.do(ctx, opMusicOff, with("channelId", channel), nil)
}

// SendDTMF sends digits to the peer. It returns when Asterisk has taken them, not when they are sent.
func (c *Client) SendDTMF(ctx context.Context, channel, digits string) error {
	return c.do(ctx, opDTMF, with("channelId", channel, "dtmf", digits), nil)
}

// Redirect sends the peer to another endpoint (302 before the answer, REFER after it).
func (c *Client) Redirect(ctx context.Context, channel, endpoint string) error {
	return c.do(ctx, opRedirect, with("channelId", channel, "endpoint", endpoint), nil)
}

// TransferProgress tells the peer that asked for a transfer what becomes of it: channel_progress, channel_answered,
// channel_unavailable or channel_declined.
func (c *Client) TransferProgress(ctx context.Context, channel, state string) error {
	return c.do(ctx, opTransferProgress, with("channelId", channel, "states", state), nil)
}

// Channel looks at one channel.
func (c *Client) Channel(ctx context.Context, id string) (Channel, error) {
	var out Channel
	err := c.do(ctx, opChannel, with("channelId", id), &out)
	return out, err
}

// Channels lists all channels of the Asterisk, whosever they are.
func (c *Client) Channels(ctx context.Context) ([]Channel, error) {
	var out []Channel
	err := c.do(ctx, opChannels, params{}, &out)
	return out, err
}

func (c *Client) app(name string) string {
	if name == "" {
		return c.cfg.App
	}
	return name
}

func seconds(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
