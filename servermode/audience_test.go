package servermode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func TestAudience(t *testing.T) {
	for group, want := range map[string]struct {
		kind gateway.TargetKind
		name string
	}{
		declaredGroup("my.app_chat"):          {gateway.TargetAll, "my.app_chat"},
		userGroup("my.app_chat", "ann:b@c.d"): {gateway.TargetUsers, "ann:b@c.d"},
		namedGroup("hg-Chat.room:1"):          {gateway.TargetGroups, "Chat.room:1"},
		namedGroup("other"):                   {gateway.TargetGroups, "other"},
	} {
		kind, name := Audience(group)
		require.Equal(t, want.kind, kind, group)
		require.Equal(t, want.name, name, group)
	}
}
