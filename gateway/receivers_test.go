package gateway

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExclusions(t *testing.T) {
	for _, n := range []int{0, 1, longExcept, longExcept + 1, 1000} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint("user-", i))
		}
		set := longSet(list)
		require.Equal(t, n > longExcept, set != nil)
		for i := range n {
			require.True(t, excluded(list[i], list, set))
		}
		require.False(t, excluded("somebody", list, set))
		require.False(t, excluded("", list, set))
	}
}

// BenchmarkExclusions looks for a receiver among those that are left out, by comparing and in a set.
func BenchmarkExclusions(b *testing.B) {
	for _, n := range []int{longExcept, 2 * longExcept, 1000} {
		list, set := make([]string, n), make(map[string]struct{}, n)
		for i := range list {
			list[i] = fmt.Sprintf("user-%020d", i)
			set[list[i]] = struct{}{}
		}
		somebody := fmt.Sprintf("user-%020d", n)
		b.Run(fmt.Sprint(n, " compared"), func(b *testing.B) {
			for b.Loop() {
				excluded(somebody, list, nil)
			}
		})
		b.Run(fmt.Sprint(n, " in a set"), func(b *testing.B) {
			for b.Loop() {
				excluded(somebody, nil, set)
			}
		})
	}
}
