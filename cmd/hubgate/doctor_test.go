package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/doctor"
)

// proxy is a reverse proxy before a program. Spoil may take a request or an answer.
func (p *program) proxy(spoil func(next http.Handler) http.Handler) string {
	target, err := url.Parse(p.URL)
	require.NoError(p.t, err)
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.FlushInterval = -1
	pass.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	s := httptest.NewServer(spoil(pass))
	p.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// examine returns the findings of the doctor by check.
func (p *program) examine(args ...string) (code int, found map[string]doctor.Finding) {
	code, out, errText := command(append([]string{"doctor", p.adminAt(), "-o", "json", "--connection-string=" + p.connectionString()}, args...)...)
	var list []doctor.Finding
	require.NoError(p.t, json.Unmarshal([]byte(out), &list), errText)
	found = make(map[string]doctor.Finding)
	for _, f := range list {
		found[f.Check] = f
		require.Equal(p.t, f.Level == doctor.Failed || f.Level == doctor.Warning, f.Cause != "" && f.Cure != "", f)
	}
	require.Len(p.t, found, 11, "each check has a finding")
	return code, found
}

// collector is an answer that is passed on when it is whole.
type collector struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *collector) WriteHeader(status int)      { c.status = status }
func (c *collector) Write(b []byte) (int, error) { return c.body.Write(b) }

func collecting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		c := &collector{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(c, r)
		w.WriteHeader(c.status)
		_, _ = io.Copy(w, &c.body) // the doctor may have left
	})
}

// unhurried bounds checks that do not wait for what never comes.
const unhurried = "--patience=90s"

func TestDoctor(t *testing.T) {
	t.Parallel()
	h := newHook(t, answers("hook"))
	p := start(t, "--upstream="+h.template(), "--clients-handshake-timeout=2m") // longer than the doctor waits

	code, found := p.examine(unhurried)
	require.Zero(t, code, found)
	for _, check := range []string{"negotiate", "clock", "websocket", "server-sent events", "long polling", "admin address", "ready", "upstreams"} {
		require.Equal(t, doctor.OK, found[check].Level, found[check])
	}
	require.Equal(t, doctor.Skipped, found["cluster"].Level)

	code, found = p.examine(p.proxy(func(next http.Handler) http.Handler { return next }), unhurried)
	require.Zero(t, code, found)

	code, found = p.examine(p.proxy(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
			next.ServeHTTP(w, r)
		})
	}), unhurried)
	require.Equal(t, exitError, code)
	require.Equal(t, doctor.Failed, found["websocket"].Level)
	require.Contains(t, found["websocket"].Cure, "proxy_set_header Upgrade")

	// The doctor waits as long as it is told to for events that do not come, and everything else has to be there by then.
	code, found = p.examine(p.proxy(collecting), "--patience=15s")
	require.Equal(t, exitError, code)
	require.Equal(t, doctor.OK, found["websocket"].Level, found["websocket"])
	require.Equal(t, doctor.Failed, found["server-sent events"].Level)
	require.Contains(t, found["server-sent events"].Cure, "proxy_buffering off")
	require.Equal(t, doctor.OK, found["long polling"].Level, "a poll is whole")

	code, out, _ := command("doctor", "http://127.0.0.1:1", "--no-admin", unhurried)
	require.Equal(t, exitError, code)
	require.Contains(t, out, "cause: Nobody answers at this URL")
	require.Contains(t, out, "cure: ")
}

// A gateway without an admin address is examined all the same.
func TestDoctorWithoutAnAdminAddress(t *testing.T) {
	t.Setenv("HUBGATE_ADMIN_LISTEN", "off")
	code, out, _ := command("doctor", "http://127.0.0.1:1", unhurried)
	require.Equal(t, exitError, code)
	require.Regexp(t, `(?m)^failed +negotiate`, out)
	require.Regexp(t, `(?m)^skipped +admin address +there is no admin address`, out)
}

// What differs at the gateway is found by what it says of itself.
func TestDoctorLooksInside(t *testing.T) {
	t.Parallel()
	p := start(t, "--upstream=http://127.0.0.1:1/{event}")
	_, found := p.examine(p.proxy(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
			}
			next.ServeHTTP(dateKeeper{w}, r)
		})
	}), unhurried)
	require.Equal(t, doctor.Failed, found["upstreams"].Level)
	require.Contains(t, found["upstreams"].Text, "127.0.0.1:1 is not reached")
	require.Equal(t, doctor.Warning, found["clock"].Level, found["clock"])
	_, found = p.examine("--admin=http://127.0.0.1:1", unhurried)
	require.Equal(t, doctor.Failed, found["admin address"].Level)
}

// dateKeeper drops the date of the gateway.
type dateKeeper struct{ http.ResponseWriter }

func (k dateKeeper) WriteHeader(status int) {
	if dates := k.Header()["Date"]; len(dates) > 1 {
		k.Header()["Date"] = dates[:1]
	}
	k.ResponseWriter.WriteHeader(status)
}
func (k dateKeeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }
