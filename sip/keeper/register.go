package keeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"hotline"
	"hotline/sip/resolve"
	"hotline/trunks"
	"hotline/trunks/digest"
	"hotline/trunks/header"
)

// registration keeps us registered on one trunk (RFC 3261, section 10.2).
type registration struct {
	k        *Keeper
	l        *line
	id       *ident
	expires  int
	failures int
}

const (
	defaultExpires = 3600
	maxExpires     = 86_400
	maxRetry       = 5 * time.Minute
)

func newRegistration(k *Keeper, l *line) *registration {
	r := &registration{k: k, l: l, id: newIdent(), expires: l.trunk.Settings.Register.ExpiresS}
	if r.expires == 0 {
		r.expires = defaultExpires
	}
	return r
}

// run registers, refreshes in time and tries again after failures until ctx ends; then it unregisters.
func (r *registration) run(ctx context.Context) {
	for {
		granted, err := r.register(ctx, r.expires)
		if ctx.Err() != nil {
			break
		}
		r.k.mu.Lock()
		r.l.registered = err == nil
		r.l.err = nil
		if err != nil {
			r.l.err = troubleOf(err)
			r.l.routes = nil
		}
		r.k.judge(r.l)
		r.k.mu.Unlock()
		if err == nil {
			r.failures = 0
			pause(ctx, refreshAfter(granted))
			continue
		}
		r.failures++
		r.k.log.Warn("registration failed", "trunk", r.l.trunk.Name, "err", err, "cause", errors.Unwrap(err), "failures", r.failures)
		pause(ctx, retryAfter(r.failures, err))
	}
	r.leave(ctx)
}

