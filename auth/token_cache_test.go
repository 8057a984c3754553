package auth

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokenCacheIsBounded(t *testing.T) {
	var c tokenCache
	often := HashToken("often")
	c.put(often, &verified{})
	for i := range 5 * cachedTokens {
		c.put(HashToken(fmt.Sprint(i)), &verified{})
		require.LessOrEqual(t, len(c.young)+len(c.old), cachedTokens)
		if i%100 == 0 {
			_, ok := c.get(often)
			require.True(t, ok, "a token in use is forgotten after %d others", i)
		}
	}
	_, ok := c.get(HashToken("0"))
	require.False(t, ok, "the first of many is still there")
	_, ok = c.get(HashToken(fmt.Sprint(5*cachedTokens - 1)))
	require.True(t, ok, "the last one is not there")
}

func TestVerifierRemembersTokens(t *testing.T) {
	keys := []Secret{EmulatorKey}
	v := NewVerifier(VerifierOptions{Keys: func() []Secret { return keys }})
	token, err := SignClient(EmulatorKey, "http://localhost", "chat", ClientTokenSpec{UserID: "u"})
	require.NoError(t, err)
	first, err := v.Client(token, "chat", "")
	require.NoError(t, err)
	second, err := v.Client(token, "CHAT", "")
	require.NoError(t, err)
	require.Same(t, first, second)

	_, err = v.Client(token, "news", "")
	require.Error(t, err, "a remembered token opens another hub")
	bad, err := SignClient("other", "http://localhost", "chat", ClientTokenSpec{})
	require.NoError(t, err)
	_, err = v.Client(bad, "chat", "")
	require.Error(t, err)
	_, known := v.current.Load().tokens.get(HashToken(bad))
	require.False(t, known, "a refused token is remembered")

	keys = []Secret{EmulatorKey, "second"}
	third, err := v.Client(token, "chat", "")
	require.NoError(t, err)
	require.NotSame(t, first, third)
}

func TestVerifierConcurrently(t *testing.T) {
	var mu sync.Mutex
	keys := []Secret{EmulatorKey}
	v := NewVerifier(VerifierOptions{Keys: func() []Secret {
		mu.Lock()
		defer mu.Unlock()
		return keys
	}})
	token, err := SignREST(EmulatorKey, "http://localhost/api/hubs/chat/:send", time.Hour)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				if i == 0 {
					mu.Lock()
					keys = []Secret{EmulatorKey, Secret(fmt.Sprint(j))}
					mu.Unlock()
				}
				if err := v.REST(token, "POST", "/api/hubs/chat/:send", ""); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
