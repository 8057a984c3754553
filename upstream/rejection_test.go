package upstream

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func TestConnectedAnswers(t *testing.T) {
	plain := func(status int, media, body string) func(http.ResponseWriter, post) {
		return func(w http.ResponseWriter, p post) {
			w.Header().Set("Content-Type", media)
			says(status, body)(w, p)
		}
	}
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, post)
		keep   bool
		result Result
		reason string // empty: the client stays
	}{
		{"R74 200 is accepted", says(200, "ok"), false, ResultOK, ""},
		{"R74 204 is accepted", says(204, ""), false, ResultOK, ""},
		{"R74 403 closes with the text", plain(403, "text/plain; charset=utf-8", " You are\r\nnot\x00 welcome "), false, ResultRejected, "You are  not welcome"},
		{"R74 401 closes with the phrase", plain(401, "text/html", "<p>no"), false, ResultRejected, "Unauthorized"},
		{"R74 403 with a long text", plain(403, "text/plain", strings.Repeat("é", 300)), false, ResultRejected, strings.Repeat("é", 128)},
		{"R74 403 as the emulator", says(403, ""), true, ResultRejected, ""},
		{"R74 404 keeps the client", says(404, ""), false, ResultStatus, ""},
		{"R74 500 keeps the client", says(500, ""), false, ResultStatus, ""},
		{"R74 302 is not followed", plain(302, "text/plain", ""), false, ResultStatus, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHook(t, func(w http.ResponseWriter, p post) {
				w.Header().Set("Location", "/elsewhere")
				c.answer(w, p)
			})
			m := &books{}
			cfg := toAll(h.URL)
			cfg.KeepRejected = c.keep
			client := newConn("abc")
			s := connect(start(t, cfg, watched(m)), client)
			if c.reason != "" {
				require.Equal(t, gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: c.reason}, want(t, client.closed))
			}
			want(t, h.posts)
			s.Closed(gateway.Cause{Reason: gateway.CloseNormal})
			require.NoError(t, s.backend.Close(t.Context()))
			require.Equal(t, c.result, m.results()[0])
			if c.reason == "" {
				require.Equal(t, "disconnected", want(t, h.posts).event())
			}
			require.Empty(t, client.closed)
			require.Empty(t, h.posts)
		})
	}
}

func TestRejectedClientIsNotServed(t *testing.T) {
	gate := make(chan struct{})
	h := newHook(t, func(w http.ResponseWriter, p post) {
		<-gate
		w.WriteHeader(http.StatusForbidden)
	})
	m := &books{}
	client := newConn("abc")
	s := connect(start(t, toAll(h.URL), watched(m)), client)
	want(t, h.posts)
	receive(t, s, send("early"))
	close(gate)
	require.Equal(t, gateway.CloseInvokeUpstreamFailed, want(t, client.closed).Reason)
	t.Run("R74 what a rejected client sent is not delivered", func(t *testing.T) {
		require.True(t, receive(t, s, send("late")))
		s.Closed(gateway.Cause{Reason: gateway.CloseInvokeUpstreamFailed, Text: "Forbidden"})
		require.NoError(t, s.backend.Close(t.Context()))
		require.Empty(t, h.posts)
		require.Equal(t, []SkipReason{SkipRejected, SkipRejected}, m.skips())
		require.Zero(t, m.depth())
	})
}
