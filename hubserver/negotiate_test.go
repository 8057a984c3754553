package hubserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestNegotiate(t *testing.T) {
	ask := func(server *Server, hub *Hub, method, target string, identify func(*http.Request) (Identity, error)) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.NegotiateHandler(hub, identify).ServeHTTP(w, httptest.NewRequest(method, target, nil))
		return w
	}
	server := NewServer(MustParseConnectionString(testConnectionString + "ClientEndpoint=https://clients.example/base/;"))
	server.ApplicationName, server.Logger = "App", slog.New(slog.DiscardHandler)
	without := NewServer(ConnectionString{})
	without.Logger = server.Logger
	t.Run("sends clients on", func(t *testing.T) {
		w := ask(server, NewHub("Chat"), "POST", "/app/chat/negotiate?negotiateVersion=1&room=a%20b", func(r *http.Request) (Identity, error) {
			return Identity{User: "ann", Claims: Claims{{"role", "a"}, {"role", "b"}, {"exp", "x"}}, Lifetime: time.Minute, CloseOnExpiry: true}, nil
		})
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		var answer struct {
			NegotiateVersion    *int
			URL, AccessToken    string
			AvailableTransports []string
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Zero(t, *answer.NegotiateVersion)
		require.NotNil(t, answer.AvailableTransports)
		require.Empty(t, answer.AvailableTransports)
		address, id, found := strings.Cut(answer.URL, "&asrs_request_id=")
		require.True(t, found)
		require.NotEmpty(t, id)
		require.Equal(t, "https://clients.example/base/client/?hub=app_chat&asrs.op=%2Fapp%2Fchat&negotiateVersion=1&room=a%20b", address)
		_, err := url.ParseRequestURI(answer.URL)
		require.NoError(t, err)

		verifier := auth.NewVerifier(auth.VerifierOptions{Keys: func() []auth.Secret {
			return []auth.Secret{"0123456789012345678901234567890123456789"}
		}})
		claims, err := verifier.Client(answer.AccessToken, "app_chat", "")
		require.NoError(t, err)
		require.Equal(t, "ann", claims.UserID)
		require.Equal(t, []auth.Claim{{Type: "role", Value: "a"}, {Type: "role", Value: "b"}, {Type: "exp", Value: "x"}}, claims.User)
		require.Equal(t, claims.Expires, claims.CloseAt)
		require.WithinDuration(t, time.Now().Add(time.Minute), claims.Expires, 10*time.Second)
	})
	t.Run("anonymous, at the root", func(t *testing.T) {
		w := ask(server, NewHub("chat"), "POST", "/negotiate", nil)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), `/client/?hub=app_chat\u0026asrs_request_id=`)
	})
	for name, test := range map[string]struct {
		server   *Server
		identity Identity
		err      error
		status   int
		text     string
	}{
		"not identified":           {server, Identity{}, errors.New("secret"), 401, "Unauthorized.\n"},
		"not identified, with why": {server, Identity{}, Error("Sign in."), 401, "Unauthorized. Sign in.\n"},
		"too many claims":          {server, Identity{Claims: Claims{{"x", strings.Repeat("x", 4096)}}}, nil, 413, "The client has too many claims.\n"},
		"claims of the system":     {server, Identity{Claims: Claims{{"asrs.s.uid", "x"}}}, nil, 500, "Internal server error.\n"},
		"no connection string":     {without, Identity{}, nil, 500, "Internal server error.\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(test.server, NewHub("chat"), "POST", "/negotiate", func(*http.Request) (Identity, error) { return test.identity, test.err })
			require.Equal(t, test.status, w.Code)
			require.Equal(t, test.text, w.Body.String())
		})
	}
	t.Run("another method", func(t *testing.T) {
		w := ask(server, NewHub("chat"), "GET", "/negotiate", nil)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "POST", w.Header().Get("Allow"))
	})
	t.Run("while not connected", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hub := NewHub("chat")
			g, server := serve(t, hub)
			p := g.peer()
			synctest.Wait()
			g.refuse(503, "")
			require.Equal(t, http.StatusOK, ask(server, hub, "POST", "/negotiate", nil).Code)
			p.socket.Close()
			synctest.Wait()
			w := ask(server, hub, "POST", "/negotiate", nil)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Equal(t, "1", w.Header().Get("Retry-After"))
		})
	})
}
