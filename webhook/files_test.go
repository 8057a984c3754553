package webhook_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/webhook"
)

func TestAllowsFile(t *testing.T) {
	for path, allowed := range map[string]bool{
		"/a/b": true, "/a/b/c": false, "/a/bc": false, "/a/./b": true, "/dir/x": true, "/dir/x/y": true,
		"/dir": false, "/dir/": false, "/direct": false, "/dir/../a": false, "a/b": false, "": false,
	} {
		require.Equal(t, allowed, webhook.AllowsFile([]string{"/a/b", "/dir/"}, path), path)
	}
	require.True(t, webhook.AllowsFile([]string{"/"}, "/a"))
	require.False(t, webhook.AllowsFile(nil, "/a"))
}
