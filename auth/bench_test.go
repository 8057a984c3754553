package auth_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

const userPath = "/api/hubs/chat/users/user-1/:send"

// BenchmarkVerifyCold verifies tokens that were never seen before.
func BenchmarkVerifyCold(b *testing.B) {
	bench := func(name string, token func(i int) string, verify func(v *auth.Verifier, token string) error) {
		b.Run(name, func(b *testing.B) {
			// More tokens than are remembered, in turn: none is ever found.
			tokens := make([]string, 8192)
			for i := range tokens {
				tokens[i] = token(i)
			}
			v := verifier(key)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := verify(v, tokens[i%len(tokens)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("rest", func(i int) string {
		claims := expiring("http://localhost:8888" + userPath)
		claims["iat"] = i
		return signed(b, claims)
	}, func(v *auth.Verifier, token string) error { return v.REST(token, "POST", userPath, "") })
	bench("client with five claims", func(i int) string {
		claims := expiring(chatClient)
		claims["asrs.s.uid"] = fmt.Sprint("user-", i)
		for claim := range 5 {
			claims[fmt.Sprint("claim-", claim)] = "value"
		}
		return signed(b, claims)
	}, func(v *auth.Verifier, token string) error {
		_, err := v.Client(token, "chat", "")
		return err
	})
}

// BenchmarkVerifyCached verifies a token that was seen before.
func BenchmarkVerifyCached(b *testing.B) {
	v := verifier(key)
	token := signed(b, expiring("http://localhost:8888"+userPath))
	require.NoError(b, v.REST(token, "POST", userPath, ""))
	b.ReportAllocs()
	for b.Loop() {
		if err := v.REST(token, "POST", userPath, ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	s, id, expires := newSealer(b), auth.NewConnectionID("n1"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		s.Seal(id, expires, "chat", "user-1")
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newSealer(b)
	token := s.Seal(auth.NewConnectionID("n1"), time.Now(), "chat", "user-1")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Open(token, "chat", "user-1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpstreamSignature(b *testing.B) {
	keys, id := []auth.Secret{key, otherKey}, auth.NewConnectionID("n1")
	b.ReportAllocs()
	for b.Loop() {
		auth.UpstreamSignature(keys, id)
	}
}

func BenchmarkNewConnectionID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		auth.NewConnectionID("n1")
	}
}
