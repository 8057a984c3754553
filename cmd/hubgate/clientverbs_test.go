package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/upstream"
)

// Verbs find the gateway by the variables that the gateway itself reads.
func TestClientVerbsUseTheGatewaysVariables(t *testing.T) {
	const key = "a-key-of-its-own-of-more-than-32-bytes"
	t.Setenv("HUBGATE_ACCESS_KEY", key)
	p := start(t)
	t.Setenv("HUBGATE_LISTEN", strings.TrimPrefix(p.URL, "http://"))
	code, _, stderr := command("send", "all", "chat", "m")
	require.Zero(t, code, stderr)
	code, token, stderr := command("token", "client", "chat")
	require.Zero(t, code, stderr)
	status, _ := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+strings.TrimSpace(token))
	require.Equal(t, http.StatusOK, status)

	t.Run("a configuration file counts too", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		require.NoError(t, os.WriteFile(path, []byte("publicUrl: https://gw.example/\n"), 0o600))
		t.Setenv("HUBGATE_CONFIG", path)
		code, out, stderr := command("token", "client", "chat", "--url")
		require.Zero(t, code, stderr)
		require.Contains(t, out, `"https://gw.example/client/?hub=chat"`)
	})
	t.Run("TLS, all addresses and a mistake", func(t *testing.T) {
		t.Setenv("HUBGATE_LISTEN", ":9443")
		t.Setenv("HUBGATE_TLS_CERT", "some.pem")
		t.Setenv("HUBGATE_TLS_KEY", "some.key")
		_, out, stderr := command("token", "client", "chat", "--url")
		require.Contains(t, out, `"https://localhost:9443/client/?hub=chat"`, stderr)
		t.Setenv("HUBGATE_DRAIN_TIMEOUT", "soon")
		code, _, stderr := command("token", "client", "chat")
		require.NotZero(t, code)
		require.Contains(t, stderr, "the gateway's configuration:")
	})
	t.Run("a connection string wins", func(t *testing.T) {
		code, out, _ := command("token", "client", "chat", "--url", "--connection-string", "Endpoint=http://other;AccessKey="+key)
		require.Zero(t, code)
		require.Contains(t, out, "http://other/client")
	})
}

func TestRefusalsSayTheNextStep(t *testing.T) {
	t.Parallel()
	p := start(t)
	wrong := connectionString(p.URL, "not-the-key-of-this-gateway-32-bytes-long")
	const nobody = "http://127.0.0.1:1"
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	verbs := [][]string{{"listen", "chat"}, {"send", "all", "chat", "m"}, {"call", "chat", "m"}}
	for _, verb := range verbs {
		for at, want := range map[string]string{
			wrong: "the gateway at " + p.URL + " knows another key: set HUBGATE_ACCESS_KEY",
			connectionString(nobody, auth.EmulatorKey):                                       "no gateway at " + nobody + ": is hubgate running?",
			connectionString(strings.Replace(p.URL, "http:", "https:", 1), auth.EmulatorKey): "does not speak TLS: is it " + p.URL + "?",
			"Endpoint=http://gateway.invalid;AccessKey=" + string(auth.EmulatorKey):          "no gateway at http://gateway.invalid: ",
			"Endpoint=http://x;AuthType=azure":                                               "Microsoft Entra (AuthType) is not supported",
		} {
			code, _, stderr := command(append(verb, "--connection-string", at)...)
			if strings.Contains(at, "AuthType") {
				require.Equal(t, exitUsage, code)
			} else {
				require.Equal(t, exitError, code)
			}
			require.Contains(t, stderr, want, verb)
			require.NotContains(t, stderr, "access_token")
		}
	}
	code, _, stderr := command("health", nobody+"/readyz")
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "is hubgate running?")
	code, _, stderr = command("listen", "chat", "--connection-string", "nonsense")
	require.Equal(t, exitUsage, code)
	require.Equal(t, 1, strings.Count(stderr, "connection string"), stderr)
}

