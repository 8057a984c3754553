package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubname"
)

// One rule decides about a hub's name, whichever way it comes in, and says itself to
// whoever breaks it.
func TestHubNamesAreJudgedAlikeEverywhere(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode", "default")
	for name, good := range map[string]bool{
		"chat": true, "app_chat": true, strings.Repeat("h", 128): true,
		"43e1b6f6_chat": false, "my-app_chat": false, "9lives": false, "ü_chat": false,
		strings.Repeat("h", 129): false, strings.Repeat("h", 256): false,
	} {
		t.Run(name[:min(20, len(name))], func(t *testing.T) {
			escaped := url.QueryEscape(name)
			token, err := auth.SignClient(auth.EmulatorKey, p.URL, name, auth.ClientTokenSpec{})
			require.NoError(t, err)
			status, text := p.request(http.MethodPost, p.URL+"/client/negotiate?hub="+escaped, "", "Authorization", "Bearer "+token)
			wantVerdict(t, good, http.StatusOK, status, text)

			status, text = p.rest(http.MethodPost, "/api/hubs/"+url.PathEscape(name)+"/:send", hello)
			wantVerdict(t, good, http.StatusAccepted, status, text)

			status, text = p.dialServer(escaped)
			wantVerdict(t, good, http.StatusSwitchingProtocols, status, text)

			code, _, errors := command("config", "--hub-mode", name+"=classic")
			require.Equal(t, good, code == exitOK, errors)
			if !good {
				require.Contains(t, errors, hubname.Rule)
			}
		})
	}
	for hub, good := range map[string]bool{strings.Repeat("h", 63): true, strings.Repeat("h", 64): false} {
		application := strings.Repeat("a", 64)
		path := "/api/hubs/" + hub + "/:generateToken"
		status, text := p.rest(http.MethodPost, path+"?api-version=2022-11-01&userId=u&application="+application, "")
		wantVerdict(t, good, http.StatusOK, status, text)
		if good {
			token := strings.Split(text, `"`)[3]
			status, text = p.request(http.MethodPost, p.URL+"/client/negotiate?hub="+application+"_"+hub, "", "Authorization", "Bearer "+token)
			require.Equal(t, http.StatusOK, status, text)
		}
	}
}

// The key by which the gateway knows an application of ASP.NET SignalR is no name of a hub.
func TestKeysOfApplicationsNameNoHub(t *testing.T) {
	t.Parallel()
	p := start(t, "--mode", "default")
	const key = "aspnet:shop.startup"
	token, err := auth.SignClient(auth.EmulatorKey, p.URL, key, auth.ClientTokenSpec{})
	require.NoError(t, err)
	status, text := p.request(http.MethodPost, p.URL+"/client/negotiate?hub="+key, "", "Authorization", "Bearer "+token)
	wantVerdict(t, false, http.StatusOK, status, text)
	for _, request := range []struct{ method, path string }{
		{http.MethodPost, "/:send"}, {http.MethodPost, "/users/ann/:send"}, {http.MethodPost, "/groups/g/:send"},
		{http.MethodPost, "/connections/c/:send"}, {http.MethodPost, "/:closeConnections"}, {http.MethodPost, "/:generateToken"},
		{http.MethodDelete, "/connections/c"}, {http.MethodPut, "/groups/g/connections/c"}, {http.MethodPut, "/users/ann/groups/g"},
	} {
		status, text = p.rest(request.method, "/api/hubs/"+key+request.path, hello)
		require.Equal(t, http.StatusBadRequest, status, "%v: %s", request, text)
	}
	status, text = p.dialServer(key)
	wantVerdict(t, false, http.StatusSwitchingProtocols, status, text)
	for _, verb := range [][]string{{"send", "all", key, "news"}, {"listen", key}, {"token", "client", key}} {
		code, _, errors := command(append(verb, "--connection-string", p.connectionString())...)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errors, "ASP.NET SignalR")
	}
	status, text = p.request(http.MethodPost, p.Admin+"/inspector/send", `{"hub":"aspnet:shop.startup","to":"all","method":"m","arguments":[]}`, "Content-Type", "application/json", "X-Hubgate-Inspector", "1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "ASP.NET SignalR")
}

func wantVerdict(t *testing.T, good bool, okay, status int, text string) {
	t.Helper()
	if good {
		require.Equal(t, okay, status, text)
		return
	}
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, hubname.Rule)
}

// dialServer asks for a server connection and returns the answer.
func (p *program) dialServer(hub string) (status int, text string) {
	p.t.Helper()
	audience := p.URL + "/server/?hub=" + hub
	claims := jwt.MapClaims{"aud": audience, "nameid": "s", "exp": time.Now().Add(time.Minute).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(auth.EmulatorKey.Reveal()))
	require.NoError(p.t, err)
	conn, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(audience, "http"), http.Header{"Authorization": {"Bearer " + token}})
	if err == nil {
		require.NoError(p.t, conn.Close())
		return resp.StatusCode, ""
	}
	require.NotNil(p.t, resp, err)
	body := make([]byte, 1024)
	n, _ := resp.Body.Read(body)
	return resp.StatusCode, string(body[:n])
}
