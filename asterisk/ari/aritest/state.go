package aritest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// channel is one as the stand-in keeps it.
type channel struct {
	id, name, state string
	number, title   string
	connected       string
	endpoint        string
	app             bool // in the application
	args            []string
	vars, shown     map[string]string
	dialled         bool
	media           bool
	created         time.Time
	bridge          string
}

// bridge is one as the stand-in keeps it.
type bridge struct {
	id, kind, name string
	channels       []string
}

// state is what there is. Its methods are called with the server's mu held.
type state struct {
	s         *Server
	channels  map[string]*channel
	bridges   map[string]*bridge
	globals   map[string]string
	endpoints map[string]string // "PJSIP/hl-carrier" → online
}

func newState(s *Server) *state {
	return &state{s: s, channels: map[string]*channel{}, bridges: map[string]*bridge{}, globals: map[string]string{}, endpoints: map[string]string{}}
}

type object = map[string]any

func refusal(status int, message string) (int, any) { return status, object{"message": message} }

func done() (int, any) { return http.StatusNoContent, nil }

func (c *channel) view() object {
	return object{
		"id": c.id, "protocol_id": "", "name": c.name, "state": c.state, "accountcode": "", "language": "en",
		"caller": object{"name": c.title, "number": c.number}, "connected": object{"name": "", "number": c.connected},
		"dialplan":     object{"context": "hotline-in", "exten": "s", "priority": 1, "app_name": "Stasis", "app_data": "hotline," + strings.Join(c.args, ",")},
		"creationtime": stamp(c.created), "channelvars": c.shown,
	}
}

func (b *bridge) view() object {
	return object{"id": b.id, "technology": "simple_bridge", "bridge_type": b.kind, "bridge_class": "stasis", "creator": "Stasis", "name": b.name,
		"channels": slices.Clone(b.channels), "video_mode": "none"}
}

// do does a request and answers it.
func (st *state) do(q Request) (int, any) {
	parts := strings.Split(strings.Trim(q.Path, "/"), "/")
	switch parts[0] {
	case "asterisk":
		return st.asterisk(q, parts)
	case "applications":
		return st.application(q, parts)
	case "channels":
		return st.doChannels(q, parts)
	case "bridges":
		return st.doBridges(q, parts)
	case "endpoints":
		return st.doEndpoints(parts)
	}
	return refusal(http.StatusNotFound, "Resource not found")
}

func (st *state) asterisk(q Request, parts []string) (int, any) {
	switch {
	case len(parts) == 2 && parts[1] == "info":
		return http.StatusOK, object{
			"system": object{"version": st.s.version, "entity_id": "02:00:00:00:00:01"},
			"status": object{"startup_time": stamp(st.s.started), "last_reload_time": stamp(st.s.started)},
		}
	case len(parts) == 2 && parts[1] == "variable":
		return http.StatusOK, object{"value": st.globals[q.Args["variable"]]}
	}
	return refusal(http.StatusNotFound, "Resource not found")
}

func (st *state) application(q Request, parts []string) (int, any) {
	if len(parts) < 2 || parts[1] != st.s.App || len(st.s.links) == 0 && !st.inApp() {
		return refusal(http.StatusNotFound, "Application not found")
	}
	channels, bridges := []string{}, []string{}
	for id, c := range st.channels {
		if c.app {
			channels = append(channels, id)
		}
	}
	for id := range st.bridges {
		bridges = append(bridges, id)
	}
	slices.Sort(channels)
	slices.Sort(bridges)
	return http.StatusOK, object{"name": st.s.App, "channel_ids": channels, "bridge_ids": bridges, "endpoint_ids": []string{}, "device_names": []string{}}
}

func (st *state) inApp() bool {
	for _, c := range st.channels {
		if c.app {
			return true
		}
	}
	return false
}

func (st *state) doEndpoints(parts []string) (int, any) {
	view := func(name, state string) object {
		tech, resource, _ := strings.Cut(name, "/")
		return object{"technology": tech, "resource": resource, "state": state, "channel_ids": []string{}}
	}
	if len(parts) == 3 {
		name := parts[1] + "/" + parts[2]
		if state, ok := st.endpoints[name]; ok {
			return http.StatusOK, view(name, state)
		}
		return refusal(http.StatusNotFound, "Endpoint not found")
	}
	out := []object{}
	for name, state := range st.endpoints {
		out = append(out, view(name, state))
	}
	return http.StatusOK, out
}

// variablesOf reads the variables of a JSON body.
func variablesOf(q Request) map[string]string {
	var body struct {
		Variables map[string]string `json:"variables"`
	}
	_ = json.Unmarshal([]byte(q.Body), &body)
	if body.Variables == nil {
		return map[string]string{}
	}
	return body.Variables
}

// tell tells an event of a channel.
func (st *state) tell(kind string, c *channel, more object) {
	e := object{"type": kind, "channel": c.view()}
	for k, v := range more {
		e[k] = v
	}
	st.s.tell(e)
}

// turn changes a channel's state and tells it.
func (st *state) turn(c *channel, to string) {
	if c.state != to {
		c.state = to
		st.tell("ChannelStateChange", c, nil)
	}
}

// enter brings a channel into the application.
func (st *state) enter(c *channel, args []string) {
	c.app, c.args = true, args
	if args == nil {
		args = []string{}
	}
	st.tell("StasisStart", c, object{"args": args})
}

// end ends a channel as Asterisk does: out of its bridge, out of the application, gone.
func (st *state) end(c *channel, cause, sip int, peer bool) {
	if !peer {
		st.tell("ChannelHangupRequest", c, object{"cause": 32, "soft": true})
	} else {
		st.tell("ChannelHangupRequest", c, object{"cause": cause, "tech_cause": sip})
	}
	st.leave(c)
	if c.app {
		c.app = false
		st.tell("StasisEnd", c, nil)
	}
	delete(st.channels, c.id)
	st.tell("ChannelDestroyed", c, object{"cause": cause, "cause_txt": "", "tech_cause": sip})
}

// leave takes a channel out of its bridge.
func (st *state) leave(c *channel) {
	b := st.bridges[c.bridge]
	if b == nil {
		return
	}
	b.channels = slices.DeleteFunc(b.channels, func(id string) bool { return id == c.id })
	c.bridge = ""
	st.tell("ChannelLeftBridge", c, object{"bridge": b.view()})
}
