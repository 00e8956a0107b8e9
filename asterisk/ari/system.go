package ari

import (
	"context"
	"strings"
)

// CreateBridge makes a bridge with an id of ours. The type is "mixing", with attributes behind commas.
func (r *Requester) CreateBridge(ctx context.Context, id, kind string) (Bridge, error) {
	var out Bridge
	err := r.do(ctx, opCreateBridge, with("bridgeId", id, "type", kind, "name", id), &out)
	return out, err
}

// AddToBridge puts channels into a bridge; one that is there already stays. They do not learn who else is there: a trunk that shows
// identities would be sent a re-INVITE for it.
func (r *Requester) AddToBridge(ctx context.Context, bridge string, channels ...string) error {
	return r.do(ctx, opAdd, with("bridgeId", bridge, "channel", strings.Join(channels, ","), "inhibitConnectedLineUpdates", "true"), nil)
}

// RemoveFromBridge takes channels out of a bridge. One that is not there is Unprocessable.
func (r *Requester) RemoveFromBridge(ctx context.Context, bridge string, channels ...string) error {
	return r.do(ctx, opRemove, with("bridgeId", bridge, "channel", strings.Join(channels, ",")), nil)
}

// DestroyBridge ends a bridge; its channels stay.
func (r *Requester) DestroyBridge(ctx context.Context, bridge string) error {
	return r.do(ctx, opDestroyBridge, with("bridgeId", bridge), nil)
}

// Bridge looks at one bridge.
func (r *Requester) Bridge(ctx context.Context, id string) (Bridge, error) {
	var out Bridge
	err := r.do(ctx, opBridge, with("bridgeId", id), &out)
	return out, err
}

// Bridges lists all bridges of the Asterisk, whosever they are.
func (r *Requester) Bridges(ctx context.Context) ([]Bridge, error) {
	var out []Bridge
	err := r.do(ctx, opBridges, params{}, &out)
	return out, err
}

// Endpoints lists all devices and trunks.
func (r *Requester) Endpoints(ctx context.Context) ([]Endpoint, error) {
	var out []Endpoint
	err := r.do(ctx, opEndpoints, params{}, &out)
	return out, err
}

// Endpoint looks at one: "PJSIP", "hl-carrier".
func (r *Requester) Endpoint(ctx context.Context, tech, resource string) (Endpoint, error) {
	var out Endpoint
	err := r.do(ctx, opEndpoint, with("tech", tech, "resource", resource), &out)
	return out, err
}

// Application says what Asterisk counts as ours.
func (r *Requester) Application(ctx context.Context) (Application, error) {
	var out Application
	err := r.do(ctx, opApplication, with("applicationName", r.cfg.App), &out)
	return out, err
}

// Subscribe asks for the events of something that is not in the application: "endpoint:PJSIP/hl-carrier", "channel:ID", "bridge:ID".
// It ends with the connection; ask again in [Handler].Up.
func (r *Requester) Subscribe(ctx context.Context, source string) error {
	return r.do(ctx, opSubscribe, with("applicationName", r.cfg.App, "eventSource", source), nil)
}

// Unsubscribe takes that back.
func (r *Requester) Unsubscribe(ctx context.Context, source string) error {
	return r.do(ctx, opUnsubscribe, with("applicationName", r.cfg.App, "eventSource", source), nil)
}

// Asterisk asks for version and times.
func (r *Requester) Asterisk(ctx context.Context) (Info, error) {
	var out wireInfo
	err := r.do(ctx, opInfo, params{}, &out)
	return out.info(), err
}

// GetVariable returns a global variable or the result of a dialplan function that needs no channel.
func (r *Requester) GetVariable(ctx context.Context, name string) (string, error) {
	var out struct {
		Value string `json:"value"`
	}
	err := r.do(ctx, opGlobal, with("variable", name), &out)
	return out.Value, err
}

// wireInfo is the answer to asterisk/info.
type wireInfo struct {
	System struct {
		Version  string `json:"version"`
		EntityID string `json:"entity_id"`
	} `json:"system"`
	Status struct {
		Started  Time `json:"startup_time"`
		Reloaded Time `json:"last_reload_time"`
	} `json:"status"`
}

func (w wireInfo) info() Info {
	return Info{Warnings: Known(w.System.Version), Version: w.System.Version, EntityID: w.System.EntityID, Started: w.Status.Started.Time, Reloaded: w.Status.Reloaded.Time}
}
