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
		"https://h/hook?a=1&code=1234":               "https://h/hook?a=1&code=[redacted]",
		`{"url":"https://h/?a=1\u0026code=abc"}`:     `{"url":"https://h/?a=1\u0026code=[redacted]"}`,
		"code=123456":                                "code=[redacted]",
		"code=503abc":                                "code=[redacted]",
		// Numbers of errors are no secrets.
		"API error: code=503 err_code=10008 description=unavailable": "API error: code=503 err_code=10008 description=unavailable",
		"failed (code=7), code=12345.":                               "failed (code=7), code=12345.",
	} {
		require.Equal(t, want, secret.Mask(text))
	}
}
