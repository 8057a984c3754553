package auth_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func TestClientAudience(t *testing.T) {
	tests := []struct {
		name, audience, hub, application string
		ok                               bool
	}{
		{"documented form", chatClient, "chat", "", true},
		{"SDK form without port", "http://localhost/client/?hub=chat", "chat", "", true},
		{"without the slash", "https://gw.example/client?hub=chat", "chat", "", true},
		{"D7 hub in another letter case", "http://localhost/client/?hub=Chat", "cHAT", "", true},
		{"D7 query name in another letter case", "http://localhost/client/?Hub=chat", "chat", "", true},
		{"D7 other parts of the query", "http://localhost/client/?asrs.op=%2Fchat&hub=chat&x=%zz", "chat", "", true},
		{"escaped hub", "http://localhost/client/?hub=t%5B1%5D", "t[1]", "", true},
		{"unescaped hub", "http://localhost/client/?hub=t[1]", "t[1]", "", true},
		{"D7 application", chatClient + "&application=App", "chat", "app", true},
		{"D7 another application", chatClient + "&application=App", "chat", "other", false},
		{"C10 another hub", "http://localhost/client/?hub=news", "chat", "", false},
		{"R47 another hub", chatClient, "news", "", false},
		{"C10 no hub", "http://localhost/client/", "chat", "", false},
		{"C10 two hubs", chatClient + "&hub=news", "chat", "", false},
		{"C10 empty hub", "http://localhost/client/?hub=", "", "", false},
		{"C10 hub server", "http://localhost/server/?hub=chat", "chat", "", false},
		{"C10 REST token", sendURL, "chat", "", false},
		{"C10 no URL", "chat", "chat", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token := signed(t, expiring(test.audience))
			claims, err := verifier(key).Client(token, test.hub, test.application)
			if test.ok {
				require.NoError(t, err)
				require.Equal(t, now.Add(time.Hour).Unix(), claims.Expires.Unix())
				return
			}
			require.Nil(t, claims)
			wantFailure(t, err, auth.TokenAudience, token)
		})
	}
}

func TestClientRefusals(t *testing.T) {
	changed := func(name string, value any) string {
		claims := expiring(chatClient)
		claims[name] = value
		return signed(t, claims)
	}
	tests := []struct {
		name, token string
		want        auth.Failure
	}{
		{"C10 no token", "", auth.TokenMissing},
		{"C10 wrong signature", sign(t, jwt.SigningMethodHS256, []byte(otherKey.Reveal()), expiring(chatClient)), auth.TokenSignature},
		{"C10 expired", changed("exp", now.Add(-time.Hour).Unix()), auth.TokenExpired},
		{"C10 not yet valid", changed("nbf", now.Add(time.Hour).Unix()), auth.TokenNotYetValid},
		{"C10 no expiry", changed("exp", nil), auth.TokenNoExpiry},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := verifier(key).Client(test.token, "chat", "")
			wantFailure(t, err, test.want, test.token)
		})
	}
}

// clientClaims verifies claims written as JSON members beside aud and exp.
func clientClaims(t *testing.T, members string) *auth.Claims {
	t.Helper()
	token := signedText(`{"aud":"` + chatClient + `","exp":4102444800` + members + `}`)
	claims, err := verifier(key).Client(token, "chat", "")
	require.NoError(t, err)
	return claims
}

