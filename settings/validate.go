package settings

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/hubname"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/webhook"
)

const (
	maxTemplates    = 256
	maxPatternBytes = 4 * kib
	maxListEntries  = 256
	minKeyBytes     = 32 // RFC 7518, 3.2: HS256 needs as much, and .NET refuses less
	maxKeyBytes     = 256
	maxTimer        = 24 * time.Hour
	maxGrace        = 5 * time.Minute
	maxHubs         = 1000
	maxByteBound    = 1 << 40
	// minInput is less than any message of the protocols has: under it nothing works.
	minInput = 64
	// minOutbox and minHardBytes are so little that nobody who reads is cut off for it.
	minOutbox    = 1 * kib
	minHardBytes = 64 * kib
	minServerMsg = 1 * kib // a hub server's handshake, and a client's claims
	maxCount     = 100_000_000
)

// Validate returns nil or all that is wrong, joined. Each error begins with
// the name of the setting as the configuration file spells it; none holds a
// key or a URL template.
func (s Settings) Validate() error {
	var p problems
	p.checkMode("mode", s.Mode)
	p.checkHubs(s.Hubs)
	p.checkKeys(s.Keys)
	p.checkUpstream(&s.Upstream)
	p.checkOrigins(s.CORS.AllowedOrigins)
	p.checkCapacity(s.Limits.Capacity)
	p.checkSizes(s.Limits.Sizes)
	p.checkUnfinished(&s.Limits)
	p.checkClients(s.Clients)
	p.checkAspNet(s.AspNet)
	p.checkServers(s.Servers)
	p.checkAuth(s.Auth)
	p.checkPresence(s.Presence)
	p.checkREST(s.REST)
	p.checkOIDC(&s.OIDC)
	p.checkLocalKeys(&s)
	p.checkRules(s.Limits.Rules)
	p.checkAccess(&s.Access)
	p.checkFirewall(&s.Firewall)
	p.checkTrace(&s.Trace)
	return errors.Join(p...)
}

// problems collects what is wrong.
type problems []error

func (p *problems) add(name, format string, args ...any) {
	*p = append(*p, fmt.Errorf(name+": "+format, args...))
}

// wrap adds the error if there is one.
func (p *problems) wrap(name string, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("%s: %w", name, err))
	}
}

func (p *problems) checkMode(name string, m Mode) {
	p.wrap(name, checkWord(m, Modes()))
}

func (p *problems) checkHubs(hubs map[string]Hub) {
	if n := len(hubs); n > maxHubs {
		p.add("hubs", "has %d entries, more than %d", n, maxHubs)
		return
	}
	for _, hub := range slices.Sorted(maps.Keys(hubs)) {
		switch err := hubname.Check(hub); {
		case err != nil:
			p.add("hubs", "%q is %v", hub, err)
		case hub != strings.ToLower(hub):
			p.add("hubs", "%q must be in lower case", hub)
		case hubs[hub].Mode != "":
			p.checkMode("hubs."+hub+".mode", hubs[hub].Mode)
		}
	}
}

func (p *problems) checkKeys(k Keys) {
	if k.Primary == "" {
		p.add("accessKey", "is not set")
	} else {
		p.checkKey("accessKey", k.Primary)
	}
	if k.Secondary != "" {
		p.checkKey("secondaryKey", k.Secondary)
	}
}

func (p *problems) checkKey(name string, key secret.Text) {
	if n := len(key); n < minKeyBytes || n > maxKeyBytes {
		p.add(name, "must have %d to %d bytes, not %d", minKeyBytes, maxKeyBytes, n)
	}
	// A connection string is a list of name=value pairs joined by semicolons.
	unprintable := func(r rune) bool { return r <= ' ' || r == ';' || r >= 0x7f }
	if strings.ContainsFunc(string(key), unprintable) {
		p.add(name, "may hold only printable ASCII without spaces and semicolons")
	}
}

func (p *problems) checkUpstream(u *Upstream) {
	p.duration("upstream.timeout", u.Timeout, time.Millisecond, maxTimer)
	p.size("upstream.maxResponseBytes", u.MaxResponseBytes, minInput, maxByteBound)
	p.wrap("upstream.unmatched", checkWord(u.Unmatched, unmatched))
	p.wrap("upstream.rejection", checkWord(u.Rejection, rejections))
	p.count("upstream.maxConcurrentPerOrigin", u.MaxConcurrentPerOrigin, 1)
	p.count("upstream.queuePerConnection", u.QueuePerConnection, 1)
	p.size("upstream.queueBytesPerConnection", u.QueueBytesPerConnection, 1, maxByteBound)
	p.checkAllowLists(u)
	if u.TokenURL != "" {
		if err := checkIssuer(u.TokenURL); err != "" {
			p.add("upstream.tokenUrl", "%s", err)
		}
	}
	if n := len(u.Templates); n > maxTemplates {
		p.add("upstream.templates", "has %d entries, more than %d", n, maxTemplates)
		return
	}
	for i := range u.Templates {
		p.checkTemplate(fmt.Sprintf("upstream.templates[%d]", i), u.Templates[i], u)
	}
}

