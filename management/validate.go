package management

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hubgate/hubgate/settings"
)

// Bounds of Azure.
const (
	maxFlagValue   = 128
	maxTimer       = 120
	maxIPRules     = 30
	maxRules       = 10
	minWindow      = 10
	maxWindow      = 3600
	maxLifetime    = 604800
	maxTags        = 50
	maxInboundSize = 1 << 40
)

// Words of the document, as it spells them. In any letter case they are the same.
var (
	modes      = []string{"Default", "Serverless", "Classic"}
	bools      = []string{"true", "false"}
	actions    = []string{"Allow", "Deny"}
	switches   = []string{"Enabled", "Disabled"}
	categories = []string{settings.ConnectivityLogs, settings.MessagingLogs, settings.HTTPRequestLogs}
	authTypes  = []string{"None", "ManagedIdentity"}
)

const (
	managedIdentity = "ManagedIdentity"
	allow           = "Allow"
	deny            = "Deny"
)

// countTypes and trafficTypes are the types of rules and what they count by.
var (
	countTypes = map[string]string{
		"ThrottleByJwtSignatureRule": settings.ByToken, "ThrottleByUserIdRule": settings.ByUser, "ThrottleByJwtCustomClaimRule": settings.ByClaim,
	}
	trafficTypes = map[string]string{
		"TrafficThrottleByJwtSignatureRule": settings.ByToken, "TrafficThrottleByUserIdRule": settings.ByUser, "TrafficThrottleByJwtCustomClaimRule": settings.ByClaim,
	}
)

// validate says what is wrong with the document alone. The error is an *InvalidError with all fields.
func (d *Document) validate() error {
	var p problems
	if len(d.Tags) > maxTags {
		p.add("tags", "has %d entries, more than %d", len(d.Tags), maxTags)
	}
	properties := &d.Properties
	p.features(properties.Features)
	p.serverless(properties.Serverless)
	p.upstream(properties.Upstream)
	p.access(&properties.Access)
	p.firewall(properties.Firewall)
	p.logs(&properties.Logs)
	p.word("properties.resourceStopped", properties.Stopped, bools)
	p.word("properties.regionEndpointEnabled", properties.RegionEndpointEnabled, switches)
	if h := bytes.TrimSpace(properties.Hubgate); len(h) > 0 && h[0] != '{' {
		p.add("properties.hubgate", "must be an object")
	}
	return p.err()
}

// word says that a text is none of the words; an empty one is not set.
func (p *problems) word(path, text string, words []string) {
	if text != "" && !slices.ContainsFunc(words, func(w string) bool { return equalFold(w, text) }) {
		p.add(path, "must be %s, not %q", orList(words), text)
	}
}

func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// needed is word for a text that has to be there.
func (p *problems) needed(path, text string, words []string) {
	if text == "" {
		p.add(path, "is missing: it is %s", orList(words))
		return
	}
	p.word(path, text, words)
}

// between says that a number is out of bounds; nil is not set.
func between[N int | int64](p *problems, path string, n *N, least, most N) {
	if n != nil && (*n < least || *n > most) {
		p.add(path, "must be between %d and %d, not %d", least, most, *n)
	}
}

func (p *problems) features(features []Feature) {
	const path = "properties.features"
	seen := make(map[string]bool)
	for i, f := range features {
		at := fmt.Sprintf("%s[%d]", path, i)
		if f.Flag == "" {
			p.add(at+".flag", "is missing")
		}
		if n := utf8.RuneCountInString(f.Value); n == 0 || n > maxFlagValue {
			p.add(at+".value", "must have 1 to %d characters, not %d", maxFlagValue, n)
			continue
		}
		if seen[strings.ToLower(f.Flag)] {
			p.add(at+".flag", "%q is there twice", f.Flag)
		}
		seen[strings.ToLower(f.Flag)] = true
		switch {
		case equalFold(f.Flag, FlagServiceMode):
			p.word(at+".value", f.Value, modes)
		case equalFold(f.Flag, FlagConnectivityLogs), equalFold(f.Flag, FlagMessagingLogs), equalFold(f.Flag, FlagLiveTrace):
			p.word(at+".value", f.Value, bools)
		}
	}
}

func (p *problems) serverless(s *Serverless) {
	if s == nil {
		return
	}
	between(p, "properties.serverless.connectionTimeoutInSeconds", s.ConnectionTimeout, 1, maxTimer)
	between(p, "properties.serverless.keepAliveIntervalInSeconds", s.KeepAlive, 1, maxTimer)
}

