package main

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/presence"
	"github.com/hubgate/hubgate/restapi"
	"github.com/hubgate/hubgate/settings"
)

// gateRefusal is why a request was refused by a setting about who may come in. The list is closed.
type gateRefusal string

const (
	gateStopped gateRefusal = "Stopped"
	gateClosed  gateRefusal = "PublicAccessDisabled"
	gateKind    gateRefusal = "NetworkRule"
	gateAddress gateRefusal = "IPRule"
)

func gateRefusals() []gateRefusal {
	return []gateRefusal{gateStopped, gateClosed, gateKind, gateAddress}
}

// gateRules are the settings about who may come in, as requests are compared with them.
type gateRules struct {
	open bool // nothing is refused
	settings.Access
	rules  []netRule
	allows bool // some rule allows
}

type netRule struct {
	network netip.Prefix
	allow   bool
}

func translateGate(a settings.Access) *gateRules {
	g := &gateRules{Access: a}
	for _, r := range a.IPRules {
		if network, err := settings.ParseNetwork(r.Network); err == nil { // validation has seen it
			g.rules = append(g.rules, netRule{network, r.Allow})
			g.allows = g.allows || r.Allow
		}
	}
	g.open = !a.Stopped && !a.Closed && !a.DenyByDefault && len(a.Deny) == 0 && len(g.rules) == 0
	return g
}

// refuses returns why a request of the kind is refused, "" if it is not.
func (g *gateRules) refuses(kind, address string) gateRefusal {
	switch {
	case g.Stopped:
		return gateStopped
	case g.Closed:
		return gateClosed
	case g.DenyByDefault && !slices.Contains(g.Allow, kind), !g.DenyByDefault && slices.Contains(g.Deny, kind):
		return gateKind
	case !g.takes(address):
		return gateAddress
	}
	return ""
}

// takes says whether the rules about addresses let the address in.
func (g *gateRules) takes(address string) bool {
	if len(g.rules) == 0 {
		return true
	}
	at, err := netip.ParseAddr(address)
	if err != nil {
		return !g.allows
	}
	for _, r := range g.rules {
		if r.network.Contains(at.Unmap()) {
			return r.allow
		}
	}
	return !g.allows
}

// kindOf returns the kind of a request, "" for one that everybody may make: health checks, and what is no part
// of the gateway.
func kindOf(u *url.URL) string {
	path := u.Path
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	first = "/" + first
	switch {
	case strings.EqualFold(first, auth.ClientPath), strings.EqualFold(first, auth.AspNetClientPath):
		return settings.ClientConnections
	case strings.EqualFold(first, auth.ServerPath), strings.EqualFold(first, auth.AspNetServerPath):
		return settings.ServerConnections
	case strings.EqualFold(first, tracePath):
		return settings.TraceConnections
	case presence.Handles(path):
		return settings.RESTRequests
	case restapi.Handles(path) && !restapi.IsHealth(u):
		return settings.RESTRequests
	}
	return ""
}

// tracePath is where live trace is.
const tracePath = "/livetrace"

// gate refuses requests by settings.
type gate struct {
	rules   func() *gateRules
	trusted []netip.Prefix
	cors    transport.CORS
	refused *counts.Counts[gateRefusal]
	lines   *logsum.Lines[gateLine]
}

type gateLine struct {
	reason gateRefusal
	kind   string
}

func (s *server) newGate() *gate {
	log := s.log.With("part", partClients)
	g := &gate{
		rules: func() *gateRules { return s.live.load().gate }, trusted: s.config.Proxies(),
		cors:    transport.CORS{Origins: func() []string { return s.live.load().source.CORS.AllowedOrigins }},
		refused: counts.New(gateRefusals()),
	}
	g.lines = logsum.New(func(of gateLine, times uint64) {
		log.Warn("refused by a setting", "reason", string(of.reason), "kind", of.kind, "times", times)
	})
	s.built.add("lines of the gate", ignoreContext(g.lines.Close))
	s.admin.WatchReasons("requests_refused_by_settings_total", "Requests that were refused by settings about who may come in, by reason.",
		func() map[string]uint64 { return byName(g.refused.Map()) })
	return g
}

// refuse answers a request that is refused, and says whether it was.
func (g *gate) refuse(w http.ResponseWriter, r *http.Request) bool {
	rules := g.rules()
	if rules.open {
		return false
	}
	kind := kindOf(r.URL)
	if kind == "" {
		return false
	}
	why := rules.refuses(kind, transport.ClientAddr(r, g.trusted))
	if why == "" {
		return false
	}
	g.refused.Add(why, 1)
	g.lines.Note(gateLine{why, kind})
	if kind == settings.ClientConnections {
		g.cors.Allow(w.Header(), r) // else a page would see an error of CORS
	}
	if why == gateStopped {
		w.Header().Set("Retry-After", "30")
		plain(w, http.StatusServiceUnavailable, "The gateway is stopped.\n")
		return true
	}
	plain(w, http.StatusForbidden, "The settings of the gateway do not let this request in.\n")
	return true
}