func TestHealthWithoutAdminAddress(t *testing.T) {
	p := start(t)
	t.Setenv("HUBGATE_ADMIN_LISTEN", "off")
	t.Setenv("HUBGATE_LISTEN", strings.TrimPrefix(p.URL, "http://"))
	code, out, stderr := command("health")
	require.Zero(t, code, stderr)
	require.Equal(t, "healthy\n", out)
}

func TestListenSaysConnectedAfterTheHandshake(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode", "default")
	code, _, stderr := command("listen", "chat", "--connection-string", p.connectionString())
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "handshake refused")
	require.NotContains(t, stderr, "connected to hub")
}

// hookProgram is the verb hooks, running, and a gateway in front of it.
func startHooks(t *testing.T, args ...string) (p *program, out *output) {
	t.Helper()
	out = newOutput()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan endpoints, 1), make(chan int, 1)
	errs := newOutput()
	go func() {
		ended <- run(ctx, append([]string{"hooks", "--listen", "127.0.0.1:0"}, args...), terminal{out, errs}, func(e endpoints) { ready <- e })
	}()
	t.Cleanup(func() {
		cancel()
		require.Zero(t, <-ended, errs)
	})
	at := <-ready
	require.Contains(t, errs.String(), "hubgate --upstream '"+at.URL+"/{category}/{event}'")
	return start(t, "--upstream", at.URL+"/{category}/{event}"), out
}

func TestCallAndHooks(t *testing.T) {
	t.Parallel()
	call := func(p *program, args ...string) (code int, out, errText string) {
		return command(append(append([]string{"call"}, args...), "--connection-string", p.connectionString())...)
	}
	t.Run("echo", func(t *testing.T) {
		p, out := startHooks(t)
		for want, args := range map[string][]string{
			"\"hello\"\n": {"say", "hello"}, "[1,{\"a\":true},\"x\"]\n": {"say", "1", `{"a":true}`, "x"}, "[]\n": {"say"},
		} {
			code, answer, stderr := call(p, append([]string{"chat"}, args...)...)
			require.Zero(t, code, stderr)
			require.Equal(t, want, answer)
		}
		code, answer, stderr := call(p, "chat", "say", "one", "--user", "ann", "--no-wait")
		require.Zero(t, code, stderr)
		require.Empty(t, answer)
		out.want(t, "POST /messages/say")
		out.want(t, "X-ASRS-User-Id: ann")
		out.want(t, `  {"type":10}`)
		out.want(t, "→ 204 No Content")
		require.NotContains(t, out.String(), "REFUSED")
	})
	t.Run("a value, an error, a status", func(t *testing.T) {
		p, _ := startHooks(t, "--result", `{"n":1}`)
		code, answer, stderr := call(p, "chat", "m")
		require.Zero(t, code, stderr)
		require.Equal(t, "{\"n\":1}\n", answer)
		p, _ = startHooks(t, "--error", "no way")
		code, _, stderr = call(p, "chat", "m")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "no way")
		p, out := startHooks(t, "--status", "500")
		code, _, stderr = call(p, "chat", "m")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "status code 500")
		out.want(t, "→ 500")
	})
	t.Run("another key is refused and said", func(t *testing.T) {
		p, out := startHooks(t, "--connection-string", "Endpoint=http://x;AccessKey=another-key-of-more-than-thirty-two-bytes")
		code, _, stderr := call(p, "chat", "m")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "closed by the gateway: Unauthorized")
		out.want(t, "REFUSED: the signature is of another key")
	})
	t.Run("streams and time", func(t *testing.T) {
		p := start(t)
		code, _, stderr := call(p, "chat", "m", "--stream")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "Streaming is not supported")
		silent := start(t, "--upstream-unmatched", "silent")
		code, _, stderr = call(silent, "chat", "m", "--timeout", "50ms")
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "no result within 50ms")
	})
}