func (p *problems) checkAllowLists(u *Upstream) {
	p.entries("upstream.allowedEnv", len(u.AllowedEnv))
	for _, name := range u.AllowedEnv {
		if !webhook.IsEnvName(name) {
			p.add("upstream.allowedEnv", "%q is not the name of an environment variable", name)
		}
	}
	p.entries("upstream.allowedFiles", len(u.AllowedFiles))
	for _, path := range u.AllowedFiles {
		if !filepath.IsAbs(path) {
			p.add("upstream.allowedFiles", "%q is not an absolute path", path)
		}
	}
}

func (p *problems) checkTemplate(name string, t Template, u *Upstream) {
	for _, pattern := range []struct {
		name string
		webhook.Pattern
	}{{"hubPattern", t.HubPattern}, {"categoryPattern", t.CategoryPattern}, {"eventPattern", t.EventPattern}} {
		if len(pattern.String()) > maxPatternBytes {
			p.add(name+"."+pattern.name, "is longer than %d bytes", maxPatternBytes)
		}
	}
	name += ".urlTemplate"
	if t.URLTemplate == "" {
		p.add(name, "is not set")
		return
	}
	if webhook.IsEcho(t.URLTemplate) {
		return
	}
	if t.Auth.Wanted && u.TokenURL == "" {
		p.add(strings.TrimSuffix(name, ".urlTemplate")+".auth", "needs upstream.tokenUrl, upstream.clientId and upstream.clientSecret, with which the gateway gets tokens")
	}
	parts, err := webhook.ParseURL(t.URLTemplate)
	if err == nil {
		err = checkURL(parts)
	}
	if err != nil {
		p.wrap(name, err)
		return
	}
	for _, part := range parts {
		switch {
		case part.Kind == webhook.Env && !slices.Contains(u.AllowedEnv, part.Text):
			p.add(name, "{@env:%s} is not allowed; add %s to upstream.allowedEnv", part.Text, part.Text)
		case part.Kind == webhook.File && !webhook.AllowsFile(u.AllowedFiles, part.Text):
			p.add(name, "{@file:%s} is not allowed; add the absolute path to upstream.allowedFiles", part.Text)
		}
	}
}

func (p *problems) checkOrigins(origins []string) {
	p.entries("cors.allowedOrigins", len(origins))
	for _, origin := range origins {
		if sent, err := NormalOrigin(origin); err != nil {
			p.add("cors.allowedOrigins", "%q %w", origin, err)
		} else if sent != origin {
			p.add("cors.allowedOrigins", "%q is sent as %q", origin, sent)
		}
	}
}

// minOutboxMax is twice what the gateway joins before it writes, since the forms of a message
// differ in size.
const minOutboxMax = 128 * kib

func (p *problems) checkCapacity(c Capacity) {
	p.count("limits.maxConnections", c.MaxConnections, 0)
	p.count("limits.maxDiagnosticConnections", c.MaxDiagnosticConnections, 0)
	p.count("limits.groupsPerConnection", c.GroupsPerConnection, 0)
	p.count("limits.groupsPerUser", c.GroupsPerUser, 0)
	p.count("limits.hubs", c.Hubs, 0)
	p.size("limits.outboxBytes", c.OutboxBytes, minOutbox, maxByteBound)
	p.size("limits.outboxMaxBytes", c.OutboxMaxBytes, minOutboxMax, maxByteBound)
	if c.OutboxMaxBytes < c.OutboxBytes {
		p.add("limits.outboxMaxBytes", "must not be less than limits.outboxBytes")
	}
	if c.QueuedBytes != 0 {
		p.size("limits.queuedBytes", c.QueuedBytes, 1, maxByteBound)
		if c.QueuedBytes < c.OutboxBytes {
			p.add("limits.queuedBytes", "must not be less than limits.outboxBytes")
		}
	}
	p.size("limits.hubQueuedBytes", c.HubQueuedBytes, 1, maxByteBound)
	if c.HubQueuedBytes < c.OutboxBytes {
		p.add("limits.hubQueuedBytes", "must not be less than limits.outboxBytes")
	}
}

// checkUnfinished sees to it that one client alone can send a message of the largest size.
func (p *problems) checkUnfinished(l *Limits) {
	if l.UnfinishedBytes == 0 {
		return
	}
	p.size("limits.unfinishedBytes", l.UnfinishedBytes, 1, maxByteBound)
	if l.MessageBytes <= maxByteBound && l.UnfinishedBytes < 2*l.MessageBytes {
		p.add("limits.unfinishedBytes", "must be at least %d bytes, twice limits.messageBytes", 2*l.MessageBytes)
	}
}

