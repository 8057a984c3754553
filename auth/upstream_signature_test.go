package auth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestUpstreamSignature(t *testing.T) {
	const (
		byKey   = "sha256=D4B71F6479906BF45CDC69C969315019A67A52DEAE1EAB86C7A7F3D9B25CD31E"
		byOther = "sha256=8A5558C298360434A151C521008B9434FA03E46564EC15BDE26836F0DBE85452"
	)
	tests := []struct {
		name string
		keys []auth.Secret
		want string
	}{
		{"R58 signature of one key", []auth.Secret{key}, byKey},
		{"R58 signature of two keys", []auth.Secret{key, otherKey}, byKey + "," + byOther},
		{"R58 primary key empty", []auth.Secret{"", otherKey}, byOther},
		{"no key", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, auth.UpstreamSignature(test.keys, "abc"))
		})
	}
}
