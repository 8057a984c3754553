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

// ruleField is one key of a rule.
type ruleField struct {
	key string
	// list or word is the place of its value: of several values, or of one.
	list func(*IssuerRule) *[]string
	word func(*IssuerRule) *string
	// check returns what is wrong with one value of a list, "" for nothing.
	check func(value string) string
}

// ruleFields are all keys. What a rule may say is said here alone.
var ruleFields = []ruleField{
	{key: "use", list: func(r *IssuerRule) *[]string { return &r.Use }, check: checkUse},
	{key: "audiences", list: func(r *IssuerRule) *[]string { return &r.Audiences }, check: checkFilled},
	{key: "serverClaims", list: func(r *IssuerRule) *[]string { return &r.Rights.ServerClaims }, check: checkClaim},
	{key: "restClaims", list: func(r *IssuerRule) *[]string { return &r.Rights.RESTClaims }, check: checkClaim},
	{key: "readerClaims", list: func(r *IssuerRule) *[]string { return &r.Rights.ReaderClaims }, check: checkClaim},
	{key: "clientAudiences", list: func(r *IssuerRule) *[]string { return &r.Clients.ClientAudiences }, check: checkFilled},
	{key: "userClaim", word: func(r *IssuerRule) *string { return &r.Clients.UserClaim }},
	{key: "groupsClaim", word: func(r *IssuerRule) *string { return &r.Clients.GroupsClaim }},
	{key: "hubs", list: func(r *IssuerRule) *[]string { return &r.Clients.Hubs }, check: checkFilled},
	{key: "hubsClaim", word: func(r *IssuerRule) *string { return &r.Clients.HubsClaim }},
}

// fieldOf returns the field of a key, nil if there is none.
func fieldOf(key string) *ruleField {
	i := slices.IndexFunc(ruleFields, func(f ruleField) bool { return f.key == key })
	if i < 0 {
		return nil
	}
	return &ruleFields[i]
}

// ruleKeys are the keys of all fields.
func ruleKeys() (keys []string) {
	for _, f := range ruleFields {
		keys = append(keys, f.key)
	}
	return keys
}

// set reads the value of a field.
func (f *ruleField) set(r *IssuerRule, value string) {
	if f.word != nil {
		*f.word(r) = value
		return
	}
	list := f.list(r)
	for one := range strings.SplitSeq(value, ",") {
		*list = append(*list, strings.TrimSpace(one))
	}
}

// copy takes the value of a field from another rule. Lists are shared.
func (f *ruleField) copy(to, from *IssuerRule) {
	if f.word != nil {
		*f.word(to) = *f.word(from)
		return
	}
	*f.list(to) = *f.list(from)
}

// ParseIssuerRule reads "ISSUER; KEY=VALUE; KEY=VALUE...". Lists have commas between their values, and none
// within one.
func ParseIssuerRule(text string) (IssuerRule, error) {
	issuer, rest, _ := strings.Cut(text, ";")
	rule := IssuerRule{Issuer: strings.TrimSpace(issuer)}
	for pair := range strings.SplitSeq(rest, ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		field := fieldOf(key)
		switch {
		case field == nil:
			return rule, fmt.Errorf("%q: %q is no key of a rule for an issuer%s", text, key, nearest.Hint(key, ruleKeys()))
		case slices.Contains(rule.Own, key):
			return rule, fmt.Errorf("%q has %s twice", text, key)
		case value == "":
			return rule, fmt.Errorf("%q: %s has no value", text, key)
		}
		field.set(&rule, value)
		rule.Own = append(rule.Own, key)
	}
	if len(rule.Own) == 0 {
		return rule, fmt.Errorf("%q says nothing of the issuer", text)
	}
	return rule, errors.Join(rule.check()...)
}

// check returns what is wrong with the values.
func (r *IssuerRule) check() (all []error) {
	for _, f := range ruleFields {
		if f.check == nil {
			continue
		}
		for _, value := range *f.list(r) {
			if wrong := f.check(value); wrong != "" {
				all = append(all, fmt.Errorf("%s: %s %s", r.Issuer, f.key, wrong))
			}
		}
	}
	return all
}

func checkUse(use string) string {
	if slices.Contains(issuerUses, use) {
		return ""
	}
	return fmt.Sprintf("has %q, which is none of %s", use, strings.Join(issuerUses, ", "))
}

func checkFilled(value string) string {
	if value != "" {
		return ""
	}
	return "has an empty entry"
}

func checkClaim(entry string) string {
	if isClaim(entry) {
		return ""
	}
	return fmt.Sprintf("has %q, which is not CLAIM=VALUE", entry)
}

// isClaim reports whether the text is CLAIM=VALUE.
func isClaim(text string) bool {
	claim, value, ok := strings.Cut(text, "=")
	return ok && claim != "" && value != ""
}

// Allows reports whether tokens of the issuer may be used for it, one of the constants Use….
func (r *IssuerRule) Allows(use string) bool { return len(r.Use) == 0 || slices.Contains(r.Use, use) }

func (r IssuerRule) clone() IssuerRule {
	r.Own = slices.Clone(r.Own)
	for _, f := range ruleFields {
		if f.list != nil {
			*f.list(&r) = slices.Clone(*f.list(&r))
		}
	}
	return r
}

// For returns what holds for one issuer: its rule, where it has one, and what is for all.
func (o *OIDC) For(rule *IssuerRule) OIDC {
	holds := IssuerRule{Audiences: o.Audiences, Rights: o.Rights, Clients: o.Clients}
	for _, key := range rule.Own {
		if f := fieldOf(key); f != nil {
			f.copy(&holds, rule)
		}
	}
	own := *o
	own.Audiences, own.Rights, own.Clients = holds.Audiences, holds.Rights, holds.Clients
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
