package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"hash"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// FuzzToken looks for tokens that are accepted without a good signature, and
// for errors that show the token.
func FuzzToken(f *testing.F) {
	f.Add(vector)
	f.Add(signed(f, expiring(sendURL)))
	f.Add(sign(f, jwt.SigningMethodHS512, []byte(key.Reveal()), expiring([]string{sendURL})))
	f.Add(sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, expiring(sendURL)))
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.")
	f.Add("..")
	v := verifier(key)
	f.Fuzz(func(t *testing.T, token string) {
		err := v.REST(token, "POST", sendPath, "")
		if err == nil {
			require.True(t, hasGoodSignature(token))
			return
		}
		var refused *auth.TokenError
		require.True(t, errors.As(err, &refused))
		if len(token) > 20 {
			require.NotContains(t, err.Error(), token)
		}
	})
}

func hasGoodSignature(token string) bool {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		return false
	}
	for _, algorithm := range []func() hash.Hash{sha256.New, sha512.New} {
		mac := hmac.New(algorithm, []byte(key.Reveal()))
		mac.Write([]byte(token[:dot]))
		if hmac.Equal(mac.Sum(nil), signature) {
			return true
		}
	}
	return false
}

// FuzzClaims signs whatever the claims are and checks what comes out.
func FuzzClaims(f *testing.F) {
	f.Add(`{"aud":"http://h/client/?hub=chat","exp":4102444800}`)
	f.Add(`{"aud":["http://h/client?hub=chat"],"exp":1e300,"asrs.s.cht":"30","asrs.s.ttl":300,"asrs.s.htt":"3","asrs.s.coae":"true","asrs.s.aeo":"1800000000"}`)
	f.Add(`{"aud":"http://h/client/?hub=chat","exp":4102444800,"role":["a",{"b":[null]}],"asrs.u.iss":"x","sub":1.5,"asrs.s.x":"y"}`)
	f.Fuzz(func(t *testing.T, text string) {
		token := signedText(text)
		claims, err := verifier(key).Client(token, "chat", "")
		if err != nil {
			var refused *auth.TokenError
			require.True(t, errors.As(err, &refused))
			return
		}
		require.True(t, claims.HandshakeTimeout >= 0 && claims.HandshakeTimeout <= 30*time.Second)
		require.True(t, claims.LongPollInterval >= 0 && claims.LongPollInterval <= 300*time.Second)
		require.LessOrEqual(t, claims.Transports, auth.TransportMask(7))
		require.Less(t, claims.Expires.Year(), 10_001)
		require.True(t, claims.Expires.After(now.Add(-auth.DefaultLeeway)))
		for _, claim := range claims.User {
			require.NotEmpty(t, claim.Type)
			require.False(t, strings.HasPrefix(strings.ToLower(claim.Type), "asrs.s."), claim.Type)
		}
	})
}

// FuzzAudience compares the audience check with one that decodes whole paths,
// which is the most that may be accepted.
func FuzzAudience(f *testing.F) {
	f.Add("/api/hubs/chat/groups/a b/ü/:send", "/api/hubs/chat/groups/a%20b%2F%C3%BC/:send")
	f.Add("/api/hubs/chat/%3Asend?application=a", "/api/hubs/Chat/:send/")
	f.Add("/api/hubs/chat/groups/100%", "/api/hubs/chat/groups/100%25")
	f.Add("//", "/%2F/")
	f.Add("#/g", "/")
	f.Fuzz(func(t *testing.T, audience, path string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") {
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !utf8.ValidString(audience) {
			return // JSON has no such texts.
		}
		escaped := u.EscapedPath()
		v := verifier(key)
		own := signed(t, expiring("http://h"+escaped))
		if len(own) <= auth.DefaultMaxTokenBytes {
			require.NoError(t, v.REST(own, "POST", escaped, ""), "a path refuses its own audience")
		}
		if v.REST(signed(t, expiring("http://h"+audience)), "POST", escaped, "") != nil {
			return
		}
		// The authority ends at the first slash, so a path may follow some host.
		rest, _, _ := strings.Cut("h"+audience, "#")
		rest, _, _ = strings.Cut(rest, "?")
		_, rest, _ = strings.Cut(rest, "/")
		segments := strings.Split("/"+rest, "/")
		for i, segment := range segments {
			if text, err := url.PathUnescape(segment); err == nil {
				segments[i] = text
			}
		}
		written, decoded := canonical("/"+rest), canonical(strings.Join(segments, "/"))
		require.Contains(t, []string{written, decoded}, canonical(u.Path))
	})
}

// canonical drops what the check ignores.
func canonical(path string) string {
	return strings.ToLower(strings.TrimRight(path, "/"))
}

// FuzzConnectionString checks that what is accepted can be written and read
// again, and that errors do not repeat the input.
func FuzzConnectionString(f *testing.F) {
	f.Add("Endpoint=http://localhost;Port=8888;AccessKey=KEYKEYKEY;Version=1.0;")
	f.Add("accesskey=a=b==;ENDPOINT=https://[::1]:1/;clientendpoint=http://c;AuthType=azure")
	f.Add("Endpoint=http://a;Endpoint=http://a")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := auth.ParseConnectionString(text)
		if err != nil {
			for part := range strings.SplitSeq(text, ";") {
				if _, value, _ := strings.Cut(part, "="); len(value) > 40 {
					require.NotContains(t, err.Error(), value)
				}
			}
			return
		}
		require.NotEmpty(t, c.Endpoint.Hostname())
		require.True(t, c.AccessKey != "" || c.AuthType != "")
		require.NotNil(t, c.Client())
		require.NotNil(t, c.Server())
		if c.AccessKey == "" {
			return
		}
		again, err := auth.ParseConnectionString(auth.FormatConnectionString(c.Endpoint.String(), c.Port, c.AccessKey))
		require.NoError(t, err)
		require.Equal(t, c.Endpoint.String(), again.Endpoint.String())
		require.Equal(t, c.AccessKey, again.AccessKey)
	})
}

// FuzzSealedToken looks for tokens that open without having been sealed.
func FuzzSealedToken(f *testing.F) {
	s, err := auth.NewSealer(make([]byte, auth.SealerKeyBytes))
	require.NoError(f, err)
	// Sealed once with the key of zeros for "connection", the second 1800000000,
	// "chat" and "u": a constant, since fuzzing runs in several processes.
	const valid = "CBH7w7OiYDpcQtHd7yVE0HAl9vL_E6QiGAT93n6Uh0BO6tb11e3-_Fan3A"
	f.Add(valid, "chat", "u", "id", int64(1))
	f.Add(valid[1:], "chat", "u", "", int64(-1))
	f.Add("", "", "", strings.Repeat("i", 128), int64(1)<<40)
	f.Fuzz(func(t *testing.T, token, hub, user, id string, seconds int64) {
		gotID, _, err := s.Open(token, hub, user)
		if err == nil {
			require.Equal(t, []string{valid, "connection", "chat", "u"}, []string{token, gotID, strings.ToLower(hub), user})
		} else {
			require.ErrorIs(t, err, auth.ErrNotOurs)
		}
		if len(id) > 128 {
			return
		}
		sealed := s.Seal(id, time.Unix(seconds, 0), hub, user)
		gotID, expires, err := s.Open(sealed, hub, user)
		require.NoError(t, err)
		require.Equal(t, id, gotID)
		require.Equal(t, min(max(0, seconds), 1<<34-1), expires.Unix())
	})
}