func (p *problems) upstream(u *Upstream) {
	if u == nil {
		return
	}
	for i, t := range u.Templates {
		at := fmt.Sprintf("properties.upstream.templates[%d]", i)
		if t.URLTemplate == "" {
			p.add(at+".urlTemplate", "is missing")
		}
		if t.Auth != nil {
			p.word(at+".auth.type", t.Auth.Type, authTypes)
		}
	}
}

func (p *problems) access(a *Access) {
	p.word("properties.publicNetworkAccess", a.PublicNetworkAccess, switches)
	acls := a.NetworkACLs
	if acls == nil {
		return
	}
	const path = "properties.networkACLs"
	p.word(path+".defaultAction", acls.DefaultAction, actions)
	if acls.PublicNetwork != nil {
		p.kinds(path+".publicNetwork.allow", acls.PublicNetwork.Allow)
		p.kinds(path+".publicNetwork.deny", acls.PublicNetwork.Deny)
	}
	for i, e := range acls.PrivateEndpoints {
		p.kinds(fmt.Sprintf("%s.privateEndpoints[%d].allow", path, i), e.Allow)
		p.kinds(fmt.Sprintf("%s.privateEndpoints[%d].deny", path, i), e.Deny)
	}
	if n := len(acls.IPRules); n > maxIPRules {
		p.add(path+".ipRules", "has %d entries, more than %d", n, maxIPRules)
	}
	for i, r := range acls.IPRules {
		at := fmt.Sprintf("%s.ipRules[%d]", path, i)
		if _, err := settings.ParseNetwork(r.Value); err != nil {
			p.add(at+".value", "%q is neither an address nor a network in CIDR notation; names of service tags are not known here", r.Value)
		}
		p.needed(at+".action", r.Action, actions)
	}
}

func (p *problems) kinds(path string, kinds []string) {
	for i, kind := range kinds {
		p.needed(fmt.Sprintf("%s[%d]", path, i), kind, settings.RequestKinds())
	}
}

func (p *problems) firewall(f *Firewall) {
	if f == nil {
		return
	}
	const path = "properties.applicationFirewall"
	between(p, path+".maxClientConnectionLifetimeInSeconds", f.MaxClientConnectionLifetime, 0, maxLifetime)
	counts, traffic := path+".clientConnectionCountRules", path+".clientTrafficControlRules"
	p.atMost(counts, len(f.ClientConnectionCountRules))
	p.atMost(traffic, len(f.ClientTrafficControlRules))
	for i, r := range f.ClientConnectionCountRules {
		at := fmt.Sprintf("%s[%d]", counts, i)
		p.rule(at, r.Type, r.ClaimName, countTypes)
		between(p, at+".maxCount", r.MaxCount, 1, 100_000_000)
	}
	for i, r := range f.ClientTrafficControlRules {
		at := fmt.Sprintf("%s[%d]", traffic, i)
		p.rule(at, r.Type, r.ClaimName, trafficTypes)
		between(p, at+".maxInboundMessageBytes", r.MaxInboundMessageBytes, 1, maxInboundSize)
		between(p, at+".aggregationWindowInSeconds", r.AggregationWindow, minWindow, maxWindow)
	}
}

func (p *problems) atMost(path string, n int) {
	if n > maxRules {
		p.add(path, "has %d entries, more than %d", n, maxRules)
	}
}

// rule checks the type of a rule, and that the name of a claim is there if, and only if, it counts by one.
func (p *problems) rule(path, typ, claim string, types map[string]string) {
	by, ok := typeOf(typ, types)
	switch {
	case !ok:
		p.needed(path+".type", typ, sortedKeys(types))
	case by == settings.ByClaim && claim == "":
		p.add(path+".claimName", "is missing")
	case by != settings.ByClaim && claim != "":
		p.add(path+".claimName", "is not for this type of rule")
	}
}

func (p *problems) logs(l *Logs) {
	if t := l.LiveTrace; t != nil {
		p.word("properties.liveTraceConfiguration.enabled", t.Enabled, bools)
		p.categories("properties.liveTraceConfiguration.categories", t.Categories)
	}
	if r := l.ResourceLog; r != nil {
		p.categories("properties.resourceLogConfiguration.categories", r.Categories)
	}
}

func (p *problems) categories(path string, list []LogCategory) {
	for i, c := range list {
		p.needed(fmt.Sprintf("%s[%d].name", path, i), c.Name, categories)
		p.word(fmt.Sprintf("%s[%d].enabled", path, i), c.Enabled, bools)
	}
}
