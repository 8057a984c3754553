package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// No option of issuers can be shared that says whose tokens are accepted and what they allow.
func TestRightsOfTokensCannotBeShared(t *testing.T) {
	harmless := map[string]bool{"oidc.algorithms": true, "oidc.refreshInterval": true, "oidc.requestTimeout": true, "oidc.keepExpired": true}
	seen := 0
	for key, o := range optionsByKey() {
		if !strings.HasPrefix(key, "oidc.") || harmless[key] || o.atStart {
			continue
		}
		seen++
		_, err := new(Config).WithShared([]byte(key + ": x"))
		require.ErrorContains(t, err, key+" says whose tokens are accepted: give it to each node")
	}
	require.GreaterOrEqual(t, seen, 10)
}
