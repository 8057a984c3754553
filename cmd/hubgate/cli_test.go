package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/secret"
)

func TestListenPrintsWhatSendSends(t *testing.T) {
	t.Parallel()
	p := start(t)
	cs := p.connectionString()
	out, errs := newOutput(), newOutput()
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"listen", "chat", "--user", "ann", "--claim", "role=admin", "--connection-string", cs}, terminal{out, errs}, nil)
	}()
	errs.want(t, "connected to hub chat as connection ")
	_, id, _ := strings.Cut(strings.TrimSpace(errs.String()), "as connection ")
	// The client is a receiver from its handshake on, which it does not report:
	// the user exists from then on.
	require.Eventually(t, func() bool {
		status, _ := p.rest(http.MethodHead, "/api/hubs/chat/users/ann?api-version=2022-06-01", "")
		return status == http.StatusOK
	}, patience, 10*time.Millisecond)
	status, _ := p.rest(http.MethodPut, "/api/hubs/chat/groups/a%2Fb/connections/"+id+"?api-version=2022-06-01", "")
	require.Equal(t, http.StatusOK, status)
	for _, to := range [][]string{
		{"all", "chat", "toAll", "1", "text", `{"a":[true]}`},
		{"group", "chat", "a/b", "toGroup"},
		{"user", "chat", "ann", "toUser", `"quoted"`},
		{"connection", "chat", id, "toConnection"},
		{"all", "chat", "notToAll", "--except", id},
		{"all", "chat", "last"},
	} {
		code, stdout, stderr := command(append(append([]string{"send"}, to...), "--connection-string", cs)...)
		require.Zero(t, code, stderr)
		if len(to) > 3 && to[3] == "--except" {
			require.Equal(t, "accepted, but nobody is connected to hub chat\n", stdout)
			continue
		}
		require.Equal(t, "accepted for 1 connection\n", stdout)
	}
	for whom, to := range map[string][]string{
		"as user bob": {"user", "chat", "bob", "m"}, "in group g": {"group", "chat", "g", "m"}, "as connection x": {"connection", "chat", "x", "m"},
	} {
		code, stdout, stderr := command(append(append([]string{"send"}, to...), "--connection-string", cs)...)
		require.Zero(t, code, stderr)
		require.Equal(t, "accepted, but nobody is connected to hub chat "+whom+"\n", stdout)
	}
	out.want(t, `"last"`)
	require.Equal(t, strings.Join([]string{
		`{"type":1,"target":"toAll","arguments":[1,"text",{"a":[true]}]}`,
		`{"type":1,"target":"toGroup","arguments":[]}`,
		`{"type":1,"target":"toUser","arguments":["quoted"]}`,
		`{"type":1,"target":"toConnection","arguments":[]}`,
		`{"type":1,"target":"last","arguments":[]}`,
	}, "\n")+"\n", out.String())
	cancel()
	require.Zero(t, <-code, errs)
}

func TestListenSaysWhyItWasClosed(t *testing.T) {
	t.Parallel()
	p := start(t)
	out, errs := newOutput(), newOutput()
	code := make(chan int, 1)
	go func() {
		code <- run(context.Background(), []string{"listen", "chat", "-u", "ann", "--connection-string", p.connectionString()}, terminal{out, errs}, nil)
	}()
	require.Eventually(t, func() bool {
		status, _ := p.rest(http.MethodPost, "/api/hubs/chat/users/ann/:closeConnections?api-version=2022-06-01&reason=go+home", "")
		return status == http.StatusNoContent && strings.Contains(errs.String(), "closed by the gateway")
	}, patience, 10*time.Millisecond)
	require.Equal(t, exitError, <-code)
	require.Contains(t, errs.String(), "go home")
	require.Contains(t, out.String(), `"type":7`)
}

