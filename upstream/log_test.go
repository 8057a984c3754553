package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/webhook"
)

// TestSecretsNeverReachTheLog drives every kind of line through a log and
// searches it for what must not be there.
func TestSecretsNeverReachTheLog(t *testing.T) {
	const (
		literal  = "literal-code-value"
		fromEnv  = "env-secret-value"
		fromFile = "file-secret-value"
		password = "url-pass-word"
		hostname = "secret-host-name.invalid"
	)
	path := filepath.Join(t.TempDir(), "code")
	require.NoError(t, os.WriteFile(path, []byte(fromFile), 0o600))
	t.Setenv("UPSTREAM_CODE", fromEnv)
	t.Setenv("UPSTREAM_BASE", "http://"+hostname+"/"+fromEnv)
	h := newHook(t, func(w http.ResponseWriter, p post) {
		switch p.event() {
		case "fails":
			w.WriteHeader(http.StatusInternalServerError)
		case "breaks":
			panic(http.ErrAbortHandler)
		case "connected":
			w.WriteHeader(http.StatusForbidden)
		}
	})
	host := strings.TrimPrefix(h.URL, "http://")
	base := "http://user:" + password + "@" + host + "/" + "{@env:UPSTREAM_CODE}?code=" + literal + "&f={@file:" + path + "}&bare"
	key := auth.Secret("key-key-key-key-key-key-key-key-")
	cfg := &Config{
		Keys: []auth.Secret{key}, KeepRejected: true,
		Secrets: AllowedSecrets{Env: []string{"UPSTREAM_CODE", "UPSTREAM_BASE"}, Files: []string{path}},
		Templates: []Template{
			{URL: "{@env:UPSTREAM_BASE}?code=" + literal, Event: webhook.PatternOf("unknown-host")},
			{URL: base + "{@env:UPSTREAM_FORBIDDEN}", Event: webhook.PatternOf("skipped")},
			{URL: base + "{@env:" + literal, Event: webhook.PatternOf("unfinished")},
			{URL: "http://h:port/{@env:UPSTREAM_CODE}", Event: webhook.PatternOf("no-url")},
			{URL: base},
		},
	}
	logs := &journal{}
	b := start(t, cfg, logged(logs), func(o *Options) {
		o.connect = func(ctx context.Context, network, address string) (net.Conn, error) {
			if name, _, _ := net.SplitHostPort(address); name == hostname {
				return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: name}}
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	client := newConn("abc")
	client.id.User, client.id.Query = "bob", "access_token="+literal
	s := connect(b, client)
	lines := []string{"works", "fails", "breaks", "unknown-host", "skipped", "unfinished", "no-url"}
	for _, event := range lines {
		receive(t, s, invoke("1", event))
	}
	s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
	require.NoError(t, b.Close(t.Context()))
	b.log.Info("settings", "template", cfg.Templates[4], "config", fmt.Sprint(cfg.Keys))

	text := logs.String()
	secrets := []string{literal, fromEnv, fromFile, password, hostname, string(key)}
	for _, secret := range secrets {
		require.NotContains(t, text, secret)
	}
	close(client.sent)
	for frame := range client.sent {
		for _, secret := range secrets {
			require.NotContains(t, string(frame), secret, "in what a client is told")
		}
	}
	for _, event := range append(lines, "connected", "disconnected") {
		require.Equal(t, 1, strings.Count(text, " event="+event+" "), "one line about %s in %s", event, text)
	}
	t.Run("R65 a reference that cannot be resolved is logged", func(t *testing.T) {
		require.Contains(t, text, "{@env:UPSTREAM_FORBIDDEN} is not in the list")
	})
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if strings.Contains(line, "webhook") {
			require.Regexp(t, `connection=abc hub=chat category=\w+ event=\S+ template=\d upstream=\S+ trace=[0-9a-f]{32} `, line)
		}
	}
}

func TestLogLevels(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, p post) {
		if p.event() == "fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	logs := &journal{}
	b := start(t, toAll(h.URL), func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(logs, nil)) })
	s := newSession(b, newConn("abc"))
	receive(t, s, send("works"))
	receive(t, s, send("fails"))
	require.NoError(t, b.Close(t.Context()))
	require.NotContains(t, logs.String(), "works", "what succeeds is for the debug level")
	require.Contains(t, logs.String(), "level=WARN msg=\"webhook called\" connection=abc hub=chat category=messages event=fails template=0")
	require.Contains(t, logs.String(), "status=500")
}

// Whoever forgot the webhook finds it in the log, once for each method and not once for each call.
func TestUnmatchedMessagesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &journal{}
		cfg := &Config{}
		b := start(t, nil, logged(logs), func(o *Options) { o.Config = func() *Config { return cfg } })
		client := newConn("abc")
		s := newSession(b, client)
		for range 50 {
			receive(t, s, send("say"))
		}
		receive(t, s, invoke("1", "say"))
		<-client.sent
		require.Equal(t, 1, strings.Count(logs.String(), "\n"), logs)
		require.Contains(t, logs.String(), `level=WARN msg="webhook skipped" reason=unmatched hub=chat category=messages event=say`)
		require.Contains(t, logs.String(), "start hubgate with --upstream URL")
		require.NotContains(t, logs.String(), "times=")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(logs.String(), "\n"), logs)
		require.Contains(t, logs.String(), "times=50")

		cfg = &Config{Templates: []Template{{URL: "http://h/", Event: webhook.PatternOf("other")}}}
		receive(t, s, send("whisper"))
		require.Contains(t, logs.String(), "hubgate upstream list")
		for i := range 1000 {
			receive(t, s, send(fmt.Sprint("junk", i)))
		}
		require.Less(t, strings.Count(logs.String(), "\n"), 200, "names that a client invents")
	})
}
