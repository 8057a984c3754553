package auth_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestClaimsUnderBothNames(t *testing.T) {
	role, user := auth.LongClaimType("role"), auth.LongClaimType("nameid")
	for _, tc := range []struct {
		name     string
		in, want []auth.Claim
	}{
		{"none", nil, nil},
		{"no long names", []auth.Claim{{"team", "red"}}, []auth.Claim{{"team", "red"}}},
		{"the order of the token, then the long names", []auth.Claim{{"role", "a"}, {"team", "red"}, {"role", "b"}},
			[]auth.Claim{{"role", "a"}, {"team", "red"}, {"role", "b"}, {role, "a"}, {role, "b"}}},
		{"two short names of one long name", []auth.Claim{{"sub", "u"}, {"nameid", "u"}, {"nameid", "v"}},
			[]auth.Claim{{"sub", "u"}, {"nameid", "u"}, {"nameid", "v"}, {user, "u"}, {user, "v"}}},
		{"the token has both", []auth.Claim{{role, "a"}, {"role", "a"}, {"role", "b"}},
			[]auth.Claim{{role, "a"}, {"role", "a"}, {"role", "b"}, {role, "b"}}},
		{"a long name alone stays alone", []auth.Claim{{role, "a"}}, []auth.Claim{{role, "a"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.want, slices.Collect(auth.UnderBothNames(tc.in)))
		})
	}
	t.Run("whoever has seen enough may stop", func(t *testing.T) {
		claims := []auth.Claim{{"role", "a"}, {"sub", "u"}}
		for n := range 4 {
			seen := 0
			for range auth.UnderBothNames(claims) {
				if seen++; seen > n {
					break
				}
			}
			require.Equal(t, n+1, seen)
		}
	})
}
