package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/store/shared"
)

// share is what hubgate cluster settings set says of a text.
func (p *program) share(text string, more ...string) (code int, out, errText string) {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "shared.yaml")
	writeFile(p.t, file, text)
	return command(append([]string{"cluster", "settings", "set", p.adminAt(), file}, more...)...)
}

// A change at one node is in force at all, and of two who change one is told.
func TestSharedSettings(t *testing.T) {
	t.Parallel()
	three := startTrio(t)
	for _, p := range three.each() {
		p.isReady()
	}
	token := three.b.restToken(admin.LiveResource)
	t.Run("N26 a change at one node is in force at another within a second", func(t *testing.T) {
		began := time.Now()
		code, out, stderr := three.a.share("limits.maxConnections: 1\nmode: classic\n")
		require.Zero(t, code, stderr)
		require.Contains(t, out, "is in force on all nodes")
		for _, p := range three.each() {
			p.logs.want(t, "the settings that the nodes share are in force")
			require.Contains(t, p.logs.String(), "mode=classic")
			require.Contains(t, p.logs.String(), "limits.maxConnections")
		}
		t.Log("in force everywhere after", time.Since(began))
		code, out, _ = command("cluster", "settings", "show", three.c.adminAt())
		require.Zero(t, code)
		require.Equal(t, "limits.maxConnections: 1\nmode: classic\n", out)
		require.Empty(t, three.b.clusterStatus().Unlike)
	})
	t.Run("N26 of two writers one is told", func(t *testing.T) {
		version := fmt.Sprint(three.b.clusterStatus().Settings.Number)
		code, _, stderr := three.b.share("limits.hubs: 5\n", "--if-version="+version)
		require.Zero(t, code, stderr)
		code, _, stderr = three.c.share("limits.hubs: 6\n", "--if-version="+version)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "somebody else has changed it since")
		status, text := three.c.request(http.MethodPut, three.c.Admin+"/cluster/settings", "limits.hubs: 6", "Authorization", "Bearer "+token, "If-Match", `"`+version+`"`)
		require.Equal(t, http.StatusPreconditionFailed, status, text)
	})
	t.Run("settings that cannot be in force are refused", func(t *testing.T) {
		for text, want := range map[string]string{
			"limits.hubs: x": "shared settings:1: limits.hubs", "node: x": "give it to each node", "accessKey: x": "is a secret",
			"clients: {keepAlive: 30s, timeout: 1h}": "clients.timeout",
		} {
			code, _, stderr := three.a.share(text)
			require.Equal(t, exitError, code, text)
			require.Contains(t, stderr, want)
		}
		status, _ := three.a.request(http.MethodGet, three.a.Admin+"/cluster/settings", "")
		require.Equal(t, http.StatusUnauthorized, status, "also on this machine")
	})
	t.Run("N26 a node that comes later has them, and what it was given by itself is back without them", func(t *testing.T) {
		d := start(t, "--node=d", "--cluster-listen=127.0.0.1:0", "--cluster-voter=a,b,c", "--cluster-peer="+three.a.clusterStatus().Address, "--mode=classic")
		d.isReady()
		require.Contains(t, d.logs.String(), "the settings that the nodes share are in force")
		require.Equal(t, "limits.hubs", firstMatch(`changed="?\[([a-zA-Z.]+)\]`, d.logs.String()))
		code, _, stderr := three.b.share("mode: serverless\n")
		require.Zero(t, code, stderr)
		d.logs.wantTimes(t, "the settings that the nodes share are in force", 2)
		require.Empty(t, d.clusterStatus().Unlike)
		code, _, stderr = three.b.share("")
		require.Zero(t, code, stderr)
		d.logs.wantTimes(t, "the settings that the nodes share are in force", 3)
		require.Contains(t, d.logs.String(), "mode=classic")
	})
	t.Run("N26 nodes that have other settings are seen", func(t *testing.T) {
		writeFile(t, three.c.settings, settingsWith("http://only-c.example/hook"))
		require.Eventually(t, func() bool { return fmt.Sprint(three.a.clusterStatus().Unlike["c"]) == "[upstream]" }, patience, 50*time.Millisecond)
		three.a.isReady() // the store may have been without a leader for a moment
		code, out, stderr := command("cluster", "status", three.a.adminAt())
		require.Zero(t, code, stderr)
		require.Contains(t, out, "node c has other settings than node a: upstream")
		require.NotZero(t, three.a.metric("hubgate_cluster_unlike_settings"))
		three.a.logs.want(t, "another node has other settings than this one")
	})
}

