package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/config"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, tt := range []struct {
		name, path string
		status     int
		want       string
	}{
		{"front page", "/", http.StatusOK, "hubgate"},
		{"elsewhere", "/elsewhere", http.StatusNotFound, "/client"},
		{"hub servers need a token", "/server/?hub=chat", http.StatusUnauthorized, ""},
		{"hub servers name their hub", "/SERVER", http.StatusBadRequest, "hub"},
		{"client endpoint in any letter case", "/Client/Negotiate?hub=chat", http.StatusMethodNotAllowed, ""},
		{"R45 health without a token", "/api/health", http.StatusOK, ""},
		{"R45 health of version 1", "/api/v1/health", http.StatusOK, ""},
		{"unknown operation", "/api/nothing", http.StatusNotFound, ""},
		{"long URL", "/?" + strings.Repeat("x", 12<<10), http.StatusRequestURITooLong, "The URL is too long.\n"},
		{"long URL of REST", "/api/health?" + strings.Repeat("x", 12<<10), http.StatusRequestURITooLong, `{"code":"Error.Request.Invalid"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := p.get(p.URL + tt.path)
			require.Equal(t, tt.status, status)
			require.Contains(t, body, tt.want)
		})
	}
	for _, size := range []int{17 << 10, 300 << 10} { // refused by the routes, by net/http
		status, _ := p.request(http.MethodGet, p.URL+"/api/health", "", "X-Large", strings.Repeat("x", size))
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, status)
	}
	status, _ := p.request(http.MethodGet, p.URL+"/api/health", "", "X-Large", strings.Repeat("x", 15<<10))
	require.Equal(t, http.StatusOK, status)
}

// A page of another origin sees the refusal of its oversized token, not a CORS error.
func TestOversizedRequestsOfPages(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, tt := range []struct {
		name, path, token string
		status            int
	}{
		{"C26 long URL", "/client/?hub=chat&access_token=" + strings.Repeat("x", 14<<10), "", http.StatusRequestURITooLong},
		{"C26 long URL of twice the limits", "/client/?hub=chat&access_token=" + strings.Repeat("x", 60<<10), "", http.StatusRequestURITooLong},
		{"C26 large header", "/client/negotiate?hub=chat", strings.Repeat("x", 60<<10), http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, p.URL+tt.path, nil)
			require.NoError(t, err)
			r.Header.Set("Origin", "http://page.example")
			r.Header.Set("Authorization", "Bearer "+tt.token)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, "http://page.example", res.Header.Get("Access-Control-Allow-Origin"))
		})
	}
}

func TestChangedLimitOfTokensIsInForceAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(limit string) {
		require.NoError(t, os.WriteFile(file, []byte("limits:\n  tokenBytes: "+limit+"\n"), 0o600))
	}
	write("4KiB")
	p := start(t, "--config", file)
	const send = "/api/hubs/chat/:send"
	status, answer := p.rest(http.MethodPost, send, hello)
	require.Equal(t, http.StatusAccepted, status, answer)
	write("64")
	p.logs.want(t, "settings changed")
	status, answer = p.rest(http.MethodPost, send, hello)
	require.Equal(t, http.StatusRequestEntityTooLarge, status, answer)
}

func TestWellKnownKeyStaysOnLoopback(t *testing.T) {
	for _, listen := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		code, out, stderr := command("serve", "--listen", listen, "--admin-listen", "off")
		require.Equal(t, exitUsage, code)
		require.Empty(t, out)
		require.Contains(t, stderr, "--unsafe-listen-with-well-known-key")
	}
}

// Behind a proxy at a path: the gateway takes what it signs, whether the proxy
// takes the path off or not.
func TestPublicURLWithAPath(t *testing.T) {
	t.Parallel()
	p := start(t, "--public-url", "https://gw.example/base/")
	require.Equal(t, "https://gw.example/base", p.URL)
	local := "http://" + p.Address
	sign := func(path string) string {
		token, err := auth.SignREST(auth.EmulatorKey, p.URL+path, time.Minute)
		require.NoError(t, err)
		return "Bearer " + token
	}
	const generate, send = "/api/hubs/chat/:generateToken?userId=u&api-version=2022-11-01", "/api/hubs/chat/groups/a%2Fb/:send"
	for _, base := range []string{"", "/base"} {
		status, answer := p.request(http.MethodPost, local+base+generate, "", "Authorization", sign("/api/hubs/chat/:generateToken"))
		require.Equal(t, http.StatusOK, status, answer)
		status, answer = p.request(http.MethodPost, local+base+"/client/negotiate?hub=chat", "", "Authorization", "Bearer "+strings.Split(answer, `"`)[3])
		require.Equal(t, http.StatusOK, status, answer)
		status, answer = p.request(http.MethodPost, local+base+send, hello, "Authorization", sign(send), "Content-Type", "application/json")
		require.Equal(t, http.StatusAccepted, status, answer)
	}
}

func TestOwnKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := "an-access-key-of-ones-own-32-bytes-or-more"
	p := start(t, "--access-key", key)
	require.NotContains(t, p.out.String()+p.logs.String(), key)
	require.NotContains(t, p.out.String(), "eyJ")
	require.Contains(t, p.out.String(), "$(hubgate token rest ")
}

func TestTakenPortIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	taken := l.Addr().String()
	for _, tt := range []struct {
		listen, admin, want string
	}{
		{taken, "off", taken + " is in use, perhaps by another hubgate: choose another with --listen\n"},
		{"127.0.0.1:0", taken, taken + ", the address for metrics and health, is in use, perhaps by another hubgate: choose another with --admin-listen, or off\n"},
	} {
		code, _, stderr := command("serve", "--listen", tt.listen, "--admin-listen", tt.admin)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, tt.want)
	}
}

func TestOptionalAddressMayBeMissing(t *testing.T) {
	const nobodys = "192.0.2.1:0" // reserved for documentation
	listeners, err := listenAll([]config.Address{{HostPort: "127.0.0.1:0"}, {HostPort: nobodys, Optional: true}}, listenFlag)
	require.NoError(t, err)
	require.Len(t, listeners, 1)
	taken := listeners[0].Addr().String()
	_, err = listenAll([]config.Address{{HostPort: "127.0.0.1:0"}, {HostPort: nobodys}}, listenFlag)
	require.Error(t, err)
	_, err = listenAll([]config.Address{{HostPort: taken, Optional: true}}, listenFlag)
	require.Error(t, err, "a port that is in use is not a missing address")
	require.NoError(t, closeAll(listeners))
	require.NoError(t, closeAll(listeners))
}

func TestTeardownsRunInReverseAndJoinErrors(t *testing.T) {
	log, err := newLogger(newOutput(), config.Log{Level: "debug", Format: "text"})
	require.NoError(t, err)
	d := teardowns{log: log}
	var order []string
	fault := errors.New("fault")
	for _, name := range []string{"a", "b", "c"} {
		d.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "b" {
				return fault
			}
			return nil
		})
	}
	err = d.run(t.Context())
	require.ErrorIs(t, err, fault)
	require.EqualError(t, err, "stopping b: fault")
	require.Equal(t, []string{"c", "b", "a"}, order)
	require.NoError(t, d.run(t.Context()))
	require.Len(t, order, 3)
}

func TestDrainTimeoutCutsOff(t *testing.T) {
	t.Parallel()
	hook := newWebhook(t)
	hook.hold = make(chan struct{})
	t.Cleanup(func() { close(hook.hold) })
	p := start(t, "--upstream", hook.URL+"/{event}", "--drain-timeout", "200ms")
	p.connect("chat", "ann")
	<-hook.events
	require.Equal(t, exitError, p.stop())
	require.Contains(t, p.logs.String(), "deadline exceeded")
}

// What waits for a client that takes nothing is lost at the end, and the exit code says so.
func TestDrainSaysWhatWasCutOff(t *testing.T) {
	t.Parallel()
	p := start(t, "--drain-timeout", "200ms")
	p.poller("chat")
	require.Equal(t, "202", p.restStatus(http.MethodPost, "/api/hubs/chat/:send", hello))
	p.wantMetrics(`hubgate_deliveries_queued{hub="chat"} 1`)
	require.Equal(t, exitError, p.stop())
	require.Contains(t, p.logs.String(), "1 messages were cut off that waited for clients")
}