func (p *problems) checkSizes(s Sizes) {
	p.size("limits.messageBytes", s.MessageBytes, minInput, maxByteBound)
	p.size("limits.postBytes", s.PostBytes, minInput, maxByteBound)
	p.size("limits.handshakeBytes", s.HandshakeBytes, minInput, maxByteBound)
	p.size("limits.restBodyBytes", s.RESTBodyBytes, minInput, maxByteBound)
	p.size("limits.tokenBytes", s.TokenBytes, minInput, MaxURIBytes-besideToken)
	p.size("limits.uriBytes", s.URIBytes, minInput, MaxURIBytes)
	p.size("limits.headerBytes", s.HeaderBytes, minInput, MaxHeaderBytes)
	for _, carrier := range []struct {
		name  string
		bytes int64
	}{{"limits.headerBytes", s.HeaderBytes}, {"limits.uriBytes", s.URIBytes}} {
		if carrier.bytes < s.TokenBytes+besideToken {
			p.add("limits.tokenBytes", "a token of %d bytes travels in a header or in the URL: set %s to at least %d too",
				s.TokenBytes, carrier.name, s.TokenBytes+besideToken)
		}
	}
}

// besideToken is what a request needs at least beside its token: the hub and the connection in
// its URL, or the other headers.
const besideToken = 1 * kib

func (p *problems) checkClients(c Clients) {
	const least, most = time.Second, 120 * time.Second // R84
	p.duration("clients.keepAlive", c.KeepAlive, least, most)
	p.duration("clients.timeout", c.Timeout, least, most)
	p.duration("clients.handshakeTimeout", c.HandshakeTimeout, least, most)
	p.duration("clients.negotiateTimeout", c.NegotiateTimeout, least, maxTimer)
	p.duration("clients.longPollInterval", c.LongPollInterval, least, maxTimer)
	p.duration("clients.longPollDisconnect", c.LongPollDisconnect, least, maxTimer)
	p.duration("clients.statefulReconnect", c.StatefulReconnect, 0, maxTimer)
	p.duration("clients.sendTimeout", c.SendTimeout, least, maxTimer)
	p.duration("clients.invokeTimeout", c.InvokeTimeout, least, maxTimer)
}

func (p *problems) checkServers(s Servers) {
	p.duration("servers.gracePeriod", s.GracePeriod, 0, maxGrace)
	p.duration("servers.migrationTimeout", s.MigrationTimeout, 0, maxTimer)
	p.duration("servers.resultTimeout", s.ResultTimeout, time.Second, maxTimer)
	p.count("servers.maxConnections", s.MaxConnections, 0)
	p.size("servers.messageBytes", s.MessageBytes, minServerMsg, maxByteBound)
	p.size("servers.queueBytes", s.QueueBytes, minHardBytes, maxByteBound)
	p.size("servers.heldBytes", s.HeldBytes, 1, maxByteBound)
}

func (p *problems) checkAuth(a Auth) {
	p.duration("auth.leeway", a.Leeway, 0, maxTimer)
	p.entries("auth.strictAudience", len(a.StrictAudience))
	for _, host := range a.StrictAudience {
		_, notIP := netip.ParseAddr(host)
		if notIP != nil && (host == "" || strings.ContainsAny(host, "/?#@: ")) {
			p.add("auth.strictAudience", "%q is not a host name or an IP address without port", host)
		}
	}
}

// checkLocalKeys refuses to go without local keys if nobody could get in, or if the keys that
// applications are given for their clients were made of one that everybody knows.
func (p *problems) checkLocalKeys(s *Settings) {
	switch {
	case !s.Auth.DisableLocalKeys:
	case s.Access.DisableIssuers:
		p.add("auth.disableLocalKeys", "does not go without tokens of issuers (disableAadAuth): nobody is let in then")
	case len(s.OIDC.Issuers) == 0:
		p.add("auth.disableLocalKeys", "needs oidc.issuers: else nobody is let in")
	case s.Keys.HasEmulatorKey():
		p.add("auth.disableLocalKeys", "needs an accessKey of your own: the keys that applications are given for their clients are made of it")
	}
}

func (p *problems) duration(name string, d, least, most time.Duration) {
	if d < least || d > most {
		p.add(name, "must be between %v and %v, not %v", least, most, d)
	}
}

func (p *problems) size(name string, n, least, most int64) {
	if n < least || n > most {
		p.add(name, "must be between %d and %d bytes, not %d", least, most, n)
	}
}

func (p *problems) count(name string, n, least int) {
	if n < least || n > maxCount {
		p.add(name, "must be between %d and %d, not %d", least, maxCount, n)
	}
}

func (p *problems) entries(name string, n int) {
	if n > maxListEntries {
		p.add(name, "has %d entries, more than %d", n, maxListEntries)
	}
}
