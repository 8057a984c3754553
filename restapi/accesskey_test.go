package restapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// R40: the key and its id, in the letter case that .NET reads, at the paths of both versions.
func TestR40AccessKey(t *testing.T) {
	f := newFixture(t)
	var given struct{ AccessKey, KeyID string }
	for _, request := range []string{
		"GET /api/v1/auth/accessKey", "GET /api/auth/accessKey?api-version=2023-07-01", "POST /api/v1/auth/accessKey",
		"POST /api/auth/accessKey?api-version=2023-07-01", "GET /API/V1/Auth/accesskey/",
	} {
		method, target, _ := strings.Cut(request, " ")
		a := f.do(method, target, "")
		a.wantStatus(http.StatusOK)
		var members map[string]string
		require.NoError(t, json.Unmarshal([]byte(a.body), &members))
		require.Len(t, members, 2, request)
		given.AccessKey, given.KeyID = members["AccessKey"], members["KeyId"]
		require.GreaterOrEqual(t, len(given.AccessKey), 32)
		require.NotEmpty(t, given.KeyID)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"aud": "http://h/client/?hub=chat", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = given.KeyID
	signed, err := token.SignedString([]byte(given.AccessKey))
	require.NoError(t, err)
	_, err = f.options().Tokens.(*auth.Verifier).Client(signed, "chat", "")
	require.NoError(t, err)
}
