package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hub = "chat"

// elapse lets the time of a synctest bubble pass.
func elapse(d time.Duration) { time.Sleep(d) }

func put(t *testing.T, m *Memory, user, group string, ttl time.Duration) {
	t.Helper()
	var until time.Time
	if ttl != 0 {
		until = time.Now().Add(ttl)
	}
	require.NoError(t, m.Put(context.Background(), hub, user, group, until))
}

func names(t *testing.T, m *Memory, user string) []string {
	t.Helper()
	list, err := m.List(context.Background(), hub, user)
	require.NoError(t, err)
	var names []string
	for _, g := range list {
		names = append(names, g.Group)
	}
	return names
}

// verify compares what is held with what is counted, listed and estimated.
func verify(t *testing.T, m *Memory) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes, count, listed := 0, 0, 0
	for key, u := range m.users {
		require.Equal(t, key, u.key)
		require.NotEmpty(t, u.groups)
		bytes += userBytes + len(key.hub) + len(key.user)
		open := 0
		for name, entry := range u.groups {
			require.Equal(t, name, entry.group)
			bytes += membershipBytes + len(name)
			count++
			if entry.expiry.index == unlisted {
				open++
				continue
			}
			listed++
			require.Same(t, &entry.expiry, m.expiries[entry.expiry.index])
		}
		require.Len(t, u.open, open)
		require.Equal(t, open > 0, u.expiry.index != unlisted)
		if open > 0 {
			listed++
			require.Same(t, &u.expiry, m.expiries[u.expiry.index])
			require.False(t, u.expiry.at.After(u.active.Add(OpenLifetime)))
		}
	}
	require.Equal(t, count, m.count)
	require.Equal(t, bytes, m.bytes)
	require.Len(t, m.expiries, listed)
}

func TestMemoryActivityDoesNotReviveWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{})
		// More ends at once than one call carries out, and ann's is the last.
		for i := range 3 * sweepStep {
			put(t, m, fmt.Sprint("user", i), "red", 0)
		}
		elapse(time.Second)
		put(t, m, "ann", "red", 0)
		elapse(OpenLifetime)
		put(t, m, "ann", "blue", 0)
		require.Equal(t, []string{"blue"}, names(t, m, "ann"))
		verify(t, m)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 64 << 10
		m := NewMemory(MemoryOptions{MaxBytes: room})
		group := strings.Repeat("g", 1000)
		var err error
		users := 0
		for ; err == nil; users++ {
			err = m.Put(context.Background(), hub, fmt.Sprint("user", users), group, time.Now().Add(time.Minute))
		}
		require.ErrorIs(t, err, ErrFull)
		var full interface{ Full() bool }
		require.True(t, errors.As(err, &full) && full.Full())
		require.Greater(t, users, 30)
		require.LessOrEqual(t, m.Bytes(), room)
		verify(t, m)

		put(t, m, "user0", group, time.Minute) // renewing needs no room
		elapse(time.Minute)
		put(t, m, "late", group, time.Minute) // what has expired makes room
		require.Equal(t, []string{group}, names(t, m, "late"))
		verify(t, m)
	})
}

func TestMemoryForgetsWithoutTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{})
		for i := range 10_000 {
			put(t, m, fmt.Sprint("user", i), "red", time.Second)
		}
		elapse(time.Second)
		for range 10_000/sweepStep + 1 {
			require.Empty(t, names(t, m, "somebody"))
		}
		require.Zero(t, m.Len())
		require.Zero(t, m.Bytes())
	})
}

func TestMemoryKeepsNoPiecesOfRequests(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	path := strings.Repeat("x", 1<<20) + "chat/ann/red"
	rest := path[1<<20:]
	require.NoError(t, m.Put(context.Background(), rest[:4], rest[5:8], rest[9:], time.Time{}))
	require.Len(t, m.users, 1)
	for key, u := range m.users {
		for group := range u.groups {
			for _, s := range []string{key.hub, key.user, group} {
				require.True(t, sharesMemory(path, rest))
				require.False(t, sharesMemory(path, s), s)
			}
		}
	}
}

func TestMemoryConcurrently(t *testing.T) {
	m := NewMemory(MemoryOptions{MaxBytes: 32 << 10})
	ctx := context.Background()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				user, group := fmt.Sprint("u", (worker+i)%5), fmt.Sprint("g", i%50)
				if err := m.Put(ctx, hub, user, group, time.Now().Add(time.Duration(i%3)*time.Millisecond)); err != nil {
					assert.ErrorIs(t, err, ErrFull)
				}
				_, _ = m.List(ctx, hub, user)
				_ = m.Delete(ctx, hub, user, fmt.Sprint("g", (i+7)%50))
				if i%100 == 0 {
					_ = m.DeleteAll(ctx, hub, user)
				}
			}
		})
	}
	wg.Wait()
	verify(t, m)
}
