package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestConnectionIDs(t *testing.T) {
	for _, node := range []string{"", "n1", "gateway-1_ab", "gateway-1.example", "ü", strings.Repeat("x", 300)} {
		t.Run("C04 ids of node "+node, func(t *testing.T) {
			tag := auth.NodeTag(node)
			require.Regexp(t, `^[A-Za-z0-9_-]{0,12}$`, tag)
			seen := make(map[string]bool)
			for range 10_000 {
				id := auth.NewConnectionID(node)
				require.Regexp(t, `^[A-Za-z0-9_-]+$`, id)
				require.Len(t, id, len(tag)+22)
				require.NotEqual(t, byte('-'), id[len(tag)], "an id must not look like a flag")
				require.Equal(t, tag, auth.NodeOf(id))
				require.False(t, seen[id], "repeated id")
				seen[id] = true
			}
		})
	}
}

func TestNodeTags(t *testing.T) {
	require.Equal(t, "gateway-1_ab", auth.NodeTag("gateway-1_ab"), "a short name is its own tag")
	require.NotEqual(t, auth.NodeTag("gateway-number-1"), auth.NodeTag("gateway-number-2"))
	require.Equal(t, auth.NodeTag("gateway-number-1"), auth.NodeTag(auth.NodeTag("gateway-number-1")))
}

func TestNodeOfForeignText(t *testing.T) {
	random := strings.Repeat("a", 22)
	for _, id := range []string{"", "n1", random[1:], "n." + random, "ü" + random, strings.Repeat("n", 13) + random} {
		require.Empty(t, auth.NodeOf(id), id)
	}
	require.Equal(t, "n1", auth.NodeOf("n1"+random))
}