// keyPair writes a self-signed certificate for 127.0.0.1 and returns it.
func keyPair(t *testing.T, dir, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(file, kind string, data []byte) {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
	}
	write(keyFile, "PRIVATE KEY", private)
	write(certFile, "CERTIFICATE", der)
	pool = x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool.AddCert(cert)
	return certFile, keyFile, pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile, pool := keyPair(t, dir, "first")
	p := start(t, "--tls-cert", certFile, "--tls-key", keyFile)
	require.True(t, strings.HasPrefix(p.URL, "https://127.0.0.1:"), p.URL)
	get := func(pool *x509.CertPool) (proto, issuer string, err error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get(p.URL + "/api/health")
		if err != nil {
			return "", "", err
		}
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return resp.Proto, resp.TLS.PeerCertificates[0].Subject.CommonName, nil
	}
	proto, name, err := get(pool)
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", proto)
	require.Equal(t, "first", name)

	token, err := auth.SignClient(auth.EmulatorKey, p.URL, "chat", auth.ClientTokenSpec{})
	require.NoError(t, err)
	dialer := &websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: pool}}
	conn, _, err := dialer.Dial("wss"+strings.TrimPrefix(p.URL, "https")+"/client/?hub=chat", http.Header{"Authorization": {"Bearer " + token}})
	require.NoError(t, err)
	c := &client{t: t, conn: conn}
	defer conn.Close()
	c.send(`{"protocol":"json","version":1}`)
	require.Equal(t, `{}`, c.next())

	// A new pair is served without a restart and without ending anybody.
	_, _, second := keyPair(t, dir, "second")
	p.logs.want(t, "certificate changed")
	require.Eventually(t, func() bool {
		_, name, err := get(second)
		return err == nil && name == "second"
	}, patience, 10*time.Millisecond)
	c.send(`{"type":1,"invocationId":"1","target":"m","arguments":[]}`)
	require.Contains(t, c.next(), `"type":3`)

	require.NoError(t, os.WriteFile(keyFile, []byte("no key"), 0o600))
	p.logs.want(t, "the old certificate stays in use")
	_, name, err = get(second)
	require.NoError(t, err)
	require.Equal(t, "second", name)
	require.NoError(t, c.conn.Close())
	require.Zero(t, p.stop())
	require.NotContains(t, p.logs.String(), "error=<nil>")
}

func TestCertificateIsLoggedOnlyWhenItChanges(t *testing.T) {
	dir, logs := t.TempDir(), newOutput()
	certFile, keyFile, _ := keyPair(t, dir, "first")
	log, err := newLogger(logs, config.Log{Level: "debug", Format: "text"})
	require.NoError(t, err)
	c, err := loadCertificate(config.TLS{Cert: certFile, Key: keyFile}, log)
	require.NoError(t, err)
	c.reload()
	require.Empty(t, logs.String())
	keyPair(t, dir, "second")
	c.reload()
	require.Equal(t, 1, strings.Count(logs.String(), "certificate changed"))
}

func TestUnusableCertificateIsAnError(t *testing.T) {
	code, _, stderr := command("serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--tls-cert", "missing.crt", "--tls-key", "missing.key")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "TLS certificate")
}

func TestConnectionStringOfURLs(t *testing.T) {
	for url, want := range map[string]string{
		"http://localhost:8888":     "Endpoint=http://localhost;Port=8888;AccessKey=k;Version=1.0;",
		"https://gw.example":        "Endpoint=https://gw.example;AccessKey=k;Version=1.0;",
		"https://gw.example:8443/x": "Endpoint=https://gw.example/x;Port=8443;AccessKey=k;Version=1.0;ClientEndpoint=https://gw.example:8443/x/;ServerEndpoint=https://gw.example:8443/x/;",
		"https://gw.example/x/":     "Endpoint=https://gw.example/x/;AccessKey=k;Version=1.0;ClientEndpoint=https://gw.example/x/;ServerEndpoint=https://gw.example/x/;",
		"http://[::1]:8888":         "Endpoint=http://[::1];Port=8888;AccessKey=k;Version=1.0;",
	} {
		text := connectionString(url, "k")
		require.Equal(t, want, text)
		parsed, err := auth.ParseConnectionString(text)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(url, "/"), parsed.Client().String())
		require.Equal(t, strings.TrimSuffix(url, "/"), parsed.Server().String())
	}
}
