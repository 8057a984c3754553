package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/internal/nearest"
)

// What the tokens of an issuer may be used for.
const (
	UseREST    = "rest"
	UseServers = "servers"
	UseClients = "clients"
	UseAdmin   = "admin"
)

var issuerUses = []string{UseREST, UseServers, UseClients, UseAdmin}

// IssuerRule says what the tokens of one issuer allow, where that differs from all others. It is made by
// ParseIssuerRule.
type IssuerRule struct {
	Issuer string
	// Use are UseREST, UseServers, UseClients and UseAdmin; none is all of them.
	Use []string
	// Own are the keys that the rule has. What it does not have is that of all issuers.
	Own []string
	// Audiences, Rights and Clients take the place of those of OIDC.
	Audiences []string
	Rights    OIDCRights
	Clients   OIDCClients
}

// ParseIssuerRule reads "ISSUER; KEY=VALUE; KEY=VALUE...". Lists have commas between their values, and none
// within one.
func ParseIssuerRule(text string) (IssuerRule, error) {
	issuer, rest, _ := strings.Cut(text, ";")
	rule := IssuerRule{Issuer: strings.TrimSpace(issuer)}
	lists := map[string]*[]string{
		"use": &rule.Use, "audiences": &rule.Audiences,
		"serverClaims": &rule.Rights.ServerClaims, "restClaims": &rule.Rights.RESTClaims, "readerClaims": &rule.Rights.ReaderClaims,
		"clientAudiences": &rule.Clients.ClientAudiences, "hubs": &rule.Clients.Hubs,
	}
	words := map[string]*string{"userClaim": &rule.Clients.UserClaim, "groupsClaim": &rule.Clients.GroupsClaim, "hubsClaim": &rule.Clients.HubsClaim}
	for pair := range strings.SplitSeq(rest, ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		list, word := lists[key], words[key]
		switch {
		case list == nil && word == nil:
			return rule, fmt.Errorf("%q: %q is no key of a rule for an issuer%s", text, key, nearest.Hint(key, issuerRuleKeys))
		case slices.Contains(rule.Own, key):
			return rule, fmt.Errorf("%q has %s twice", text, key)
		case value == "":
			return rule, fmt.Errorf("%q: %s has no value", text, key)
		case word != nil:
			*word = value
		default:
			for one := range strings.SplitSeq(value, ",") {
				*list = append(*list, strings.TrimSpace(one))
			}
		}
		rule.Own = append(rule.Own, key)
	}
	if len(rule.Own) == 0 {
		return rule, fmt.Errorf("%q says nothing of the issuer", text)
	}
	return rule, errors.Join(rule.check()...)
}

var issuerRuleKeys = []string{
	"use", "audiences", "serverClaims", "restClaims", "readerClaims", "clientAudiences", "userClaim", "groupsClaim", "hubs", "hubsClaim",
}

// check returns what is wrong with the values.
func (r *IssuerRule) check() (all []error) {
	for _, use := range r.Use {
		if !slices.Contains(issuerUses, use) {
			all = append(all, fmt.Errorf("%s: use: %q is none of %s", r.Issuer, use, strings.Join(issuerUses, ", ")))
		}
	}
	for key, list := range map[string][]string{"audiences": r.Audiences, "clientAudiences": r.Clients.ClientAudiences, "hubs": r.Clients.Hubs} {
		if slices.Contains(list, "") {
			all = append(all, fmt.Errorf("%s: %s has an empty entry", r.Issuer, key))
		}
	}
	for key, list := range map[string][]string{"serverClaims": r.Rights.ServerClaims, "restClaims": r.Rights.RESTClaims, "readerClaims": r.Rights.ReaderClaims} {
		for _, entry := range list {
			if !isClaim(entry) {
				all = append(all, fmt.Errorf("%s: %s: %q is not CLAIM=VALUE", r.Issuer, key, entry))
			}
		}
	}
	return all
}

// isClaim reports whether the text is CLAIM=VALUE.
func isClaim(text string) bool {
	claim, value, ok := strings.Cut(text, "=")
	return ok && claim != "" && value != ""
}

// Allows reports whether tokens of the issuer may be used for it, one of the constants Use….
func (r *IssuerRule) Allows(use string) bool { return len(r.Use) == 0 || slices.Contains(r.Use, use) }

func (r IssuerRule) clone() IssuerRule {
	for _, list := range []*[]string{
		&r.Use, &r.Own, &r.Audiences, &r.Rights.ServerClaims, &r.Rights.RESTClaims, &r.Rights.ReaderClaims, &r.Clients.ClientAudiences, &r.Clients.Hubs,
	} {
		*list = slices.Clone(*list)
	}
	return r
}

// For returns what holds for one issuer: its rule, where it has one, and what is for all.
func (o *OIDC) For(rule *IssuerRule) OIDC {
	own := *o
	for _, key := range rule.Own {
		switch key {
		case "audiences":
			own.Audiences = rule.Audiences
		case "serverClaims":
			own.Rights.ServerClaims = rule.Rights.ServerClaims
		case "restClaims":
			own.Rights.RESTClaims = rule.Rights.RESTClaims
		case "readerClaims":
			own.Rights.ReaderClaims = rule.Rights.ReaderClaims
		case "clientAudiences":
			own.Clients.ClientAudiences = rule.Clients.ClientAudiences
		case "hubs":
			own.Clients.Hubs = rule.Clients.Hubs
		case "userClaim":
			own.Clients.UserClaim = rule.Clients.UserClaim
		case "groupsClaim":
			own.Clients.GroupsClaim = rule.Clients.GroupsClaim
		case "hubsClaim":
			own.Clients.HubsClaim = rule.Clients.HubsClaim
		}
	}
	return own
}

func (p *problems) checkIssuerRules(o *OIDC) {
	p.entries("oidc.issuerRules", len(o.IssuerRules))
	for i, rule := range o.IssuerRules {
		if !slices.Contains(o.Issuers, rule.Issuer) {
			p.add("oidc.issuerRules", "%q is none of oidc.issuers%s", rule.Issuer, nearest.Hint(rule.Issuer, o.Issuers))
		}
		if slices.ContainsFunc(o.IssuerRules[:i], func(other IssuerRule) bool { return other.Issuer == rule.Issuer }) {
			p.add("oidc.issuerRules", "%q has two rules", rule.Issuer)
		}
	}
}
