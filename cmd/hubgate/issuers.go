package main

import (
	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/oidc"
	"github.com/hubgate/hubgate/settings"
)

// newIssuers follows the issuers of the settings.
func (s *server) newIssuers() *oidc.Issuers {
	issuers := oidc.New(oidc.Options{Logger: s.log.With("part", partTokens)})
	issuers.Use(translateOIDC(s.store.Current().OIDCInForce()))
	s.built.add("issuers", ignoreContext(issuers.Close))
	s.built.add("settings of issuers", ignoreContext(s.store.Observe(func(_, next *settings.Settings) {
		issuers.Use(translateOIDC(next.OIDCInForce()))
	})))
	s.admin.WatchIssuers(func() (all []admin.Issuer) {
		for _, i := range issuers.Status() {
			all = append(all, admin.Issuer{Name: i.Issuer, Keys: i.Keys, Failing: i.Failing})
		}
		return all
	})
	return issuers
}

func translateOIDC(o *settings.OIDC) *oidc.Config {
	c := &oidc.Config{
		Issuers: o.Issuers, Algorithms: o.Algorithms, RefreshInterval: o.RefreshInterval, Timeout: o.Timeout,
		Rules: translateRights(o), Own: make(map[string]*oidc.Rules, len(o.IssuerRules)),
	}
	for i := range o.IssuerRules {
		rule := &o.IssuerRules[i]
		its := o.For(rule)
		rules := translateRights(&its)
		rules.Not = oidc.Uses{
			REST: !rule.Allows(settings.UseREST), Servers: !rule.Allows(settings.UseServers),
			Clients: !rule.Allows(settings.UseClients), Admin: !rule.Allows(settings.UseAdmin),
		}
		c.Own[rule.Issuer] = &rules
	}
	return c
}

func translateRights(o *settings.OIDC) oidc.Rules {
	return oidc.Rules{
		Audiences: o.Audiences,
		Servers:   o.Rights.ServerClaims, Writers: o.Rights.RESTClaims, Readers: o.Rights.ReaderClaims,
		Clients: oidc.Clients{
			Audiences: o.Clients.ClientAudiences, User: o.Clients.UserClaim, Groups: o.Clients.GroupsClaim,
			HubNames: o.Clients.HubsClaim, Hubs: o.Clients.Hubs, KeepExpired: o.Clients.KeepExpired,
		},
	}
}
