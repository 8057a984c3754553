package management

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

// UpstreamSource is what settings say webhooks come from that were set in a document.
const UpstreamSource = "the settings (hubgate upstream list)"

func sortedKeys(types map[string]string) []string { return slices.Sorted(maps.Keys(types)) }

// typeOf finds a type in any letter case.
func typeOf(text string, types map[string]string) (by string, ok bool) {
	for name, by := range types {
		if equalFold(name, text) {
			return by, true
		}
	}
	return "", false
}

// Apply puts what the record sets over s. It does not check it, and leaves properties.hubgate to whoever
// knows options.
func (r *Record) Apply(s *settings.Settings) {
	if r.PrimaryKey != "" {
		s.Keys.Primary = r.PrimaryKey.Text()
	}
	if r.SecondaryKey != "" {
		s.Keys.Secondary = r.SecondaryKey.Text()
	}
	p := &r.Document.Properties
	if mode, ok := p.Feature(FlagServiceMode); ok {
		s.Mode = settings.Mode(strings.ToLower(mode))
	}
	if p.CORS != nil && len(p.CORS.AllowedOrigins) > 0 {
		s.CORS.AllowedOrigins = normalOrigins(p.CORS.AllowedOrigins)
	}
	if p.Serverless != nil {
		setSeconds(&s.Clients.Timeout, p.Serverless.ConnectionTimeout)
		setSeconds(&s.Clients.KeepAlive, p.Serverless.KeepAlive)
	}
	if p.Upstream != nil && p.Upstream.Templates != nil {
		s.Upstream.Templates, s.Upstream.Source = templatesOf(p.Upstream.Templates), UpstreamSource
	}
	applyAccess(p, s)
	applyFirewall(p.Firewall, &s.Firewall)
	s.Trace = traceOf(p)
}

func setSeconds(to *time.Duration, n *int) {
	if n != nil {
		*to = time.Duration(*n) * time.Second
	}
}

// normalOrigins has origins as browsers send them. What is none stays for validation to refuse.
func normalOrigins(origins []string) []string {
	all := slices.Clone(origins)
	for i, origin := range all {
		if sent, err := settings.NormalOrigin(origin); err == nil {
			all[i] = sent
		}
	}
	return all
}

func templatesOf(templates []Template) []settings.Template {
	all := make([]settings.Template, 0, len(templates))
	for _, t := range templates {
		one := settings.Template{URLTemplate: t.URLTemplate}
		for _, pattern := range []struct {
			text string
			to   *webhook.Pattern
		}{{t.HubPattern, &one.HubPattern}, {t.CategoryPattern, &one.CategoryPattern}, {t.EventPattern, &one.EventPattern}} {
			if pattern.text != "" {
				*pattern.to = webhook.PatternOf(pattern.text)
			}
		}
		if t.Auth != nil && equalFold(t.Auth.Type, managedIdentity) {
			one.Auth.Wanted = true
			if t.Auth.ManagedIdentity != nil {
				one.Auth.Resource = t.Auth.ManagedIdentity.Resource
			}
		}
		all = append(all, one)
	}
	return all
}

func applyAccess(p *Properties, s *settings.Settings) {
	a := &s.Access
	a.Stopped = equalFold(p.Stopped, "true")
	a.Closed = equalFold(p.PublicNetworkAccess, "Disabled")
	if p.DisableLocalAuth != nil {
		s.Auth.DisableLocalKeys = *p.DisableLocalAuth
	}
	a.DisableIssuers = p.DisableAADAuth != nil && *p.DisableAADAuth
	a.ClientCertificates = p.TLS != nil && p.TLS.ClientCertEnabled != nil && *p.TLS.ClientCertEnabled
	acls := p.NetworkACLs
	if acls == nil {
		return
	}
	a.DenyByDefault = equalFold(acls.DefaultAction, deny)
	if acls.PublicNetwork != nil {
		a.Allow, a.Deny = spelled(acls.PublicNetwork.Allow, settings.RequestKinds()), spelled(acls.PublicNetwork.Deny, settings.RequestKinds())
	}
	for _, r := range acls.IPRules {
		a.IPRules = append(a.IPRules, settings.IPRule{Network: r.Value, Allow: equalFold(r.Action, allow)})
	}
}

// spelled has each text as the list of words spells it.
func spelled(texts, words []string) (all []string) {
	for _, text := range texts {
		for _, word := range words {
			if equalFold(word, text) {
				text = word
			}
		}
		all = append(all, text)
	}
	return all
}

// What Azure takes where a rule does not say it.
const (
	usualCount  = 20
	usualBytes  = 1_000_000_000
	usualWindow = 60
)

func applyFirewall(f *Firewall, to *settings.Firewall) {
	if f == nil {
		return
	}
	setSeconds(&to.MaxLifetime, f.MaxClientConnectionLifetime)
	for _, r := range f.ClientConnectionCountRules {
		by, _ := typeOf(r.Type, countTypes)
		to.Counts = append(to.Counts, settings.CountRule{By: by, Claim: r.ClaimName, Max: valueOr(r.MaxCount, usualCount)})
	}
	for _, r := range f.ClientTrafficControlRules {
		by, _ := typeOf(r.Type, trafficTypes)
		window := time.Duration(valueOr(r.AggregationWindow, usualWindow)) * time.Second
		to.Traffic = append(to.Traffic, settings.TrafficRule{By: by, Claim: r.ClaimName, Bytes: valueOr(r.MaxInboundMessageBytes, usualBytes), Window: window})
	}
}

func valueOr[T any](p *T, usual T) T {
	if p == nil {
		return usual
	}
	return *p
}

// traceOf is what live trace and resource logs have. The older flags hold where the newer parts say nothing.
func traceOf(p *Properties) settings.Trace {
	var t settings.Trace
	isOn := func(flag string) bool {
		value, _ := p.Feature(flag)
		return equalFold(value, "true")
	}
	t.Live = isOn(FlagLiveTrace)
	if live := p.LiveTrace; live != nil {
		if live.Enabled != "" {
			t.Live = equalFold(live.Enabled, "true")
		}
		t.LiveCategories = enabledOf(live.Categories)
	}
	switch {
	case !t.Live:
		t.LiveCategories = nil
	case p.LiveTrace == nil || p.LiveTrace.Categories == nil:
		t.LiveCategories = slices.Clone(categories)
	}
	if p.ResourceLog != nil {
		t.LogCategories = append([]string{}, enabledOf(p.ResourceLog.Categories)...) // none at all is not the same as nothing said
	}
	for flag, category := range map[string]string{FlagConnectivityLogs: settings.ConnectivityLogs, FlagMessagingLogs: settings.MessagingLogs} {
		if isOn(flag) && !slices.Contains(t.LogCategories, category) {
			t.LogCategories = append(t.LogCategories, category)
		}
	}
	slices.Sort(t.LogCategories)
	return t
}

func enabledOf(list []LogCategory) (names []string) {
	for _, c := range list {
		if equalFold(c.Enabled, "true") {
			names = append(names, spelled([]string{c.Name}, categories)...)
		}
	}
	return names
}
