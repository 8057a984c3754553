package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/oidc/oidctest"
)

// lentKey is what GET /api/v1/auth/accessKey answers.
type lentKey struct{ AccessKey, KeyID string }

// lend asks the gateway for a key for tokens of clients.
func (p *program) lend(token string) (key lentKey) {
	p.t.Helper()
	status, body := p.request(http.MethodGet, p.URL+"/api/v1/auth/accessKey", "", "Authorization", "Bearer "+token)
	require.Equal(p.t, http.StatusOK, status, body)
	require.NoError(p.t, json.Unmarshal([]byte(body), &key))
	return key
}

// client signs a client's token for the hub chat.
func (k lentKey) client(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	claims["aud"], claims["exp"] = "http://gateway/client/?hub=chat", time.Now().Add(time.Hour).Unix()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	token.Header["kid"] = k.KeyID
	signed, err := token.SignedString([]byte(k.AccessKey))
	require.NoError(t, err)
	return signed
}

// R12, R40, H12: an application without an access key, on a gateway where those are switched off. What
// one node lends it every other one with the same access key knows, and each after a restart.
func TestR12ApplicationWithoutAccessKey(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	flags := []string{"--access-key", ownKey, "--oidc-issuers", issuer.URL, "--auth-disable-local-keys"}
	p := start(t, flags...)
	app := issuer.Sign(oidctest.Claims{"aud": issuerAudience, "roles": []string{"SignalR Service Owner"}})
	token := p.lend(app).client(t, jwt.MapClaims{"nameid": "ann"})
	c := p.dialWith("chat", token, nil)
	require.Equal(t, `{}`, c.handshake())
	require.Equal(t, "202", p.bearerSends(app))
	require.JSONEq(t, hello[:len(hello)-1]+`,"type":1}`, c.next())

	require.Equal(t, "401", p.statusWithKey(ownKey))
	status, body := p.request(http.MethodPost, p.URL+"/api/hubs/chat/:generateToken?userId=bob&api-version=2023-07-01", "", "Authorization", "Bearer "+app)
	require.Equal(t, http.StatusOK, status, body)
	var generated struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(body), &generated))
	require.Equal(t, "200", p.bearerEnters(generated.Token))

	other := start(t, flags...)
	require.Equal(t, "200", other.bearerEnters(token))
	require.Equal(t, "200", other.bearerEnters(generated.Token))
	require.Equal(t, "401", start(t, "--access-key", "x"+ownKey, "--oidc-issuers", issuer.URL, "--auth-disable-local-keys").bearerEnters(token))
	require.NotContains(t, p.logs.String(), p.lend(app).AccessKey)
}

// R8, rotation of access keys: a new primary key with the former one as the second lets both in; then the
// former one is gone. Nobody who is connected is closed by it, and whoever has a connection keeps it with
// the token that was accepted for it.
func TestR8RotationOfAccessKeys(t *testing.T) {
	t.Parallel()
	const next = "the-next-access-key-of-ones-own-32-bytes-or-more"
	file := t.TempDir() + "/gateway.yaml"
	writeFile(t, file, "accessKey: "+ownKey+"\n")
	p := start(t, "--config", file)
	enter := func(key auth.Secret) string {
		token, err := auth.SignClient(key, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann"})
		require.NoError(t, err)
		return p.bearerEnters(token)
	}
	token, err := auth.SignClient(ownKey, p.URL, "chat", auth.ClientTokenSpec{UserID: "ann"})
	require.NoError(t, err)
	socket := p.dialWith("chat", token, nil)
	require.Equal(t, `{}`, socket.handshake())

	writeFile(t, file, "accessKey: "+next+"\nsecondaryKey: "+ownKey+"\n")
	p.logs.want(t, `changed="[accessKey secondaryKey]"`)
	require.Equal(t, []string{"200", "200", "202", "202"}, []string{enter(ownKey), enter(next), p.statusWithKey(ownKey), p.statusWithKey(next)})

	writeFile(t, file, "accessKey: "+next+"\n")
	p.logs.want(t, `changed=[secondaryKey]`)
	require.Equal(t, []string{"401", "200", "401", "202"}, []string{enter(ownKey), enter(next), p.statusWithKey(ownKey), p.statusWithKey(next)})
	require.Contains(t, socket.next(), "hello") // a send with the new key reaches whoever came with the former one
	require.Equal(t, 1, int(p.metric(`hubgate_connections{generation="aspnetcore",hub="chat",transport="WebSockets"}`)))
}

// A client of an issuer is told how long its token is good, and brings the next one before that: then its
// connection goes on, in every mode, and webhooks hear the new claims.
func TestClientOfAnIssuerRefreshes(t *testing.T) {
	t.Parallel()
	issuer := oidctest.New(t)
	claims := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims <- r.Header.Get("X-ASRS-User-Claims")
	}))
	defer hook.Close()
	p := start(t, "--oidc-issuers", issuer.URL, "--oidc-client-audiences", clientAudience, "--oidc-groups-claim", "teams", "--upstream", hook.URL)
	ends := func(in time.Duration, role string) string {
		return issuer.Sign(person(oidctest.Claims{"exp": time.Now().Add(in).Unix(), "role": role, "teams": []string{"red"}}))
	}
	first := ends(time.Hour, "guest")
	status, answer := p.request(http.MethodPost, p.URL+"/client/negotiate?negotiateVersion=1&hub=chat", "", "Authorization", "Bearer "+first)
	require.Equal(t, http.StatusOK, status)
	var n struct {
		ConnectionToken      string
		TokenLifetimeSeconds int
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &n))
	require.InDelta(t, 3600, n.TokenLifetimeSeconds, 60)
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(p.URL, "http")+"/client/?hub=chat&id="+n.ConnectionToken+"&access_token="+first, nil)
	require.NoError(t, err)
	c := &client{t: t, conn: conn}
	t.Cleanup(func() { conn.Close() })
	require.Equal(t, `{}`, c.handshake())
	require.Contains(t, <-claims, "role: guest")

	refresh := func(token string) (int, string) {
		return p.request(http.MethodPost, p.URL+"/client/refresh?hub=chat&id="+n.ConnectionToken, "", "Authorization", "Bearer "+token)
	}
	status, answer = refresh(ends(2*time.Hour, "owner"))
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, `{"tokenLifetimeSeconds":7`)
	c.send(`{"type":1,"target":"say","arguments":[]}`)
	require.Contains(t, <-claims, "role: owner")
	require.Equal(t, "200", p.restStatus(http.MethodHead, "/api/hubs/chat/groups/red", ""))

	status, answer = refresh(issuer.Sign(person(oidctest.Claims{"sub": "bob"})))
	require.Equal(t, http.StatusNotFound, status, answer)
	status, answer = refresh(ends(-time.Hour, "owner"))
	require.Equal(t, http.StatusUnauthorized, status, answer)
	status, _ = refresh(ends(-time.Second, "owner")) // within the leeway, but it ends at once
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, c.next(), `"allowReconnect":true`)
}