// Clients of all transports and both hub protocols call, listen and are told the same.
func TestCallAndListenOnEveryTransport(t *testing.T) {
	t.Parallel()
	p, _ := startHooks(t)
	for _, how := range [][]string{
		{"--transport", "websockets"}, {"--transport", "sse"}, {"--transport", "longpolling"},
		{"--protocol", "messagepack"}, {"--transport", "longpolling", "--protocol", "messagepack"},
	} {
		t.Run(strings.Join(how, " "), func(t *testing.T) {
			more := append(how, "--connection-string", p.connectionString())
			code, answer, stderr := command(append([]string{"call", "chat", "say", `{"n":[1,"x"]}`}, more...)...)
			require.Zero(t, code, stderr)
			require.Equal(t, "{\"n\":[1,\"x\"]}\n", answer)

			ctx, cancel := context.WithCancel(t.Context())
			out, errs, ended := newOutput(), newOutput(), make(chan int, 1)
			go func() { ended <- run(ctx, append([]string{"listen", "news"}, more...), terminal{out, errs}, nil) }()
			errs.want(t, "connected to hub news as connection")
			status, _ := p.rest(http.MethodPost, "/api/hubs/news/:send", hello)
			require.Equal(t, http.StatusAccepted, status)
			out.want(t, helloRecord+"\n")
			cancel()
			require.Zero(t, <-ended, errs)
		})
	}
	code, _, stderr := command("listen", "chat", "--transport", "sse", "--protocol", "messagepack", "--connection-string", p.connectionString())
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "carries text only")
	for _, transport := range []string{"websockets", "sse", "longpolling"} {
		q := start(t)
		errs, ended := newOutput(), make(chan int, 1)
		go func() {
			ended <- run(t.Context(), []string{"listen", "chat", "--transport", transport, "--connection-string", q.connectionString()}, terminal{newOutput(), errs}, nil)
		}()
		errs.want(t, "connected to hub")
		q.stop()
		require.Equal(t, exitError, <-ended)
		require.Contains(t, errs.String(), "closed by the gateway: ", transport)
	}
}

func TestHooksAnswerMessagePack(t *testing.T) {
	h := &hooks{command: new(hooksCommand)}
	body := []byte("\x96\x01\x80\xa1\x31\xa3say\x92\x01\xa1x\x90")
	a := h.answer("messagepack", body)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "result [1,\"x\"]", a.shown)
	require.Contains(t, string(a.body), "\x92\x01\xa1x")
	require.Equal(t, `[1,{},"1","say",[1,"x"],[]]`, string(upstream.Readable("messagepack", body)))
}

// Whoever reaches the port can send anything, and clients choose what is in arguments.
func TestHooksPrintNothingThatMovesACursor(t *testing.T) {
	out := newOutput()
	h := &hooks{command: new(hooksCommand), out: out}
	for _, body := range []string{"\x1b[2J\rgone", "{\n\t\"type\": \"\u009b2J\"\n}"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	}
	require.Contains(t, out.String(), "\uFFFD[2J\uFFFDgone\n")
	require.Contains(t, out.String(), "{\n\t\"type\": \"\uFFFD2J\"\n}")
	require.NotContains(t, out.String(), "\x1b")
}