func TestListenAndSendReportRefusals(t *testing.T) {
	t.Parallel()
	p := start(t)
	wrong := connectionString(p.URL, "not-the-key-of-this-gateway-32-bytes-long")
	for _, args := range [][]string{{"listen", "chat"}, {"send", "all", "chat", "m"}} {
		code, _, stderr := command(append(args, "--connection-string", wrong)...)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "401 Unauthorized: The signature key was not found")
		require.NotContains(t, stderr, "not-the-key")
	}
	code, _, stderr := command("send", "all", "chat", "m", "--connection-string", "nonsense with AccessKey=secret")
	require.Equal(t, exitUsage, code)
	require.NotContains(t, stderr, "secret")
}

func TestTokenOpensWhatItNames(t *testing.T) {
	t.Parallel()
	p := start(t)
	cs := p.connectionString()
	code, token, stderr := command("token", "client", "chat", "-u", "ann", "--connection-string", cs)
	require.Zero(t, code, stderr)
	status, _ := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+strings.TrimSpace(token))
	require.Equal(t, http.StatusOK, status)
	status, _ = p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=other", "", "Authorization", "Bearer "+strings.TrimSpace(token))
	require.Equal(t, http.StatusUnauthorized, status)

	code, answer, stderr := command("token", "client", "chat", "--url", "--connection-string", cs)
	require.Zero(t, code, stderr)
	var negotiated struct{ URL, AccessToken string }
	require.NoError(t, json.Unmarshal([]byte(answer), &negotiated))
	require.Equal(t, p.URL+"/client/?hub=chat", negotiated.URL)
	require.NotEmpty(t, negotiated.AccessToken)

	for _, resource := range []string{"/api/hubs/chat/:send", p.URL + "/api/hubs/chat/:send?x=y"} {
		code, token, stderr = command("token", "rest", resource, "--connection-string", cs)
		require.Zero(t, code, stderr)
		status, _ = p.request(http.MethodPost, p.URL+"/api/hubs/chat/:send", hello, "Authorization", "Bearer "+strings.TrimSpace(token), "Content-Type", "application/json")
		require.Equal(t, http.StatusAccepted, status)
	}
	for _, bad := range [][]string{
		{"token", "client", "chat", "--claim", "novalue"},
		{"token", "client", "chat", "--lifetime", "0s"},
		{"token", "rest", "/x", "--lifetime=-1s"},
		{"token", "rest", "/x", "--connection-string", "Endpoint=http://x;AuthType=azure"},
	} {
		code, _, _ = command(bad...)
		require.Equal(t, exitUsage, code, bad)
	}
}

func TestBenchMeasures(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, args := range [][]string{
		{"--protocol", "json", "--broadcast"},
		{"--protocol", "messagepack", "--in-flight", "4"},
		{"--to-users", "--no-negotiate"},
	} {
		code, out, stderr := command(append([]string{"bench", "--clients", "4", "--count", "8", "--json", "--connection-string", p.connectionString()}, args...)...)
		require.Zero(t, code, stderr)
		var report bench.Report
		require.NoError(t, json.Unmarshal([]byte(out), &report))
		want := uint64(32)
		if args[0] == "--to-users" {
			want = 8
		}
		require.Equal(t, want, report.Load.Deliveries)
	}
	code, out, stderr := command("bench", "-c", "2", "--no-load", "-q", "--connection-string", p.connectionString())
	require.Zero(t, code, stderr)
	require.Contains(t, out, "connected    2 json clients")
	code, _, stderr = command("bench", "--broadcast", "--to-users")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--to-users")
}

