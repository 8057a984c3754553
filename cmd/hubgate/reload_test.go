package main

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// A configuration file that is empty for a moment, or the beginning of itself,
// lets nobody in and turns nobody out.
func TestHalfWrittenConfigurationChangesNothing(t *testing.T) {
	t.Parallel()
	const own auth.Secret = "an-access-key-of-ones-own-that-is-longer-than-32-bytes"
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	whole := "mode: serverless\naccessKey: " + string(own) + "\nhubs: {news: {mode: default}}\n"
	write(whole)
	p := start(t, "--config", file)
	status := func(key auth.Secret) int {
		const path = "/api/hubs/chat/:send"
		token, err := auth.SignREST(key, p.URL+path, time.Minute)
		require.NoError(t, err)
		status, _ := p.request(http.MethodPost, p.URL+path, hello, "Authorization", "Bearer "+token, "Content-Type", "application/json")
		return status
	}
	refused := 0
	for _, text := range []string{"", "mode: serverless\n", whole[:len(whole)-20], "accessKey: " + string(auth.EmulatorKey) + "\nmode: classic\n"} {
		write(text)
		refused++
		p.logs.wantTimes(t, "the old settings stay in force", refused)
		require.Equal(t, http.StatusAccepted, status(own), text)
		require.Equal(t, http.StatusUnauthorized, status(auth.EmulatorKey), text)
	}
	require.NotContains(t, p.logs.String(), "settings changed")
	const other auth.Secret = "another-access-key-of-ones-own-32-bytes-or-more"
	write("mode: serverless\naccessKey: " + string(other) + "\nsecondaryKey: " + string(own) + "\nhubs: {news: {mode: default}}\n")
	p.logs.want(t, `changed="[accessKey secondaryKey]"`)
	require.Equal(t, http.StatusAccepted, status(other))
	require.Equal(t, http.StatusAccepted, status(own))
	require.Equal(t, 1, strings.Count(p.logs.String(), "settings changed"))
	require.NotContains(t, p.logs.String(), string(other))
}

// The files are read again as soon as they are followed, while the gateway still says what it serves.
func TestReloadRacesWithNothing(t *testing.T) {
	var parsed commands
	args := []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}
	_, err := parseInto(&parsed, args, terminal{io.Discard, io.Discard})
	require.NoError(t, err)
	s, err := newServer(&parsed.Serve.Config, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	reloaded := make(chan struct{})
	go func() {
		defer close(reloaded)
		s.reload(args, true)
	}()
	require.NoError(t, printBanner(io.Discard, s))
	s.warn()
	<-reloaded
	require.NoError(t, s.stop(t.Context()))
}

// Many options change again and again, while clients, callers and readers of metrics meet what they say.
func TestReloadBesideRequests(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	texts := []string{"mode: serverless\n", `
upstream: {timeout: 80s, maxResponseBytes: 1MiB, unmatched: silent, streams: true, queuePerConnection: 100, maxConcurrentPerOrigin: 50}
cors: {allowedOrigins: ["https://a.example"]}
limits: {maxConnections: 1000, groupsPerConnection: 100, hubs: 50, outboxBytes: 2MiB, hubQueuedBytes: 100MiB, messageBytes: 512KiB, restBodyBytes: 1MiB}
clients: {keepAlive: 7s, handshakeTimeout: 80s, sendTimeout: 80s, invokeTimeout: 80s, statefulReconnect: 1m}
auth: {leeway: 1m}
hubs: {news: {mode: classic}}
`}
	writeFile(t, file, texts[0])
	p := start(t, "--config", file, "--upstream=echo")
	ann := p.connect("chat", "ann")
	deadline := time.Now().Add(slowPatience)
	for changes := range 10 {
		writeFile(t, file, texts[(changes+1)%2])
		for strings.Count(p.logs.String(), "settings changed") <= changes {
			if time.Now().After(deadline) {
				t.Fatal(p.logs)
			}
			require.Contains(t, ann.invoke("say", "1"), `"result":1`)
			require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/news/:send", hello))
			p.connect("other", "bob").leave()
			require.Equal(t, "200", p.status(http.MethodGet, p.Admin+"/metrics", ""))
		}
	}
}
