//go:build unix

package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// After SIGTERM health checks say at once that the gateway shuts down, and for the delay all else goes on:
// balancers notice only after some time. A second signal ends it.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), settingsFileName)
	writeFile(t, settings, "{}")
	p := startProcess(t, []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--settings", settings, "--drain-delay=1h"}, nil)
	ann := p.connect("chat", "ann")
	p.cancel()
	p.logs.want(t, "health checks say so")
	for _, url := range []string{p.URL + "/api/health", p.URL + "/api/v1/health", p.Admin + "/readyz"} {
		require.Equal(t, "503", p.status(http.MethodGet, url, ""), url)
	}
	require.Equal(t, "200", p.status(http.MethodGet, p.Admin+"/livez", ""))
	require.Equal(t, 1.0, p.metric("hubgate_draining"))
	bob := p.connect("chat", "bob")
	p.sendTo(":send", "all")
	ann.wants("all")
	bob.wants("all")
	p.cancel()
	<-p.ended
	require.NotContains(t, p.logs.String(), "draining")
}
