package upstream

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/webhook/signature"
)

// The second signature covers the whole request, under both keys, and names the event.
func TestSignatureOfTheWholeRequest(t *testing.T) {
	h := newHook(t, nil)
	cfg := toAll(h.URL + "/hook/{event}?code=a%2Fb")
	secondary := auth.Secret(strings.Repeat("B", 44))
	cfg.Keys = []auth.Secret{testKey, "", secondary}
	s := connect(start(t, cfg), newConn("abc"))
	connected := want(t, h.posts)
	receive(t, s, send("say ü"))
	first := want(t, h.posts)
	receive(t, s, invoke("1", "say ü"))
	second := want(t, h.posts)

	ids := make(map[string]bool)
	for _, key := range []auth.Secret{testKey, secondary} {
		v := signature.Verifier{Keys: []string{key.Reveal()}}
		for _, p := range []post{connected, first, second} {
			event, err := v.Request(p.Request, []byte(p.body))
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(event.ID, "abc."), event.ID)
			ids[event.ID] = true
		}
		_, err := v.Request(first.Request, []byte(second.body))
		require.ErrorIs(t, err, signature.ErrMismatch)
	}
	require.Len(t, ids, 3, "each event has an id of its own")
	require.True(t, ids["abc.connected"])

	other := signature.Verifier{Keys: []string{strings.Repeat("C", 44)}}
	_, err := other.Request(first.Request, []byte(first.body))
	require.ErrorIs(t, err, signature.ErrMismatch)
}

func TestNoKeyNoSignature(t *testing.T) {
	h := newHook(t, nil)
	cfg := toAll(h.URL)
	cfg.Keys = []auth.Secret{""}
	connect(start(t, cfg), newConn("abc"))
	require.Empty(t, want(t, h.posts).Header.Values(signature.Header))
}