func TestUpstreamInitAndList(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	code, out, stderr := command("upstream", "init", "-o", dir)
	require.Zero(t, code, stderr)
	path := filepath.Join(dir, settingsFileName)
	require.Equal(t, path+"\n", out)
	templates, err := config.ReadSettingsFile(path)
	require.NoError(t, err)
	require.Len(t, templates, 1)
	require.Equal(t, functionsURL, templates[0].URLTemplate)

	code, _, stderr = command("upstream", "init", "-o", dir)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "--force")
	code, _, stderr = command("upstream", "init", "-o", dir, "--force", "--url", "https://f.example/{event}?code=secret")
	require.Zero(t, code, stderr)
	code, out, stderr = command("upstream", "list", "--settings", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "https://f.example/{event}?code=")
	require.NotContains(t, out, "secret")
	code, _, stderr = command("upstream", "init", "-o", dir, "--force", "--url", "ftp://nowhere")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--url")
}

func TestConfigPrintsNoSecret(t *testing.T) {
	key := "a-very-secret-access-key-32-bytes-long-or-more"
	t.Setenv("HUBGATE_SECONDARY_KEY", key)
	code, out, stderr := command("config", "--listen", "localhost:1234", "--access-key", key, "--upstream", "https://f.example/?code=hidden")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "localhost:1234")
	require.Contains(t, out, secret.Redacted)
	require.NotContains(t, out, key)
	require.NotContains(t, out, "hidden")
}

func TestHealthAsksARunningGateway(t *testing.T) {
	t.Parallel()
	p := start(t)
	u, err := url.Parse(p.Admin)
	require.NoError(t, err)
	code, out, stderr := command("health", "--admin-listen", u.Host)
	require.Zero(t, code, stderr)
	require.Equal(t, "healthy\n", out)
	code, _, stderr = command("health", p.URL+"/api/health")
	require.Zero(t, code, stderr)
	code, _, stderr = command("health", p.URL+"/elsewhere")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "404")
	code, _, _ = command("health", "--admin-listen", "off")
	require.Equal(t, exitError, code)
}

func TestHelpVersionAndMistakes(t *testing.T) {
	code, out, _ := command("--help")
	require.Zero(t, code)
	for _, verb := range []string{"serve", "token", "send", "listen", "bench", "upstream", "config", "health", "version"} {
		require.Contains(t, out, "\n  "+verb)
	}
	code, out, _ = command("bench", "--help")
	require.Zero(t, code)
	require.Contains(t, out, "--in-flight")
	code, out, _ = command("version")
	require.Zero(t, code)
	require.True(t, strings.HasPrefix(out, "hubgate "), out)
	code, _, stderr := command("--no-such-flag")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "--no-such-flag")
}

func TestServeIsTheDefaultCommand(t *testing.T) {
	for _, args := range [][]string{nil, {"--mode", "serverless", "--listen", "localhost:1", "--listen", "127.0.0.1:2"}} {
		command, err := parse(args, terminal{newOutput(), newOutput()})
		require.NoError(t, err)
		require.Equal(t, "serve", command.Command())
	}
}

func TestFileWithUnknownKeyIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hubgate.yaml")
	require.NoError(t, os.WriteFile(file, []byte("lissten: localhost:0\n"), 0o600))
	code, _, stderr := command("serve", "--config", file)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `did you mean "listen"`)
}

func TestLogsAreRedacted(t *testing.T) {
	for _, format := range []config.Word{"text", "json"} {
		out := newOutput()
		log, err := newLogger(out, config.Log{Level: "info", Format: format})
		require.NoError(t, err)
		log.Info("plain", "url", "/client/?hub=h&access_token=abc&x=1", "token", "abc", "error", &url.Error{
			Op: "Post", URL: "https://f.example/?code=abc&y=2", Err: context.Canceled,
		}, "text", "Bearer abc", "jwt", "see eyJabc.eyJabc.abc", "cs", "Endpoint=http://x;AccessKey=abc;Version=1.0;",
			slog.Group("in", "authorization", "abc"), "took", time.Second, "key", auth.Secret("abc"))
		require.NotContains(t, out.String(), "abc")
		for _, kept := range []string{"x=1", "y=2", "hub=h", "context canceled", "Version=1.0"} {
			require.Contains(t, out.String(), kept)
		}
	}
}
