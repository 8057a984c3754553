package transport

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestRefusalsAreListed(t *testing.T) {
	seen := make(map[Refusal]bool)
	for _, r := range Refusals() {
		require.False(t, seen[r], r)
		seen[r] = true
	}
	for _, failure := range auth.Failures() {
		require.True(t, seen[Refusal(failure)])
	}
	require.True(t, seen[RefusedInternal])
}
