package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/webhook"
)

// silent never answers: it waits until the caller gives up.
func silent(_ http.ResponseWriter, p post) { <-p.Context().Done() }

func TestTimeouts(t *testing.T) {
	halfAnswer := func(w http.ResponseWriter, p post) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"type":3,`)
		_ = http.NewResponseController(w).Flush()
		silent(w, p)
	}
	for _, c := range []struct {
		name    string
		answer  func(http.ResponseWriter, post)
		timeout time.Duration
		text    string
	}{
		{"R75 C87 no answer within the default", silent, 0, "Invocation failed, status code 500"},
		{"R75 no answer within the setting", silent, 3 * time.Second, "Invocation failed, status code 500"},
		{"R75 an answer that does not end", halfAnswer, 5 * time.Second, "Invocation failed, response cancelled."},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, network := newMemoryHook(t, c.answer)
				m := &books{}
				cfg := toAll("http://upstream/")
				cfg.Timeout = c.timeout
				client := newConn("abc")
				s := newSession(start(t, cfg, network.on, watched(m)), client)
				began := time.Now()
				receive(t, s, invoke("1", "m"))
				frame := <-client.sent
				require.Equal(t, string(hubprotocol.AppendCompletionError(nil, hubprotocol.JSON, "1", c.text)), string(frame))
				require.Equal(t, orDefault(c.timeout, 100*time.Second), time.Since(began))
				require.Len(t, h.posts, 1, "R76 not repeated")
				require.Equal(t, []Result{ResultTimeout}, m.results())
			})
		})
	}
}

func TestConcurrencyPerOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gates := make(map[string]chan struct{})
		for _, event := range []string{"e0", "e1", "e2", "e3", "e4", "elsewhere"} {
			gates[event] = make(chan struct{})
		}
		h, network := newMemoryHook(t, func(w http.ResponseWriter, p post) {
			<-gates[p.event()]
			w.WriteHeader(http.StatusNoContent)
		})
		b := start(t, &Config{MaxPerOrigin: 2, Templates: []Template{
			{URL: "http://b/", Event: webhook.PatternOf("elsewhere")},
			{URL: "HTTP://A:80/{event}", Event: webhook.PatternOf("e1,e2")},
			{URL: "http://a/x"},
		}}, network.on)
		arrived := func() (events []string) {
			synctest.Wait()
			for len(h.posts) > 0 {
				events = append(events, (<-h.posts).event())
			}
			return events
		}
		var seen []string
		for _, event := range []string{"e0", "e1", "e2", "e3", "e4"} {
			receive(t, newSession(b, newConn(event)), send(event))
			seen = append(seen, arrived()...)
		}
		require.Equal(t, []string{"e0", "e1"}, seen, "two at a time, however the origin is spelled")
		receive(t, newSession(b, newConn("other")), send("elsewhere"))
		require.Equal(t, []string{"elsewhere"}, arrived(), "another origin has turns of its own")
		for _, step := range []struct{ ends, begins string }{{"e1", "e2"}, {"e2", "e3"}, {"e0", "e4"}} {
			close(gates[step.ends])
			require.Equal(t, []string{step.begins}, arrived(), "connections take turns")
		}
		close(gates["e3"])
		close(gates["e4"])
		close(gates["elsewhere"])
	})
}

// Origins can come from names of clients: they must not pile up.
func TestOriginsAreForgotten(t *testing.T) {
	var g originGates
	for i := range 3 * maxIdleGates {
		leave, err := g.enter(t.Context(), gateKey{fmt.Sprint("http://h", i), 1}, party{connection: "c"})
		require.NoError(t, err)
		leave()
		require.LessOrEqual(t, len(g.gates), maxIdleGates)
	}
}

func TestNoTurnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, network := newMemoryHook(t, silent)
		m := &books{}
		cfg := toAll("http://upstream/")
		cfg.MaxPerOrigin = 1
		b := start(t, nil, network.on, watched(m), func(o *Options) { o.Config = func() *Config { return cfg } })
		receive(t, newSession(b, newConn("one")), send("m"))
		synctest.Wait()
		hurried := *cfg
		hurried.Timeout = 10 * time.Second
		cfg = &hurried
		client := newConn("two")
		began := time.Now()
		receive(t, newSession(b, client), invoke("1", "m"))
		require.Contains(t, string(<-client.sent), "Invocation failed, status code 500")
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Len(t, h.posts, 1)
		require.Equal(t, []Result{ResultBusy}, m.results())
		time.Sleep(DefaultTimeout) // ends the first call
	})
}

var discardLog = log.New(io.Discard, "", 0)

// refused is what a dial of a port that nobody listens on ends with.
func refused() error { return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} }

func TestRetries(t *testing.T) {
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "secret-host", IsNotFound: true}}
	guardedDial := &net.OpError{Op: "dial", Net: "tcp", Err: errGuarded}
	for _, c := range []struct {
		name   string
		fails  []error
		dials  int
		posts  int
		result Result
	}{
		{"R76 connects at the third attempt, delivers once", []error{refused(), unknown}, 3, 1, ResultOK},
		{"R76 gives up after three attempts", []error{refused(), refused(), refused(), refused()}, 3, 0, ResultConnect},
		{"guarded addresses are not tried again", []error{guardedDial, guardedDial}, 1, 0, ResultGuarded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, network := newMemoryHook(t, nil)
				network.fails = c.fails
				m := &books{}
				client := newConn("abc")
				began := time.Now()
				receive(t, newSession(start(t, toAll("http://upstream/"), network.on, watched(m)), client), invoke("1", "m"))
				answer := string(<-client.sent)
				synctest.Wait()
				require.Equal(t, c.dials, network.attempts())
				require.Len(t, h.posts, c.posts)
				require.Equal(t, []Result{c.result}, m.results())
				if c.posts == 0 {
					require.Contains(t, answer, "Invocation failed, status code 500")
				}
				// The second halves of 100 and 200 ms are random.
				waits := []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond}[c.dials-1]
				require.GreaterOrEqual(t, time.Since(began), waits)
				require.LessOrEqual(t, time.Since(began), 2*waits)
			})
		})
	}
	t.Run("R76 retries end with the timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, network := newMemoryHook(t, nil)
			network.fails = []error{refused(), refused(), refused()}
			cfg := toAll("http://upstream/")
			cfg.Timeout = 30 * time.Millisecond
			m := &books{}
			client := newConn("abc")
			receive(t, newSession(start(t, cfg, network.on, watched(m)), client), invoke("1", "m"))
			<-client.sent
			require.Equal(t, 1, network.attempts())
			require.Equal(t, []Result{ResultTimeout}, m.results())
		})
	})
}

func TestRefusedConnection(t *testing.T) {
	m := &books{}
	client := newConn("abc")
	s := newSession(start(t, toAll("http://127.0.0.1:1"), watched(m)), client)
	t.Run("R71 C87 refused connection", func(t *testing.T) {
		receive(t, s, invoke("1", "m"))
		require.Equal(t, "Invocation failed, status code 500", completion(t, client).Error)
		require.NoError(t, s.backend.Close(t.Context()))
		require.Equal(t, []Result{ResultConnect}, m.results())
	})
}

// A reset after the event was sent is no reason to send it again.
func TestNotRepeatedOnceSent(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, p post) {
		if p.event() != "first" {
			panic(http.ErrAbortHandler)
		}
	})
	client := newConn("abc")
	s := newSession(start(t, toAll(h.URL)), client)
	receive(t, s, invoke("1", "first")) // leaves a connection to be used again
	completion(t, client)
	receive(t, s, invoke("2", "second"))
	t.Run("R76 exactly one request per event", func(t *testing.T) {
		require.Equal(t, "Invocation failed, status code 500", completion(t, client).Error)
		require.Len(t, h.posts, 2)
	})
}

func TestTLS(t *testing.T) {
	posts := make(chan *http.Request, 8)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts <- r
		w.WriteHeader(http.StatusNoContent)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = discardLog
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	for _, c := range []struct {
		name   string
		config *tls.Config
		result Result
	}{
		{"trusted", &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ResultOK},
		{"not trusted", nil, ResultConnect},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, logs := &books{}, &journal{}
			s := newSession(start(t, toAll(server.URL), watched(m), logged(logs), func(o *Options) { o.TLS = c.config }), newConn("abc"))
			for range 2 {
				receive(t, s, send("m"))
			}
			require.NoError(t, s.backend.Close(t.Context()))
			require.Equal(t, []Result{c.result, c.result}, m.results())
			if c.result == ResultOK {
				require.Equal(t, "HTTP/1.1", want(t, posts).Proto)
			} else {
				require.Contains(t, logs.String(), "certificate")
			}
		})
	}
}

func TestGuard(t *testing.T) {
	for address, refused := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "::ffff:169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true,
		"fd00:ec2::254": true, "100.100.100.200": true, "168.63.129.16": true, "64:ff9b::a9fe:a9fe": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "192.168.0.1": false, "172.16.0.1": false, "fd00::1": false,
		"8.8.8.8": false, "100.100.100.201": false, "64:ff9b::808:808": false,
	} {
		require.Equal(t, refused, guarded(netip.MustParseAddr(address)), address)
	}
}

func TestGuardedUpstream(t *testing.T) {
	allow := false
	d := newDialer(nil, func() bool { return allow })
	for _, address := range []string{"169.254.169.254:80", "[fe80::1%1]:80", "no address"} {
		require.ErrorIs(t, d.control("tcp", address, nil), errGuarded)
	}
	require.NoError(t, d.control("tcp", "127.0.0.1:80", nil))
	allow = true
	require.NoError(t, d.control("tcp", "169.254.169.254:80", nil))

	m, logs := &books{}, &journal{}
	client := newConn("abc")
	s := newSession(start(t, toAll("http://169.254.169.254/latest/"), watched(m), logged(logs)), client)
	receive(t, s, invoke("1", "m"))
	require.Equal(t, "Invocation failed, status code 500", completion(t, client).Error)
	require.NoError(t, s.backend.Close(t.Context()))
	require.Equal(t, []Result{ResultGuarded}, m.results())
	require.Contains(t, logs.String(), "link-local and cloud metadata addresses are refused")
}

func TestGuardBeforeAProxy(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	allow := false
	d := newDialer(nil, func() bool { return allow })
	d.via = func(*http.Request) (*url.URL, error) { return proxy, nil }
	ask := func(host string) error {
		via, err := d.proxy(&http.Request{URL: &url.URL{Scheme: "http", Host: host}})
		if err == nil {
			require.Equal(t, proxy, via)
		}
		return err
	}
	require.ErrorIs(t, ask("169.254.169.254"), errGuarded)
	require.ErrorIs(t, ask("[fe80::1]:80"), errGuarded)
	require.NoError(t, ask("10.0.0.1"))
	require.NoError(t, ask("app.example"))
	allow = true
	require.NoError(t, ask("169.254.169.254"))
}

func TestErrorTextHidesHosts(t *testing.T) {
	e := &endpoint{secrets: []string{"s3cret"}}
	for _, c := range []struct {
		err  error
		text string
	}{
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "s3cret-host"}}, "lookup: no such host"},
		{&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4)}, Err: errors.New("refused")}, "dial: refused"},
		{fmt.Errorf("wrapped: %w", x509.HostnameError{Host: "s3cret"}), "the certificate is not valid for the host name"},
		{errors.New("x s3cret y"), "x [redacted] y"},
	} {
		require.Equal(t, c.text, errorText(c.err, e))
	}
}