func TestUserID(t *testing.T) {
	const long = `"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"`
	tests := []struct{ name, members, want string }{
		{"R49 none", ``, ""},
		{"R49 system claim first", `,"sub":"s","nameid":"n",` + long + `:"l","asrs.s.uid":"u"`, "u"},
		{"R49 nameid before sub", `,"sub":"s",` + long + `:"l","nameid":"n"`, "n"},
		{"R49 sub before the long name", `,` + long + `:"l","sub":"s"`, "s"},
		{"R49 long name", `,` + long + `:"l"`, "l"},
		{"R49 number", `,"nameid":17`, "17"},
		{"R49 first of a list", `,"nameid":["a","b"]`, "a"},
		{"R49 null is absent", `,"asrs.s.uid":null,"nameid":"n"`, "n"},
		{"R49 empty list is absent", `,"nameid":[],"sub":"s"`, "s"},
		{"R49 empty system claim is anonymous", `,"asrs.s.uid":"","nameid":"n"`, ""},
		{"R49 user claim behind a prefix", `,"asrs.u.nameid":"n","asrs.u.sub":"x"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, clientClaims(t, test.members).UserID)
		})
	}
}

func TestUserClaims(t *testing.T) {
	tests := []struct {
		name, members string
		want          []auth.Claim
	}{
		{"none", ``, nil},
		{"order of the token", `,"z":"1","a":"2","m":"3"`, []auth.Claim{{"z", "1"}, {"a", "2"}, {"m", "3"}}},
		{"list becomes claims of one type", `,"role":["admin","user"],"x":"y"`, []auth.Claim{{"role", "admin"}, {"role", "user"}, {"x", "y"}}},
		{"reserved names", `,"iat":1,"nbf":1,"iss":"i","actort":"a","acr":"a","azp":"a","c_hash":"a","jti":"a","nonce":"a"`, nil},
		{"reserved names of the user", `,"asrs.u.iss":"i","asrs.u.aud":["a","b"],"asrs.u.x":"y"`, []auth.Claim{{"iss", "i"}, {"aud", "a"}, {"aud", "b"}, {"x", "y"}}},
		{"R60 no system claims", `,"asrs.s.uid":"u","asrs.s.unknown":"v","ASRS.S.uid":"w","asrs.u.asrs.s.uid":"x","asrs.u.":"y"`, nil},
		{"user id claims stay", `,"nameid":"n","sub":"s"`, []auth.Claim{{"nameid", "n"}, {"sub", "s"}}},
		{"values that are no strings", `,"n":1.50,"b":true,"o":{ "k" : [1, null] },"l":[[1, 2], null],"e":[],"z":null`,
			[]auth.Claim{{"n", "1.50"}, {"b", "true"}, {"o", `{"k":[1,null]}`}, {"l", "[1,2]"}}},
		{"escapes", `,"\u0072ole":"a\u000d\u000a\"\u00fc, x: y"`, []auth.Claim{{"role", "a\r\n\"ü, x: y"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, clientClaims(t, test.members).User)
		})
	}
}

func TestSystemClaims(t *testing.T) {
	tests := []struct {
		name, members string
		want          auth.Claims
	}{
		{"none", ``, auth.Claims{}},
		{"handshake timeout", `,"asrs.s.cht":"30"`, auth.Claims{HandshakeTimeout: 30 * time.Second}},
		{"handshake timeout as a number", `,"asrs.s.cht":1`, auth.Claims{HandshakeTimeout: time.Second}},
		{"handshake timeout too short", `,"asrs.s.cht":"0"`, auth.Claims{}},
		{"handshake timeout too long", `,"asrs.s.cht":"31"`, auth.Claims{}},
		{"handshake timeout beyond all integers", `,"asrs.s.cht":"99999999999999999999"`, auth.Claims{}},
		{"handshake timeout of nonsense", `,"asrs.s.cht":{"a":1}`, auth.Claims{}},
		{"poll interval", `,"asrs.s.ttl":"300"`, auth.Claims{LongPollInterval: 300 * time.Second}},
		{"poll interval too long", `,"asrs.s.ttl":301`, auth.Claims{}},
		{"C18 transports", `,"asrs.s.htt":"5"`, auth.Claims{Transports: auth.TransportWebSockets | auth.TransportLongPolling}},
		{"C18 transports as a number", `,"asrs.s.htt":2`, auth.Claims{Transports: auth.TransportServerSentEvents}},
		{"C18 transports unknown today", `,"asrs.s.htt":"12"`, auth.Claims{Transports: auth.TransportLongPolling}},
		{"C18 negative transports", `,"asrs.s.htt":"-1"`, auth.Claims{}},
		{"R52 close on expiry", `,"asrs.s.coae":"true","asrs.s.aeo":"1800000000"`, auth.Claims{CloseAt: time.Unix(1800000000, 0)}},
		{"R52 close on expiry, any order and type", `,"asrs.s.aeo":1800000000,"asrs.s.coae":true`, auth.Claims{CloseAt: time.Unix(1800000000, 0)}},
		{"R52 not wanted", `,"asrs.s.coae":"false","asrs.s.aeo":"1800000000"`, auth.Claims{}},
		{"R52 without a time", `,"asrs.s.coae":"true"`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"R52 a time of null", `,"asrs.s.coae":"true","asrs.s.aeo":null`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"R52 a time that is no number", `,"asrs.s.coae":"true","asrs.s.aeo":"soon"`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"R52 a time with a fraction", `,"asrs.s.coae":"true","asrs.s.aeo":"1800000000.5"`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"R52 a time that is no time", `,"asrs.s.coae":"true","asrs.s.aeo":"0"`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"R52 a time beyond all integers", `,"asrs.s.coae":"true","asrs.s.aeo":"99999999999999999999"`, auth.Claims{CloseAt: time.Unix(4102444800, 0)}},
		{"diagnostic client", `,"asrs.s.dc":"true"`, auth.Claims{Diagnostic: true}},
		{"detailed errors", `,"asrs.s.derror":"True"`, auth.Claims{DetailedErrors: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.want.Expires = time.Unix(4102444800, 0)
			require.Equal(t, test.want, *clientClaims(t, test.members))
		})
	}
}

func TestTransportMask(t *testing.T) {
	require.True(t, auth.TransportMask(0).Allows(auth.TransportLongPolling))
	require.True(t, auth.TransportLongPolling.Allows(auth.TransportLongPolling))
	require.False(t, auth.TransportLongPolling.Allows(auth.TransportWebSockets))
}

func TestServerTokens(t *testing.T) {
	const audience = "http://localhost/server/?hub=chat"
	claims := expiring(audience)
	claims["nameid"] = "host_1"
	got, err := verifier(key).Server(signed(t, claims), "Chat")
	require.NoError(t, err)
	require.Equal(t, "host_1", got.ServerID, "H13a")
	require.Equal(t, now.Add(time.Hour).Unix(), got.Expires.Unix())

	for name, aud := range map[string]string{
		"H7 a client's token": chatClient, "H7 another hub": "http://localhost/server/?hub=other", "H7 a REST token": sendURL, "no hub": "http://localhost/server/",
	} {
		t.Run(name, func(t *testing.T) {
			token := signed(t, expiring(aud))
			_, err := verifier(key).Server(token, "chat")
			wantFailure(t, err, auth.TokenAudience, token)
		})
	}
	token := signed(t, expiring(audience))
	_, err = verifier(key).Client(token, "chat", "")
	wantFailure(t, err, auth.TokenAudience, token)
	wantFailure(t, verifier(key).REST(token, "POST", "/server", ""), auth.TokenAudience, token)
}

func TestTokenClaims(t *testing.T) {
	token := signedText(`{"aud":"` + chatClient + `","exp":` + strconv.FormatInt(now.Add(time.Hour).Unix(), 10) +
		`,"asrs.s.uid":"ann","asrs.s.sn":"s1","asrs.u.aud":"mine","role":["a","b"],"age":7,"iat":1}`)
	v := verifier(key)
	_, err := v.Client(token, "chat", "")
	require.NoError(t, err)
	require.Equal(t, []auth.Claim{
		{Type: "asrs.s.uid", Value: "ann"}, {Type: "asrs.s.sn", Value: "s1"}, {Type: "asrs.u.aud", Value: "mine"},
		{Type: "role", Value: "a"}, {Type: "role", Value: "b"}, {Type: "age", Value: "7"},
	}, v.TokenClaims(token), "H40")
	require.Empty(t, v.TokenClaims("nonsense"))
}
