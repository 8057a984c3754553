package settings

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOIDC(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		`oidc.issuers: "login.example" is not an http`:     func(s *Settings) { s.OIDC.Issuers = []string{"login.example"} },
		`oidc.issuers: "https://u@h/" has a user`:          func(s *Settings) { s.OIDC.Issuers = []string{"https://u@h/"} },
		`oidc.issuers: "https://h" is there twice`:         func(s *Settings) { s.OIDC.Issuers = []string{"https://h", "https://h"} },
		`oidc.audiences: is not set`:                       func(s *Settings) { s.OIDC.Issuers, s.OIDC.Audiences = []string{"https://h"}, nil },
		`oidc.audiences: has an empty entry`:               func(s *Settings) { s.OIDC.Audiences = []string{"api", ""} },
		`oidc.audiences: has 1001`:                         func(s *Settings) { s.OIDC.Audiences = make([]string, 1001) },
		`oidc.algorithms: is not set`:                      func(s *Settings) { s.OIDC.Algorithms = nil },
		`oidc.algorithms: "none" is none of`:               func(s *Settings) { s.OIDC.Algorithms = []string{"none"} },
		`oidc.algorithms: "HS256" is none of`:              func(s *Settings) { s.OIDC.Algorithms = []string{"RS256", "HS256"} },
		`oidc.refreshInterval: must be`:                    func(s *Settings) { s.OIDC.RefreshInterval = 0 },
		`oidc.requestTimeout: must be`:                     func(s *Settings) { s.OIDC.Timeout = time.Hour },
		`oidc.restClaims: "admin" is not CLAIM=VALUE`:      func(s *Settings) { s.OIDC.Rights.RESTClaims = []string{"admin"} },
		`oidc.serverClaims: "roles=" is not CLAIM=VALUE`:   func(s *Settings) { s.OIDC.Rights.ServerClaims = []string{"roles="} },
		`oidc.readerClaims: "=x" is not CLAIM=VALUE`:       func(s *Settings) { s.OIDC.Rights.ReaderClaims = []string{"=x"} },
		`oidc.clientAudiences: has an empty entry`:         func(s *Settings) { s.OIDC.Clients.ClientAudiences = []string{""} },
		`oidc.userClaim: is not set`:                       func(s *Settings) { s.OIDC.Clients.UserClaim = "" },
		`auth.disableLocalKeys: needs oidc.issuers`:        func(s *Settings) { s.Auth.DisableLocalKeys = true },
		`auth.disableLocalKeys: needs an accessKey of you`: func(s *Settings) { s.Auth.DisableLocalKeys, s.OIDC.Issuers = true, []string{"https://h"} },
		`upstream.tokenUrl: is not an http`:                func(s *Settings) { s.Upstream.TokenURL = "token" },
		`upstream.templates[0].auth: needs upstream.token`: func(s *Settings) {
			s.Upstream.Templates = []Template{{URLTemplate: "http://h/", Auth: TemplateAuth{Wanted: true}}}
		},
	} {
		s := Default()
		change(&s)
		require.ErrorContains(t, s.Validate(), want)
	}
	s := Default()
	s.OIDC.Issuers = []string{"https://login.microsoftonline.com/common/v2.0", "http://keycloak:8080/realms/chat", "https://sts.windows.net/tenant/"}
	require.NoError(t, s.Validate())
	copied := s.Clone()
	copied.OIDC.Issuers[0], copied.OIDC.Rights.RESTClaims[0] = "changed", "changed"
	require.NotEqual(t, copied.OIDC, s.OIDC)
	require.NotContains(t, s.OIDC.Issuers, "changed")
}
