package serviceprotocol

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreNotPrinted(t *testing.T) {
	for _, c := range []struct {
		message Message
		shown   string
	}{
		{&AccessKeyRequest{Token: "s3cret", KeyID: "s3cret"}, `AccessKeyRequest("")`},
		{&AccessKeyResponse{KeyID: "s3cret", AccessKey: "s3cret"}, `AccessKeyResponse("")`},
		{&OpenConnection{ConnectionID: "C1", Query: "?access_token=s3cret", Claims: []Claim{{"t", "s3cret"}}}, `OpenConnection("C1")`},
		{&Unknown{Number: 41, Body: []byte("\x92\x29\xa6s3cret")}, `RefreshAuth("41")`},
	} {
		t.Run(c.message.Type().String(), func(t *testing.T) {
			require.Equal(t, c.shown, fmt.Sprint(c.message))
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "message", c.message)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "message", c.message)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&log, verb, c.message)
			}
			require.NotContains(t, log.String(), "s3cret")
			require.NotContains(t, log.String(), fmt.Sprintf("%x", "s3cret"))
			require.Contains(t, log.String(), c.message.Type().String())
		})
	}
}
