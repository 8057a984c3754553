package settings

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseIssuerRule(t *testing.T) {
	rule, err := ParseIssuerRule("https://login.example/realms/chat ; use = rest, servers;audiences=api://a,b; restClaims=roles=SignalR REST API Owner,x.y=z=1; userClaim=email;")
	require.NoError(t, err)
	require.Equal(t, IssuerRule{
		Issuer: "https://login.example/realms/chat", Use: []string{"rest", "servers"}, Own: []string{"use", "audiences", "restClaims", "userClaim"},
		Audiences: []string{"api://a", "b"}, Rights: OIDCRights{RESTClaims: []string{"roles=SignalR REST API Owner", "x.y=z=1"}},
		Clients: OIDCClients{UserClaim: "email"},
	}, rule)
	require.True(t, rule.Allows(UseREST))
	require.False(t, rule.Allows(UseClients))
	require.True(t, (&IssuerRule{}).Allows(UseClients))

	for text, want := range map[string]string{
		"https://h":                              "says nothing",
		"https://h; ;":                           "says nothing",
		"https://h; uses=rest":                   `"uses" is no key of a rule for an issuer; did you mean "use"?`,
		"https://h; use=rest; use=rest":          "has use twice",
		"https://h; use=":                        "use has no value",
		"https://h; use=all":                     `use has "all", which is none of rest, servers, clients, admin`,
		"https://h; audiences=a,,b":              "audiences has an empty entry",
		"https://h; restClaims=sender":           `"sender", which is not CLAIM=VALUE`,
		"https://h; serverClaims=roles=x,roles=": `"roles=", which is not CLAIM=VALUE`,
	} {
		_, err := ParseIssuerRule(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestIssuerRules(t *testing.T) {
	s := Default()
	s.OIDC.Issuers = []string{"https://a", "https://b"}
	rule, err := ParseIssuerRule("https://a; audiences=own; hubs=chat; serverClaims=r=s; readerClaims=r=t; clientAudiences=people; groupsClaim=g; hubsClaim=h; restClaims=r=u; userClaim=u")
	require.NoError(t, err)
	s.OIDC.IssuerRules = []IssuerRule{rule}
	require.NoError(t, s.Validate())
	own := s.OIDC.For(&rule)
	require.Equal(t, []string{"own"}, own.Audiences)
	require.Equal(t, OIDCRights{ServerClaims: []string{"r=s"}, ReaderClaims: []string{"r=t"}, RESTClaims: []string{"r=u"}}, own.Rights)
	require.Equal(t, OIDCClients{ClientAudiences: []string{"people"}, UserClaim: "u", GroupsClaim: "g", Hubs: []string{"chat"}, HubsClaim: "h"}, own.Clients)
	require.Equal(t, s.OIDC, s.OIDC.For(&IssuerRule{Issuer: "https://a", Own: []string{"use"}}), "what a rule does not say is that of all")

	copied := s.Clone()
	copied.OIDC.IssuerRules[0].Audiences[0] = "changed"
	require.Equal(t, "own", s.OIDC.IssuerRules[0].Audiences[0])
	s.OIDC.IssuerRules = append(s.OIDC.IssuerRules, rule, IssuerRule{Issuer: "https://B"})
	err = s.Validate()
	require.ErrorContains(t, err, `oidc.issuerRules: "https://a" has two rules`)
	require.ErrorContains(t, err, `"https://B" is none of oidc.issuers; did you mean "https://b"?`)
}

// Each key changes what holds for the issuer, and nothing else. A copy shares none of its lists.
func TestEachKeyOfARuleForAnIssuer(t *testing.T) {
	all := defaultOIDC()
	seen := make(map[string]string)
	for _, f := range ruleFields {
		rule, err := ParseIssuerRule("https://a; " + f.key + "=" + map[bool]string{true: "rest", false: "x=y"}[f.key == "use"])
		require.NoError(t, err)
		own := all.For(&rule)
		if f.key != "use" { // that is asked for by Allows
			require.NotEqual(t, all, own, f.key)
		}
		text := fmt.Sprintf("%v %v %v", own.Audiences, own.Rights, own.Clients)
		require.Empty(t, seen[text], "%s does what another key does", f.key)
		seen[text] = f.key
		if f.list != nil {
			copied := rule.clone()
			(*f.list(&copied))[0] = "changed"
			require.NotEqual(t, copied, rule, f.key)
		}
	}
}

// A rule that is accepted says the same when it is read again, and never panics.
func FuzzParseIssuerRule(f *testing.F) {
	for _, text := range []string{"", "https://h; use=rest", "https://h;audiences=a,b;userClaim=x", ";;=;", "h; restClaims==="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ParseIssuerRule(text)
		if err != nil {
			return
		}
		again, err := ParseIssuerRule(text)
		require.NoError(t, err)
		require.Equal(t, rule, again)
		require.NotEmpty(t, rule.Own)
		o := defaultOIDC()
		o.For(&rule)
	})
}
