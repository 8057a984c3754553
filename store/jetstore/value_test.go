package jetstore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func FuzzParseMemberships(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	whole := &memberships{hub: "chat", user: "ann", token: 1<<63 | 7, active: now, open: []string{"red", ""},
		ends: []gateway.StandingGroup{{Group: "\xff", Until: now.Add(time.Hour)}}}
	f.Add(whole.append(nil))
	f.Add((&memberships{}).append(nil))
	f.Add([]byte{0x97, 1, 0xa0, 0xa0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff}) // an array of 2^32-1
	f.Add([]byte{0x97, 1, 0xdb, 0x7f, 0xff, 0xff, 0xff})                   // a string of 2 GiB
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, value []byte) {
		m, err := parseMemberships(value)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			require.Nil(t, m)
			return
		}
		require.LessOrEqual(t, len(m.open)+2*len(m.ends), len(value))
		again, err := parseMemberships(m.append(nil))
		if len(m.append(nil)) <= MaxUserBytes { // numbers may have been written shorter than needed
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
		for _, s := range append(slices.Clone(m.open), m.hub, m.user) {
			require.False(t, sharesMemory(string(value), s))
		}
		m.expire(now)
		m.put(now, "g", time.Time{}, 3)
		require.Contains(t, m.open, "g")
		require.Positive(t, m.lasts(now))
		require.True(t, slices.IsSortedFunc(m.list(), func(a, b gateway.StandingGroup) int { return strings.Compare(a.Group, b.Group) }))
		require.True(t, m.remove("g"))
	})
}

func TestParsingIsBounded(t *testing.T) {
	// What claims to be large takes no memory before it is seen to be there.
	huge := []byte{0x97, 1, 0xa0, 0xa0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff}
	require.Less(t, testing.AllocsPerRun(10, func() {
		_, err := parseMemberships(huge)
		require.ErrorIs(t, err, ErrDamaged)
	}), 50.0)
	_, err := parseMemberships(make([]byte, MaxUserBytes+1))
	require.ErrorIs(t, err, ErrDamaged)
}
