package aritest

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// mediaMade counts the external-media channels of all stand-ins.
var mediaMade atomic.Uint32

func (st *state) doChannels(q Request, parts []string) (int, any) {
	switch {
	case len(parts) == 1 && q.Method == http.MethodGet:
		out := []object{}
		for _, c := range st.channels {
			out = append(out, c.view())
		}
		return http.StatusOK, out
	case len(parts) == 2 && q.Method == http.MethodPost:
		return st.makeChannel(q, parts[1])
	}
	c := st.channels[parts[1]]
	if c == nil {
		return refusal(http.StatusNotFound, "Channel not found")
	}
	switch {
	case len(parts) == 2 && q.Method == http.MethodGet:
		return http.StatusOK, c.view()
	case len(parts) == 2:
		cause, err := strconv.Atoi(q.Args["reason_code"])
		if err != nil {
			cause = 16
		}
		st.end(c, cause, 0, false)
		return done()
	case parts[2] == "variable":
		return st.variable(q, c)
	case !c.app && !c.media:
		return refusal(http.StatusConflict, "Channel not in Stasis application")
	}
	return st.verb(q, c, q.Method+" "+parts[2])
}

// verb is a command to a channel in the application.
func (st *state) verb(q Request, c *channel, verb string) (int, any) {
	switch verb {
	case "POST answer":
		st.turn(c, "Up")
	case "POST ring":
		st.turn(c, "Ringing")
	case "POST dial":
		c.dialled = true
		st.dialled(c, "")
	case "POST continue":
		st.leave(c)
		c.app = false
		st.tell("StasisEnd", c, nil)
	case "POST redirect":
		st.end(c, 16, 0, false)
	case "DELETE ring", "POST progress", "POST dtmf", "POST hold", "DELETE hold", "POST moh", "DELETE moh", "POST transfer_progress":
		if c.state != "Up" && verb == "POST dtmf" {
			return refusal(http.StatusPreconditionFailed, "Channel in invalid state")
		}
	default:
		return refusal(http.StatusNotFound, "Resource not found")
	}
	return done()
}

func (st *state) variable(q Request, c *channel) (int, any) {
	name := q.Args["variable"]
	if q.Method == http.MethodPost {
		c.vars[name] = q.Args["value"]
		return done()
	}
	value, ok := c.vars[name]
	if !ok && !strings.Contains(name, "(") {
		return refusal(http.StatusNotFound, "Provided variable was not found")
	}
	return http.StatusOK, object{"value": value}
}

// dialled tells how dialling a channel fares.
func (st *state) dialled(c *channel, status string) {
	st.s.tell(object{"type": "Dial", "peer": c.view(), "dialstatus": status, "dialstring": c.endpoint, "forward": ""})
}

// makeChannel serves create, externalMedia and originate.
func (st *state) makeChannel(q Request, name string) (int, any) {
	id := q.Args["channelId"]
	if name != "create" && name != "externalMedia" {
		id = name
	}
	if id == "" {
		id = strconv.FormatInt(time.Now().UnixNano(), 10) + ".1"
	}
	if st.channels[id] != nil {
		if name == "externalMedia" {
			return refusal(http.StatusInternalServerError, "Internal Server Error") // so does Asterisk
		}
		return refusal(http.StatusConflict, "Channel with given unique ID already exists")
	}
	c := &channel{id: id, state: "Down", endpoint: q.Args["endpoint"], vars: variablesOf(q), shown: map[string]string{}, created: time.Now()}
	c.name = c.endpoint + "-" + id
	st.channels[id] = c
	var args []string
	if q.Args["appArgs"] != "" {
		args = strings.Split(q.Args["appArgs"], ",")
	}
	switch name {
	case "create":
		st.enter(c, args)
	case "externalMedia":
		_, port, _ := net.SplitHostPort(st.s.sink.LocalAddr().String())
		n := mediaMade.Add(1)
		addr := netip.AddrFrom4([4]byte{127, 1, byte(n / 250), byte(1 + n%250)}).String() // each sends from an address of its own, as from a port of its own
		c.media, c.name = true, "UnicastRTP/"+q.Args["external_host"]
		c.shown = map[string]string{"UNICASTRTP_LOCAL_ADDRESS": addr, "UNICASTRTP_LOCAL_PORT": port}
		c.vars["UNICASTRTP_LOCAL_ADDRESS"], c.vars["UNICASTRTP_LOCAL_PORT"] = addr, port
		st.turn(c, "Up")
		st.enter(c, args)
	default:
		c.dialled, c.args = true, args
		st.dialled(c, "")
	}
	return http.StatusOK, c.view()
}

func (st *state) doBridges(q Request, parts []string) (int, any) {
	if len(parts) == 1 {
		out := []object{}
		for _, b := range st.bridges {
			out = append(out, b.view())
		}
		return http.StatusOK, out
	}
	b := st.bridges[parts[1]]
	switch {
	case len(parts) == 2 && q.Method == http.MethodPost:
		if b != nil {
			return refusal(http.StatusConflict, "Bridge with id '"+parts[1]+"' already exists")
		}
		b = &bridge{id: parts[1], kind: q.Args["type"], name: q.Args["name"]}
		st.bridges[b.id] = b
		return http.StatusOK, b.view()
	case b == nil:
		return refusal(http.StatusNotFound, "Bridge not found")
	case len(parts) == 2 && q.Method == http.MethodGet:
		return http.StatusOK, b.view()
	case len(parts) == 2:
		for _, id := range append([]string(nil), b.channels...) {
			st.leave(st.channels[id])
		}
		delete(st.bridges, b.id)
		st.s.tell(object{"type": "BridgeDestroyed", "bridge": b.view()})
		return done()
	}
	return st.join(q, b, parts[2])
}

func (st *state) join(q Request, b *bridge, verb string) (int, any) {
	for _, id := range strings.Split(q.Args["channel"], ",") {
		c := st.channels[id]
		switch {
		case c == nil:
			return refusal(http.StatusBadRequest, "Channel not found")
		case !c.app:
			return refusal(http.StatusUnprocessableEntity, "Channel not in Stasis application")
		case verb == "addChannel":
			if c.bridge == b.id {
				continue
			}
			st.leave(c)
			c.bridge = b.id
			b.channels = append(b.channels, id)
			st.tell("ChannelEnteredBridge", c, object{"bridge": b.view()})
		case c.bridge != b.id:
			return refusal(http.StatusUnprocessableEntity, "Channel not in this bridge")
		default:
			st.leave(c)
		}
	}
	return done()
}
