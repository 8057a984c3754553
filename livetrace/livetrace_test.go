package livetrace

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

const (
	patience = 100 * time.Second
	tick     = 10 * time.Millisecond
)

// serve returns a Hub and the URL of its WebSocket.
func serve(t *testing.T, enabled *atomic.Bool) (*Hub, string) {
	h := New(Options{
		Enabled: enabled.Load, Wants: func(c azurelog.Category) bool { return c != azurelog.HTTPRequests },
		Verify: func(token string) error {
			if token != "good" {
				return &auth.TokenError{Failure: auth.TokenMissing}
			}
			return nil
		}, Logger: slog.New(slog.DiscardHandler),
	})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	return h, "ws" + strings.TrimPrefix(s.URL, "http") + Path + "?access_token="
}

func dial(t *testing.T, url string) (*websocket.Conn, int) {
	ws, resp, err := websocket.DefaultDialer.Dial(url, nil)
	require.NotNil(t, resp, err)
	if err != nil {
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { ws.Close() })
	return ws, resp.StatusCode
}

func listen(t *testing.T, h *Hub, url string) *websocket.Conn {
	ws, _ := dial(t, url)
	before := h.listening.Load()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":1,\"target\":\"startListeningToLogEvents\",\"arguments\":[]}\x1e")))
	require.Eventually(t, func() bool { return h.listening.Load() > before }, patience, tick)
	return ws
}

func on() *atomic.Bool {
	enabled := new(atomic.Bool)
	enabled.Store(true)
	return enabled
}

// Whoever does not keep up is closed and counted, and holds nobody up.
func TestR89SlowWatchersAreDropped(t *testing.T) {
	h, url := serve(t, on())
	listen(t, h, url+"good")
	e := &flight.Event{Kind: flight.KindConnection, What: flight.WhatOpened, Subject: flight.Subject{User: strings.Repeat("x", 4000)}}
	h.mu.Lock()
	var slow *watcher
	for slow = range h.watchers {
	}
	h.mu.Unlock()
	for over := false; !over; {
		h.Event(e)
		select {
		case <-slow.over:
			over = true
		default:
		}
		s := h.Stats()
		require.LessOrEqual(t, s.Dropped, s.Closed, "it is one of those that ended")
	}
	require.Eventually(t, func() bool { return h.Stats().Watching == 0 && !h.Listening() }, patience, tick)
	require.EqualValues(t, 1, h.Stats().Closed)
	require.EqualValues(t, 1, h.Stats().Dropped)
}

func TestR89WatchersAreBounded(t *testing.T) {
	h, url := serve(t, on())
	for range MaxWatchers {
		_, status := dial(t, url+"good")
		require.Equal(t, http.StatusSwitchingProtocols, status)
	}
	_, status := dial(t, url+"good")
	require.Equal(t, http.StatusTooManyRequests, status)
	_, status = dial(t, url)
	require.Equal(t, http.StatusUnauthorized, status)
	require.EqualValues(t, 2, h.Stats().Refused)
}

// Events of a category that is off are not shown, and none when live trace is off.
func TestR89CategoriesAndTheSwitch(t *testing.T) {
	enabled := on()
	h, url := serve(t, enabled)
	ws := listen(t, h, url+"good")
	h.Event(&flight.Event{Kind: flight.KindRequest, What: flight.WhatAnswered})
	h.Event(&flight.Event{Kind: flight.KindConnection, What: flight.WhatOpened})
	for shown := ""; !strings.Contains(shown, "logEvent"); {
		require.NoError(t, ws.SetReadDeadline(time.Now().Add(patience)))
		_, data, err := ws.ReadMessage()
		require.NoError(t, err)
		require.NotContains(t, string(data), `"eventId":19`)
		shown += string(data)
	}
	enabled.Store(false)
	_, status := dial(t, url+"good")
	require.Equal(t, http.StatusForbidden, status)
}

// Whoever has come in leaves when the token is not good any more, or settings do not let anybody look on.
func TestR89WatchersLeaveWithWhatLetThemIn(t *testing.T) {
	var good, admitted atomic.Bool
	enabled := on()
	h := New(Options{
		Enabled: enabled.Load, Wants: func(azurelog.Category) bool { return true },
		Verify: func(string) error {
			if !good.Load() {
				return &auth.TokenError{Failure: auth.TokenMissing}
			}
			return nil
		},
		Admits: func(r *http.Request) bool { return admitted.Load() && r.URL.Path == Path },
		Logger: slog.New(slog.DiscardHandler),
	})
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	for i, of := range []*atomic.Bool{&good, &admitted, enabled} {
		good.Store(true)
		admitted.Store(true)
		enabled.Store(true)
		ws := listen(t, h, "ws"+strings.TrimPrefix(s.URL, "http")+Path+"?access_token=x")
		h.Recheck() // which finds nothing
		h.Event(&flight.Event{Kind: flight.KindConnection, What: flight.WhatOpened})
		said := ""
		next := func() {
			require.NoError(t, ws.SetReadDeadline(time.Now().Add(patience)))
			_, data, err := ws.ReadMessage()
			require.NoError(t, err)
			said = string(data)
		}
		for next(); !strings.Contains(said, "logEvent"); next() {
		}
		of.Store(false)
		h.Recheck()
		for next(); !strings.Contains(said, `"type":7`); next() {
		}
		require.Eventually(t, func() bool { return h.Stats().Ended == uint64(i+1) }, patience, tick)
		require.Zero(t, h.Stats().Dropped)
	}
}
