package settings_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/settings"
)

// A running gateway takes new keys, but neither the one that everybody knows
// nor one that was cut off.
func TestChangeNeverWeakensKeys(t *testing.T) {
	own, other := secret.Text(strings.Repeat("own-", 12)), secret.Text(strings.Repeat("other", 10))
	for _, tt := range []struct {
		name      string
		old, next settings.Keys
		want      string
	}{
		{"another key", settings.Keys{Primary: own}, settings.Keys{Primary: other}, ""},
		{"a second key comes", settings.Keys{Primary: own}, settings.Keys{Primary: own, Secondary: other}, ""},
		{"the second key goes", settings.Keys{Primary: own, Secondary: other}, settings.Keys{Primary: other}, ""},
		{"from the emulator's to an own", settings.Keys{Primary: secret.EmulatorKey}, settings.Keys{Primary: own}, ""},
		{"to the emulator's", settings.Keys{Primary: own}, settings.Keys{Primary: secret.EmulatorKey}, "does not change to the emulator's"},
		{"to the emulator's as the second", settings.Keys{Primary: own}, settings.Keys{Primary: own, Secondary: secret.EmulatorKey}, "does not change to the emulator's"},
		{"cut off", settings.Keys{Primary: own}, settings.Keys{Primary: own[:32]}, "accessKey: is only the beginning"},
		{"second cut off", settings.Keys{Primary: own, Secondary: other}, settings.Keys{Primary: own, Secondary: other[:40]}, "secondaryKey: is only the beginning"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, next := settings.Default(), settings.Default()
			old.Keys, next.Keys = tt.old, tt.next
			store, err := settings.NewStore(old)
			require.NoError(t, err)
			err = store.Swap(next)
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, tt.next, store.Current().Keys)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.old, store.Current().Keys)
		})
	}
}