// leave takes the registration back. A registrar that does not answer is not waited for: it will forget us.
func (r *registration) leave(ctx context.Context) {
	r.k.mu.Lock()
	was := r.l.registered
	r.l.registered = false
	r.k.mu.Unlock()
	if !was {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := r.register(ctx, 0); err != nil {
		r.k.log.Debug("registration could not be taken back", "trunk", r.l.trunk.Name, "err", err)
	}
}

// refreshAfter is when to register again: early enough for several tries, not all trunks at the same moment.
func refreshAfter(granted time.Duration) time.Duration {
	d := granted * 3 / 4
	return max(time.Second, d-time.Duration(rand.Int64N(int64(d)/10+1)))
}

// retryAfter waits longer with each failure (RFC 5626, section 4.5), with a spread, and at least as long as the registrar asked for.
func retryAfter(failures int, err error) time.Duration {
	d := min(maxRetry, 2*time.Second<<min(failures-1, 10))
	d = d/2 + time.Duration(rand.Int64N(int64(d)/2+1))
	var told *registerError
	if errors.As(err, &told) && told.after > d {
		d = min(told.after, time.Hour)
	}
	return d
}

// registerError is a final response other than 200.
type registerError struct {
	status int
	reason string
	after  time.Duration // Retry-After
}

func (e *registerError) code() string {
	switch e.status {
	case 401, 407, 403:
		return "trunk.login_refused"
	case 404:
		return "trunk.user_unknown"
	case 503:
		return "trunk.overloaded"
	}
	return "trunk.register_refused"
}

func (e *registerError) Error() string {
	mend := ""
	switch e.status {
	case 401, 407, 403:
		mend = ": user name or password may be wrong"
	case 404:
		mend = ": the registrar does not know the user"
	case 503:
		mend = ": the registrar is overloaded or down for maintenance"
	}
	return fmt.Sprintf("REGISTER was answered %d %s%s", e.status, e.reason, mend)
}

// register sends one REGISTER to the registrar's addresses in order until one answers, with as many rounds as credentials and a too
// brief interval (423) need.
func (r *registration) register(ctx context.Context, expires int) (time.Duration, error) {
	reg := r.l.trunk.Settings.Register
	_, _, transport := r.l.trunk.Target()
	host, port, err := trunks.HostPort(reg.Registrar)
	if err != nil {
		return 0, err
	}
	addrs, err := resolve.Host(ctx, host, port, transport)
	if err != nil {
		return 0, err
	}
	for _, to := range addrs {
		var res *sipmsg.Response
		req := r.request(host, transport, expires, to)
		for round := 0; ; round++ {
			if res, err = r.k.exchange(ctx, req, to, transport); err != nil || round == 3 {
				break
			}
			again := r.again(req, res, &expires, host, transport, to)
			if again == nil {
				break
			}
			req = again
		}
		if err == nil && res.StatusCode != 503 {
			return r.result(res, expires)
		}
		if err == nil {
			err = failure(res)
		}
		if ctx.Err() != nil {
			return 0, err
		}
	}
	return 0, err
}

func (r *registration) request(host, transport string, expires int, to netip.AddrPort) *sipmsg.Request {
	reg := r.l.trunk.Settings.Register
	aor := "sip:" + header.User(reg.Username) + "@" + host
	req := r.id.request(sipmsg.REGISTER, sipmsg.Uri{Scheme: "sip", Host: host}, aor, r.k.contact(r.l, transport, to))
	req.AppendHeader(sipmsg.NewHeader("Expires", strconv.Itoa(expires)))
	req.AppendHeader(sipmsg.NewHeader("Supported", "path"))
	return req
}

// again returns the request that a response asks for, or nil when it is the last word.
func (r *registration) again(sent *sipmsg.Request, res *sipmsg.Response, expires *int, host, transport string, to netip.AddrPort) *sipmsg.Request {
	switch res.StatusCode {
	case 401, 407:
		// A challenge to an answer says that it was wrong, unless only the nonce was too old.
		if sent.GetHeader("Authorization") != nil || sent.GetHeader("Proxy-Authorization") != nil {
			if !staleChallenge(res) {
				return nil
			}
		}
		next := r.request(host, transport, *expires, to)
		r.learnRealm(res)
		if err := r.k.Authorize(&r.l.trunk, next, res); err != nil {
			r.k.log.Warn("challenge of the registrar not answered", "trunk", r.l.trunk.Name, "err", err)
			return nil
		}
		return next
	case 423: // Interval Too Brief
		h := res.GetHeader("Min-Expires")
		if h == nil || *expires == 0 {
			return nil
		}
		least, err := strconv.Atoi(strings.TrimSpace(h.Value()))
		if err != nil || least <= *expires || least > maxExpires {
			return nil
		}
		*expires, r.expires = least, least
		return r.request(host, transport, least, to)
	}
	return nil
}

// learnRealm remembers what realm the registrar asks for, the first time: only that one is answered on this trunk later.
func (r *registration) learnRealm(res *sipmsg.Response) {
	realms := digest.Realms(challenges(res))
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	if len(realms) > 0 && r.l.realm == "" {
		r.l.realm = realms[0]
	}
}

// result reads a final response: for 200 how long we are registered, and the Service-Route.
func (r *registration) result(res *sipmsg.Response, expires int) (time.Duration, error) {
	if !res.IsSuccess() {
		return 0, failure(res)
	}
	granted := expires
	if h := res.GetHeader("Expires"); h != nil {
		if n, err := strconv.Atoi(strings.TrimSpace(h.Value())); err == nil {
			granted = n
		}
	}
	for _, h := range res.GetHeaders("Contact") {
		for _, a := range header.Addresses(h.Value()) {
			if n, ok := contactExpires(a.Params); ok && strings.EqualFold(a.User, trunks.ContactToken(&r.l.trunk)) {
				granted = n
			}
		}
	}
	if expires > 0 && granted < 1 {
		return 0, hotline.Errorf(hotline.Unavailable, "trunk.not_kept", "the registrar said 200 but did not keep our contact")
	}
	var routes []string
	for _, h := range res.GetHeaders("Service-Route") {
		for _, a := range header.Addresses(h.Value()) {
			routes = append(routes, "<"+header.Clean(a.URI)+">")
		}
	}
	r.k.mu.Lock()
	r.l.routes = routes
	r.k.mu.Unlock()
	return time.Duration(min(granted, maxExpires)) * time.Second, nil
}

func contactExpires(params string) (int, bool) {
	for _, p := range strings.Split(params, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(strings.TrimSpace(k), "expires") {
			n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(v), `"`))
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}

func failure(res *sipmsg.Response) error {
	e := &registerError{status: res.StatusCode, reason: header.Cut(res.Reason, 80)}
	if h := res.GetHeader("Retry-After"); h != nil {
		text, _, _ := strings.Cut(h.Value(), "(")
		text, _, _ = strings.Cut(text, ";")
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n > 0 {
			e.after = time.Duration(min(n, 86_400)) * time.Second
		}
	}
	return e
}

func staleChallenge(res *sipmsg.Response) bool {
	for _, c := range challenges(res) {
		if strings.Contains(strings.ToLower(strings.ReplaceAll(c, `"`, "")), "stale=true") {
			return true
		}
	}
	return false
}

func challenges(res *sipmsg.Response) []string {
	name := "WWW-Authenticate"
	if res.StatusCode == 407 {
		name = "Proxy-Authenticate"
	}
	var out []string
	for _, h := range res.GetHeaders(name) {
		out = append(out, h.Value())
	}
	return out
}

// Authorize adds to a request the answer to the challenge of a 401 or 407. The realm must be the trunk's own: the challenge may come
// from whoever is called, and an answer is as good as a password to somebody who can guess.
func (k *Keeper) Authorize(t *trunks.Trunk, req *sipmsg.Request, res *sipmsg.Response) error {
	k.mu.Lock()
	shown := ""
	if l := k.lines[t.ID]; l != nil {
		shown = l.realm
	}
	k.mu.Unlock()
	asked := challenges(res)
	for _, realm := range digest.Realms(asked) {
		user, password, ok := t.Login(realm, shown)
		if !ok {
			continue
		}
		value, err := digest.Answer(asked, digest.Login{Username: user, Password: password, Realm: realm}, req.Method.String(), req.Recipient.String())
		if err != nil {
			return err
		}
		name := "Authorization"
		if res.StatusCode == 407 {
			name = "Proxy-Authorization"
		}
		req.RemoveHeader(name)
		req.AppendHeader(sipmsg.NewHeader(name, header.Clean(value)))
		return nil
	}
	return hotline.Errorf(hotline.Denied, "trunk.foreign_challenge", "the challenge is not from trunk %s's own realm; it is not answered", t.Name)
}
