package logsum

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		l := New(func(key string, times uint64) { got = append(got, fmt.Sprint(key, " ", times)) })
		take := func() []string {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			all := got
			got = nil
			return all
		}
		for range 1000 {
			l.Note("a")
		}
		l.Note("b")
		require.Equal(t, []string{"a 0", "b 0"}, take(), "the first of each at once")
		time.Sleep(Every)
		require.Equal(t, []string{"a 999"}, take())
		l.Note("a")
		require.Empty(t, take())
		time.Sleep(Every)
		require.Equal(t, []string{"a 1"}, take())
		time.Sleep(Every)
		synctest.Wait() // the quiet minute is over before the next one
		l.Note("a")
		require.Equal(t, []string{"a 0"}, take(), "after a quiet minute it is new")
		l.Note("a")
		l.Close()
		l.Note("a")
		l.Close()
		require.Equal(t, []string{"a 1"}, take(), "the end loses nothing")
	})
}

func TestKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, others := 0, uint64(0)
		l := New(func(key string, times uint64) {
			lines++
			if key == "" {
				others += max(times, 1)
			}
		})
		for i := range 10_000 {
			l.Note(fmt.Sprint(i))
		}
		l.Close()
		require.EqualValues(t, 10_000-maxKeys, others)
		require.Equal(t, maxKeys+2, lines)
		require.Empty(t, l.lines)
	})
}

// The caller writes the first line, and is told of no other.
func TestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		l := New(func(key string, times uint64) { got = append(got, fmt.Sprint(key, " ", times)) })
		require.True(t, l.First("a"))
		require.False(t, l.First("a"))
		require.True(t, l.First("b"))
		l.Note("b")
		l.Close()
		require.False(t, l.First("c"))
		slices.Sort(got)
		require.Equal(t, []string{"a 1", "b 1"}, got)
	})
}
