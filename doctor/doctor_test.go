package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// examined returns what is found at a URL, by check.
func examined(t *testing.T, at string, change func(p *Patient)) map[string]Finding {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	p := &Patient{URL: u, Hub: "doctor", Patience: time.Minute, ClientToken: func() (string, error) { return "token", nil }}
	if change != nil {
		change(p)
	}
	found := make(map[string]Finding)
	for _, f := range Examine(t.Context(), p) {
		found[f.Check] = f
		require.Equal(t, f.Level == Failed || f.Level == Warning, f.Cause != "" && f.Cure != "", f)
	}
	return found
}

func server(t *testing.T, secure bool, answer http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = nil
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func TestNegotiateIsRefused(t *testing.T) {
	for status, cure := range map[int]string{
		http.StatusUnauthorized: "connection string", http.StatusNotFound: "--public-url", http.StatusBadGateway: "the proxy's upstream",
		http.StatusGatewayTimeout: "the proxy's upstream", http.StatusServiceUnavailable: "/readyz", http.StatusTooManyRequests: "limits.maxConnections",
		http.StatusTeapot: "the log of both",
	} {
		s := server(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		found := examined(t, s.URL, nil)
		require.Equal(t, Failed, found[checkNegotiate].Level, status)
		require.Contains(t, found[checkNegotiate].Cure, cure, status)
		require.Equal(t, Skipped, found[checkWebSocket].Level)
	}
	s := server(t, false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>It works!</html>") })
	require.Contains(t, examined(t, s.URL, nil)[checkNegotiate].Cause, "Another server")
}

func TestCertificates(t *testing.T) {
	s := server(t, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	ends := s.Certificate().NotAfter
	trusts := func(p *Patient) { p.TLS = &tls.Config{RootCAs: roots} }

	require.Contains(t, examined(t, s.URL, nil)[checkTLS].Cause, "does not lead to an authority")
	require.Equal(t, OK, examined(t, s.URL, trusts)[checkTLS].Level)
	for now, level := range map[time.Time]Level{ends.Add(-72 * time.Hour): Warning, ends.Add(time.Hour): Failed} {
		found := examined(t, s.URL, func(p *Patient) { // whoever does not verify is told all the same
			p.TLS, p.Now = &tls.Config{InsecureSkipVerify: true}, func() time.Time { return now }
		})
		require.Equal(t, level, found[checkTLS].Level, now)
		require.Contains(t, found[checkTLS].Cure, "Renew it")
	}
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	require.Contains(t, examined(t, "https://localhost:"+port, trusts)[checkTLS].Cause, "another name")
	cause, _ := whyTLS(x509.CertificateInvalidError{Reason: x509.Expired})
	require.Contains(t, cause, "has ended")
	plain := server(t, false, func(http.ResponseWriter, *http.Request) {})
	require.Contains(t, examined(t, "https://"+plain.Listener.Addr().String(), nil)[checkTLS].Cause, "no TLS server")
}

func TestClocks(t *testing.T) {
	for off, level := range map[time.Duration]Level{0: OK, time.Hour: Warning, -time.Hour: Warning} {
		s := server(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			if !strings.HasSuffix(r.URL.Path, "/negotiate") {
				http.NotFound(w, r) // at once: nothing waits for events
				return
			}
			fmt.Fprint(w, `{"connectionToken":"x"}`)
		})
		require.Equal(t, level, examined(t, s.URL, nil)[checkClock].Level, off)
	}
}

// What the gateway says of itself, by the paths of the admin address.
func TestInside(t *testing.T) {
	closed := server(t, false, func(http.ResponseWriter, *http.Request) {})
	gone := closed.Listener.Addr().String()
	closed.Close()
	open := server(t, false, func(http.ResponseWriter, *http.Request) {}).Listener.Addr().String()
	settings := func(hosts ...string) string {
		var list []string
		for _, h := range hosts {
			list = append(list, `{"urlTemplate":"http://`+h+`/{event}"}`)
		}
		return `{"document":{"properties":{"upstream":{"templates":[` + strings.Join(list, ",") + `]}}}}`
	}
	good := map[string]string{
		"livez": "alive", "readyz": "ready", "metrics": "process_open_fds 10\nprocess_max_fds 1e+06\n", "api/settings": settings(open, "{hub}.example"),
		"cluster": `{"peers":[{"node":"b","state":"up"}]}`,
	}
	for name, test := range map[string]struct {
		change map[string]string
		check  string
		level  Level
	}{
		"ready":         {nil, checkReady, OK},
		"files":         {nil, checkFiles, OK},
		"upstreams":     {nil, checkUpstreams, OK},
		"cluster":       {nil, checkCluster, OK},
		"few files":     {map[string]string{"metrics": "process_open_fds 10\nprocess_max_fds 1024\n"}, checkFiles, Warning},
		"no more files": {map[string]string{"metrics": "process_open_fds 990\nprocess_max_fds 1024\n"}, checkFiles, Failed},
		"no metrics":    {map[string]string{"metrics": ""}, checkFiles, Skipped},
		"upstream gone": {map[string]string{"api/settings": settings(gone)}, checkUpstreams, Failed},
		"no token":      {map[string]string{"api/settings": "!401"}, checkUpstreams, Skipped},
		"peer gone":     {map[string]string{"cluster": `{"peers":[{"node":"b","state":"gone"}]}`}, checkCluster, Warning},
		"isolated":      {map[string]string{"cluster": `{"incarnation":"a-1","notReady":"it reaches nobody"}`}, checkCluster, Failed},
		"full disk":     {map[string]string{"cluster": `{"notReady":"the outbox cannot be stored"}`}, checkCluster, Failed},
		"alone":         {map[string]string{"cluster": "!404"}, checkCluster, Skipped},
		"draining":      {map[string]string{"readyz": "!draining"}, checkReady, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			found := examined(t, closed.URL, func(p *Patient) {
				p.AdminURL = &url.URL{Scheme: "http", Host: "127.0.0.1:8889"}
				p.Admin = func(_ context.Context, path string) (int, []byte, error) {
					text, changed := test.change[path]
					if !changed {
						text = good[path]
					}
					if why, bad := strings.CutPrefix(text, "!"); bad {
						return http.StatusServiceUnavailable, []byte(why), nil
					}
					return http.StatusOK, []byte(text), nil
				}
			})
			require.Equal(t, test.level, found[test.check].Level, found[test.check])
		})
	}
	found := examined(t, closed.URL, func(p *Patient) {
		p.AdminURL = &url.URL{Scheme: "http", Host: "gateway.example:8889"}
		p.Admin = func(context.Context, string) (int, []byte, error) { return http.StatusOK, nil, nil }
	})
	require.Equal(t, Warning, found[checkAdmin].Level)
	found = examined(t, closed.URL, func(p *Patient) {
		p.AdminURL = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
		p.Admin = func(context.Context, string) (int, []byte, error) { return 0, nil, errors.New("no gateway") }
	})
	require.Equal(t, Failed, found[checkAdmin].Level)
	require.Equal(t, Warning, examined(t, "http://gateway.invalid", func(p *Patient) { p.Patience = time.Second })[checkTLS].Level)
}

func TestWorst(t *testing.T) {
	require.Equal(t, OK, Worst([]Finding{{Level: OK}, {Level: Skipped}}))
	require.Equal(t, Warning, Worst([]Finding{{Level: Warning}, {Level: OK}}))
	require.Equal(t, Failed, Worst([]Finding{{Level: Warning}, {Level: Failed}, {Level: Warning}}))
}