func TestTokenCheck(t *testing.T) {
	single(t)
	const key = "a-key-of-its-own-of-more-than-32-bytes"
	t.Setenv("HUBGATE_ACCESS_KEY", key)
	sign := func(args ...string) string {
		code, token, stderr := command(append([]string{"token"}, args...)...)
		require.Zero(t, code, stderr)
		return strings.TrimSpace(token)
	}
	client := sign("client", "chat", "--user", "ann")
	code, out, stderr := command("token", "check", client)
	require.Zero(t, code, stderr)
	require.Contains(t, out, `"asrs.s.uid": "ann"`)
	require.Contains(t, out, "valid for a client of hub chat")
	require.NotContains(t, out, key)
	code, out, _ = command("token", "check", sign("rest", "/api/hubs/chat/:send"))
	require.Zero(t, code)
	require.Contains(t, out, "valid for REST /api/hubs/chat/:send")

	signed := func(token string, err error) string {
		require.NoError(t, err)
		return token
	}
	for token, use := range map[string]string{
		signed(auth.SignAspNetClient(key, "http://gw", auth.ClientTokenSpec{Application: "Shop"})): "a client of ASP.NET SignalR",
		signed(auth.SignAspNetServer(key, "http://gw", "shop_chat", "s1", time.Minute)):            "an ASP.NET SignalR server of hub shop_chat",
	} {
		code, out, stderr = command("token", "check", token)
		require.Zero(t, code, stderr)
		require.Contains(t, out, "valid for "+use)
	}

	input = strings.NewReader("Bearer " + client + "\n")
	t.Cleanup(func() { input = os.Stdin })
	code, _, stderr = command("token", "check", "-")
	require.Zero(t, code, stderr)

	entra := "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL3NpZ25hbHIuYXp1cmUuY29tIn0.AAAA"
	for _, tc := range []struct {
		args         []string
		lines, error string
	}{
		{[]string{client, "--hub", "other"}, "audience   FAILED", "The audience is invalid"},
		{[]string{client, "--resource", "/api/hubs/chat/:send"}, "audience   FAILED", "refused as REST /api/hubs/chat/:send"},
		{[]string{client + "x"}, "signature  FAILED\nlifetime   not checked", "set HUBGATE_ACCESS_KEY"},
		{[]string{client, "--connection-string", "Endpoint=http://gw;AccessKey=" + strings.Repeat("k", 32)}, "signature  FAILED", "another key than that of the gateway at http://gw"},
		{[]string{"nonsense"}, "form       FAILED", "The token is malformed"},
		{[]string{entra}, "algorithm  FAILED", "Entra and other issuers need the setting oidc.issuers"},
		{[]string{expired(t, key)}, "lifetime   FAILED", "The token is expired (expired at "},
	} {
		code, out, stderr := command(append([]string{"token", "check"}, tc.args...)...)
		require.Equal(t, exitError, code, tc.args)
		require.Contains(t, out, tc.lines)
		require.Contains(t, stderr, tc.error)
		require.NotContains(t, out+stderr, key)
	}
}

// expired signs a token of long ago.
func expired(t *testing.T, key string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": "http://localhost/client/?hub=chat", "exp": 1000})
	text, err := token.SignedString([]byte(key))
	require.NoError(t, err)
	return text
}

func TestSelfSignedCertificates(t *testing.T) {
	t.Parallel()
	certFile, keyFile, _ := keyPair(t, t.TempDir(), "own")
	p := start(t, "--tls-cert", certFile, "--tls-key", keyFile, "--upstream-unmatched", "error")
	cs := []string{"--connection-string", p.connectionString()}
	verbs := map[string][]string{
		"send":   append([]string{"send", "all", "chat", "m"}, cs...),
		"call":   append([]string{"call", "chat", "m", "--no-wait"}, cs...),
		"bench":  append([]string{"bench", "-c", "1", "--count", "1", "--quiet"}, cs...),
		"health": {"health", p.URL + "/api/health"},
	}
	for name, verb := range verbs {
		code, _, stderr := command(append(verb, "--ca-file", certFile)...)
		require.Zero(t, code, "%s: %s", name, stderr)
		code, _, stderr = command(append(verb, "--tls-insecure")...)
		require.Zero(t, code, "%s: %s", name, stderr)
		code, _, stderr = command(append(verb, "--ca-file", keyFile)...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, stderr, "holds no certificate")
		code, _, stderr = command(verb...)
		require.Equal(t, exitError, code)
		if name != "bench" {
			require.Contains(t, stderr, "name its PEM file with --ca-file, or do not verify it with --tls-insecure")
		}
	}
	code, _, stderr := command("send", "all", "chat", "m", "--connection-string", connectionString(strings.Replace(p.URL, "https:", "http:", 1), auth.EmulatorKey))
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "the gateway speaks TLS: is it "+p.URL+"?")
}
