package oidc_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/oidc"
)

// Whatever the claims of a token are, they are judged without a panic, and no right comes from claims that
// do not name it.
func FuzzGrant(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"aud":"https://signalr.azure.com","roles":["Writer","x",1,null,[["y"]]],"sub":7}`, `{"aud":["chat-app"],"sub":["ann","bob"],"teams":{"a":1},"hubs":true}`,
		`{"aud":"https://signalr.azure.com","realm_access":{"roles":"writer"},"scope":"read write"}`, `{"realm_access":[],"aud":{}}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	issuers := oidc.New(oidc.Options{})
	issuers.Use(config())
	f.Cleanup(issuers.Close)
	f.Fuzz(func(t *testing.T, data []byte) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var claims map[string]any
		if decoder.Decode(&claims) != nil {
			return
		}
		grant := issuers.Grant(claims)
		if grant.Write == nil {
			require.NoError(t, grant.Read, "who may write may read")
			require.True(t, bytes.Contains(bytes.ToLower(data), []byte("riter")) || bytes.Contains(data, []byte(`\u`)))
		}
		if grant.Client == nil {
			require.NotEmpty(t, grant.Holder.User)
			_ = grant.Holder.Enters("chat")
		}
	})
}