// A store that begins anew counts from one again. What is changed then is in force, and what was is not: also if the
// number is the one that was in force.
func TestSharedSettingsInAStoreThatBeginsAnew(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]string{
		"a lower number":  {"limits.hubs: 5\n", "limits.hubs: 6\n", "limits.hubs: 7\n"},
		"the same number": {"limits.hubs: 5\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats := startNATS(t, nil)
			node := func(name string) *program {
				p := start(t, "--node="+name, "--nats-url", nats.ClientURL(), "--cluster-secret-file="+secretFile(t, clusterSecret))
				p.isReady()
				return p
			}
			a, b := node("a"), node("b")
			a.seesPeers(1)
			for _, text := range before {
				code, _, stderr := a.share(text)
				require.Zero(t, code, stderr)
			}
			b.sharesNumber(uint64(len(before)))
			nats.forget(t, "KV_hg_settings")
			code, _, stderr := a.share("limits.hubs: 1\nlimits.maxConnections: 77\n")
			require.Zero(t, code, stderr)
			require.EqualValues(t, 1, a.clusterStatus().Settings.Number)
			a.connect("chat", "ann")
			require.Equal(t, "429", a.enter("news", auth.ClientTokenSpec{}), "it is in force where it was changed, when that is answered")
			b.connect("chat", "bob")
			require.Eventually(t, func() bool { return strings.Contains(b.logs.String(), "limits.maxConnections") }, slowPatience, 10*time.Millisecond)
			require.Equal(t, "429", b.enter("news", auth.ClientTokenSpec{}))
		})
	}
}

// Settings that were sealed with a secret that no node has any more give way to others, if whoever sets those says which.
func TestSharedSettingsThatNobodyCanOpen(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, nil)
	node := func(secret string) *program {
		p := start(t, "--node=n", "--nats-url", nats.ClientURL(), "--cluster-secret-file="+secretFile(t, secret))
		p.isReady()
		return p
	}
	p := node(clusterSecret)
	code, _, stderr := p.share("limits.hubs: 5\n")
	require.Zero(t, code, stderr)
	require.Equal(t, exitOK, p.stop(), p.logs)

	p = node(strings.Repeat("another ", 5))
	p.sharesNumber(1)
	code, _, stderr = p.share("limits.hubs: 6\n")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "sealed with another secret; hubgate cluster settings set FILE --if-version 1 puts others in their place")
	code, _, stderr = p.share("limits.hubs: 6\n", "--if-version=2")
	require.Equal(t, exitError, code, stderr)
	code, _, stderr = p.share("limits.hubs: 6\n", "--if-version=1")
	require.Zero(t, code, stderr)
	code, out, _ := command("cluster", "settings", "show", p.adminAt())
	require.Zero(t, code)
	require.Equal(t, "limits.hubs: 6\n", out)
	require.Empty(t, p.clusterStatus().Settings.Error)
}

// While the store does not say whether settings with a lower number, or with the same one, are old, those in force stay.
// The store is asked without a lock: it may take its time.
func TestSharedSettingsWhileTheStoreIsSilent(t *testing.T) {
	c, err := serveConfig()
	require.NoError(t, err)
	now, err := c.Settings()
	require.NoError(t, err)
	store, err := settings.NewStore(now)
	require.NoError(t, err)
	s := &server{config: c, reloading: reloading{config: c, base: c}, log: slog.New(slog.DiscardHandler), store: store}
	silent, asked := true, 0
	inForce := shared.Version{Number: 3, Text: []byte("limits.hubs: 3")}
	s.nodes.shared = &sharedSettings{current: func(context.Context) (shared.Version, error) {
		asked++
		require.True(t, s.reloading.TryLock())
		s.reloading.Unlock()
		if silent {
			return shared.Version{}, shared.ErrUnavailable
		}
		return inForce, nil
	}}
	require.True(t, s.sharedChanged(inForce, nil))
	require.Zero(t, asked)
	other := shared.Version{Number: 3, Text: []byte("limits.hubs: 7")}
	for i, v := range []shared.Version{{Number: 2, Text: []byte("limits.hubs: 2")}, other} {
		require.False(t, s.sharedChanged(v, nil), "it has to be told again")
		require.Equal(t, i+1, asked)
		require.Equal(t, 3, s.store.Current().Limits.Hubs)
	}
	silent = false
	require.True(t, s.sharedChanged(other, nil))
	require.Equal(t, 3, s.store.Current().Limits.Hubs, "it is an old one")
	inForce = other
	require.True(t, s.sharedChanged(other, nil))
	require.Equal(t, 7, s.store.Current().Limits.Hubs, "the store has begun anew")
	require.True(t, s.sharedChanged(shared.Version{}, nil))
	require.Equal(t, 7, s.store.Current().Limits.Hubs, "the store has lost all: what is in force stays")
}

// sharesNumber waits until the settings with this number are in force.
func (p *program) sharesNumber(number uint64) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.clusterStatus().Settings.Number == number }, slowPatience, 10*time.Millisecond)
}

// Who only looks is not told that nothing was changed.
func TestANodeAloneSharesNoSettings(t *testing.T) {
	alone := &clusterView{nodes: new(nodes)}
	_, err := alone.Settings(t.Context())
	require.ErrorIs(t, err, admin.ErrAlone)
	require.NotContains(t, err.Error(), "not changed")
	_, err = alone.ChangeSettings(t.Context(), nil, 0)
	require.ErrorIs(t, err, admin.ErrAlone)
}
