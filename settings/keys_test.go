package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/settings"
)

func TestKeysAll(t *testing.T) {
	require.Equal(t, []secret.Text{"a"}, settings.Keys{Primary: "a"}.All())
	require.Equal(t, []secret.Text{"a", "b"}, settings.Keys{Primary: "a", Secondary: "b"}.All())
	require.False(t, settings.Keys{Primary: "a"}.HasEmulatorKey())
	require.True(t, settings.Keys{Primary: "a", Secondary: secret.EmulatorKey}.HasEmulatorKey())
}
