package hubname_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubname"
)

func TestCheck(t *testing.T) {
	for name, good := range map[string]bool{
		"chat": true, "Chat": true, "c": true, "a1_b": true, "Hub`1[a.B,c]": true, strings.Repeat("a", 128): true,
		"": false, "1chat": false, "_chat": false, "my-chat": false, "a b": false, "a/b": false, "ü_chat": false, "aü": false,
		strings.Repeat("a", 129): false,
	} {
		err := hubname.Check(name)
		require.Equal(t, good, err == nil, name)
		if !good {
			require.ErrorIs(t, err, hubname.ErrInvalid)
		}
	}
}

func TestKey(t *testing.T) {
	for _, tt := range []struct{ application, hub, want string }{
		{"", "Chat", "chat"},
		{"App", "Chat", "app_chat"},
		{strings.Repeat("a", 64), strings.Repeat("h", 63), strings.Repeat("a", 64) + "_" + strings.Repeat("h", 63)},
		{strings.Repeat("a", 64), strings.Repeat("h", 64), ""},
		{"my-app", "chat", ""},
		{"app", "9lives", ""},
	} {
		key, err := hubname.Key(tt.application, tt.hub)
		require.Equal(t, tt.want, key)
		require.Equal(t, tt.want == "", err != nil)
	}
}

func FuzzCheck(f *testing.F) {
	rule := regexp.MustCompile("^[A-Za-z][A-Za-z0-9_`,.[\\]]{0,127}$")
	for _, seed := range []string{"chat", "my-chat", "Hub`1[a]", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		require.Equal(t, rule.MatchString(name) && !strings.HasSuffix(name, "\n"), hubname.Check(name) == nil)
	})
}

func TestApplicationKey(t *testing.T) {
	key, err := hubname.ApplicationKey("My.App")
	require.NoError(t, err)
	application, ok := hubname.Application(key)
	require.True(t, ok)
	require.Equal(t, "my.app", application)
	require.Error(t, hubname.Check(key), "no hub may be called like an application")

	_, ok = hubname.Application("aspnet")
	require.False(t, ok)
	for _, bad := range []string{"", "a b", "a:b", "1"} {
		_, err := hubname.ApplicationKey(bad)
		require.ErrorIs(t, err, hubname.ErrInvalid, bad)
	}
}
