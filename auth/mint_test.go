package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestN53AProcessKnowsItsIDs(t *testing.T) {
	for _, node := range []string{"", "a", "hubgate-0"} {
		mint, again := auth.NewMint(node), auth.NewMint(node)
		seen := make(map[string]bool)
		for range 2000 {
			id := mint.New()
			require.False(t, seen[id])
			seen[id] = true
			require.Equal(t, auth.NodeTag(node), auth.NodeOf(id))
			require.Len(t, id, len(auth.NewConnectionID(node)))
			require.False(t, strings.HasPrefix(id[len(node):], "-"))
			require.True(t, mint.Made(id))
			require.False(t, again.Made(id), "the next process of the node does not take it for its own")
		}
		sealer, err := auth.NewSealer(auth.NewSealerKey())
		require.NoError(t, err)
		marked := sealer.Mark(mint.New(), time.Now(), "chat", "ann")
		require.True(t, mint.Made(marked))
		require.False(t, again.Made(marked))
		for _, other := range []string{"", "a", auth.NewConnectionID(node), auth.NewConnectionID("b"), mint.New() + "x", strings.Repeat("?", 22), "b" + mint.New()} {
			require.False(t, mint.Made(other), other)
		}
	}
}
