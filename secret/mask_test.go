package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"nothing to see": "nothing to see",
		"a=b":            "a=b",
		"/client/?hub=chat&access_token=abc.def&x=1": "/client/?hub=chat&access_token=[redacted]&x=1",
		"Authorization: Bearer abc":                  "Authorization: Bearer [redacted]",
		"Endpoint=http://h;AccessKey=abc;Version=1":  "Endpoint=http://h;AccessKey=[redacted];Version=1",
		`{"token":"eyJhbGciOi.eyJhdWQi.c2ln"}`:       `{"token":"[redacted]"}`,
		"https://h/hook?code=abc":                    "https://h/hook?code=[redacted]",
	} {
		require.Equal(t, want, secret.Mask(text))
	}
}
