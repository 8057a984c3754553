package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

func newSealer(t testing.TB) *auth.Sealer {
	t.Helper()
	s, err := auth.NewSealer(auth.NewSealerKey())
	require.NoError(t, err)
	return s
}

func TestSealedToken(t *testing.T) {
	s := newSealer(t)
	expires := time.Unix(1800000000, 0)
	id := auth.NewConnectionID("n1")

	t.Run("D15 opens for its hub and user", func(t *testing.T) {
		for _, user := range []string{"", "u", "ü/ 1"} {
			token := s.Seal(id, expires.Add(999*time.Millisecond), "chat", user)
			gotID, gotExpires, err := s.Open(token, "Chat", user)
			require.NoError(t, err)
			require.Equal(t, id, gotID)
			require.Equal(t, expires, gotExpires)
		}
	})
	t.Run("C92 says whether stateful reconnect was granted", func(t *testing.T) {
		for _, stateful := range []bool{false, true} {
			want := auth.ConnectionToken{ID: id, Expires: expires, Stateful: stateful}
			token := s.SealToken(want, "chat", "u")
			require.LessOrEqual(t, len(token), 80)
			got, err := s.OpenToken(token, "chat", "u")
			require.NoError(t, err)
			require.Equal(t, want, got)
			gotID, gotExpires, err := s.Open(token, "chat", "u")
			require.NoError(t, err)
			require.Equal(t, []any{id, expires}, []any{gotID, gotExpires})
		}
	})
	t.Run("C04 alphabet, and no two are equal", func(t *testing.T) {
		seen := make(map[string]bool)
		for range 10_000 {
			token := s.Seal(id, expires, "chat", "u")
			require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
			require.LessOrEqual(t, len(token), 80)
			require.NotEqual(t, id, token)
			require.False(t, seen[token], "repeated token")
			seen[token] = true
		}
	})
	t.Run("D15 any other hub, user or key", func(t *testing.T) {
		token := s.Seal(id, expires, "chat", "u")
		for _, other := range []struct{ hub, user string }{
			{"news", "u"}, {"chat", ""}, {"chat", "U"}, {"chatu", ""}, {"cha", "tu"}, {"", "chatu"},
		} {
			_, _, err := s.Open(token, other.hub, other.user)
			require.ErrorIs(t, err, auth.ErrNotOurs, "%+v", other)
		}
		_, _, err := newSealer(t).Open(token, "chat", "u")
		require.ErrorIs(t, err, auth.ErrNotOurs)
	})
	t.Run("D15 every changed character", func(t *testing.T) {
		token := s.Seal(id, expires, "chat", "u")
		for i := range len(token) {
			for _, c := range "AZaz09-_\r\n=." {
				changed := token[:i] + string(c) + token[i+1:]
				if changed == token {
					continue
				}
				_, _, err := s.Open(changed, "chat", "u")
				require.ErrorIs(t, err, auth.ErrNotOurs, "position %d", i)
			}
		}
	})
	t.Run("D15 other texts", func(t *testing.T) {
		token := s.Seal(id, expires, "chat", "u")
		for _, text := range []string{
			"", "x", id, token[1:], token[:len(token)-1], token + "\n", token + "A", token + "=",
			strings.Repeat("A", 1<<20), base64.RawURLEncoding.EncodeToString(make([]byte, 28)),
		} {
			_, _, err := s.Open(text, "chat", "u")
			require.ErrorIs(t, err, auth.ErrNotOurs)
		}
	})
	t.Run("times before 1970 and longest id", func(t *testing.T) {
		longest := strings.Repeat("i", 128)
		gotID, gotExpires, err := s.Open(s.Seal(longest, time.Time{}, "h", ""), "h", "")
		require.NoError(t, err)
		require.Equal(t, longest, gotID)
		require.Equal(t, int64(0), gotExpires.Unix())
	})
}

func TestMarkedID(t *testing.T) {
	s := newSealer(t)
	expires := time.Unix(1800000000, 0)
	for _, node := range []string{"", "n1", "twelve-chars"} {
		id := s.NewMarkedID(node, expires, "chat", "u")
		require.Regexp(t, `^[A-Za-z0-9_][A-Za-z0-9_-]+$`, id, "C04")
		require.LessOrEqual(t, len(id), 64)
		require.Equal(t, node, auth.NodeOf(id))
		got, err := s.OpenMarked(id, "Chat", "u")
		require.NoError(t, err)
		require.Equal(t, expires, got)
		for _, other := range []struct{ hub, user string }{{"news", "u"}, {"chat", ""}, {"chat", "U"}, {"chatu", ""}, {"cha", "tu"}} {
			_, err := s.OpenMarked(id, other.hub, other.user)
			require.ErrorIs(t, err, auth.ErrNotOurs)
		}
		for i := range len(id) {
			for _, c := range "AZaz09-_\r\n=." {
				if changed := id[:i] + string(c) + id[i+1:]; changed != id {
					_, err := s.OpenMarked(changed, "chat", "u")
					require.ErrorIs(t, err, auth.ErrNotOurs)
				}
			}
		}
		_, err = newSealer(t).OpenMarked(id, "chat", "u")
		require.ErrorIs(t, err, auth.ErrNotOurs, "another key")
	}
	for _, text := range []string{"", "x", auth.NewConnectionID("n1"), strings.Repeat("A", 50), strings.Repeat("A", 1<<20)} {
		_, err := s.OpenMarked(text, "chat", "u")
		require.ErrorIs(t, err, auth.ErrNotOurs)
	}
}

func TestSealerKeys(t *testing.T) {
	require.NotEqual(t, auth.NewSealerKey(), auth.NewSealerKey())
	key := auth.NewSealerKey()
	one, err := auth.NewSealer(key)
	require.NoError(t, err)
	two, err := auth.NewSealer(key)
	require.NoError(t, err)
	_, _, err = two.Open(one.Seal("id", time.Now(), "h", "u"), "h", "u")
	require.NoError(t, err, "another node with the same key opens it")
	t.Run("keys are replaced without an interruption", func(t *testing.T) {
		next := auth.NewSealerKey()
		token, id := one.Seal("id", time.Now(), "h", "u"), one.NewMarkedID("n", time.Now(), "h", "u")
		opens := func(ok bool, token, id string) {
			_, _, errToken := one.Open(token, "h", "u")
			_, errID := one.OpenMarked(id, "h", "u")
			require.Equal(t, []bool{ok, ok}, []bool{errToken == nil, errID == nil})
		}
		require.NoError(t, one.Use(key, next))
		_, _, err = two.Open(one.Seal("id", time.Now(), "h", "u"), "h", "u")
		require.NoError(t, err, "the first key seals")
		require.NoError(t, one.Use(next, key))
		opens(true, token, id)
		opens(true, one.Seal("id", time.Now(), "h", "u"), one.NewMarkedID("n", time.Now(), "h", "u"))
		_, _, err = two.Open(one.Seal("id", time.Now(), "h", "u"), "h", "u")
		require.Error(t, err)
		require.NoError(t, one.Use(next))
		opens(false, token, id)
		require.Error(t, one.Use())
		require.Error(t, one.Use(next, []byte("short")))
		opens(true, one.Seal("id", time.Now(), "h", "u"), one.NewMarkedID("n", time.Now(), "h", "u"))
	})
	for _, length := range []int{0, 16, 31, 33} {
		_, err := auth.NewSealer(make([]byte, length))
		require.Error(t, err)
	}
}
