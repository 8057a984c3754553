package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
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

func TestMemoryKeepsMembershipsOfAbsentUsers(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	ctx := context.Background()
	put(t, m, "ann", "red", 0)
	put(t, m, "ann", "blue", 0)
	put(t, m, "bob", "red", 0)
	require.NoError(t, m.Put(ctx, "other", "ann", "green", time.Time{}))
	require.Equal(t, []string{"blue", "red"}, names(t, m, "ann"))

	require.NoError(t, m.Delete(ctx, hub, "ann", "red"))
	require.NoError(t, m.Delete(ctx, hub, "ann", "never"))
	require.NoError(t, m.Delete(ctx, hub, "nobody", "red"))
	require.Equal(t, []string{"blue"}, names(t, m, "ann"))

	require.NoError(t, m.DeleteAll(ctx, hub, "ann"))
	require.NoError(t, m.DeleteAll(ctx, hub, "nobody"))
	require.Empty(t, names(t, m, "ann"))
	require.Equal(t, []string{"red"}, names(t, m, "bob"))
	list, err := m.List(ctx, "other", "ann")
	require.NoError(t, err)
	require.Equal(t, []gateway.StandingGroup{{Group: "green"}}, list)
	verify(t, m)
}

func TestMemoryTTL(t *testing.T) {
	t.Run("R33 a membership with TTL is not listed past its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(MemoryOptions{})
			put(t, m, "ann", "red", 2*time.Second)
			put(t, m, "ann", "blue", 4*time.Second)
			elapse(2*time.Second - 1)
			require.Equal(t, []string{"blue", "red"}, names(t, m, "ann"))
			elapse(1)
			require.Equal(t, []string{"blue"}, names(t, m, "ann"))
			elapse(2 * time.Second)
			require.Empty(t, names(t, m, "ann"))
			require.Zero(t, m.Len())
			require.Zero(t, m.Bytes())
		})
	})
	t.Run("a new TTL replaces the old one, longer, shorter or none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(MemoryOptions{})
			for _, group := range []string{"longer", "shorter", "none"} {
				put(t, m, "ann", group, 10*time.Second)
			}
			put(t, m, "ann", "was-open", 0)
			put(t, m, "ann", "longer", 20*time.Second)
			put(t, m, "ann", "shorter", time.Second)
			put(t, m, "ann", "none", 0)
			put(t, m, "ann", "was-open", 5*time.Second)
			verify(t, m)
			elapse(time.Second)
			require.Equal(t, []string{"longer", "none", "was-open"}, names(t, m, "ann"))
			elapse(10 * time.Second)
			require.Equal(t, []string{"longer", "none"}, names(t, m, "ann"))
			elapse(10 * time.Second)
			require.Equal(t, []string{"none"}, names(t, m, "ann"))
			verify(t, m)
		})
	})
	t.Run("without TTL it lasts a year after the last activity", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemory(MemoryOptions{})
			put(t, m, "ann", "red", 0)
			put(t, m, "bob", "red", 0)
			put(t, m, "bob", "blue", 3*OpenLifetime)
			elapse(OpenLifetime - time.Hour)
			require.Equal(t, []string{"red"}, names(t, m, "ann"), "the user connects")
			elapse(time.Hour)
			require.Equal(t, []string{"red"}, names(t, m, "ann"))
			require.Equal(t, []string{"blue"}, names(t, m, "bob"))
			verify(t, m)
			elapse(OpenLifetime)
			require.Empty(t, names(t, m, "ann"))
			verify(t, m)
		})
	})
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

func TestMemoryNewestOfTheOpen(t *testing.T) {
	t.Run("R34 the 101st membership without TTL drops the oldest", func(t *testing.T) {
		m := NewMemory(MemoryOptions{})
		put(t, m, "ann", "with-ttl", time.Hour)
		for i := range 100 {
			put(t, m, "ann", fmt.Sprintf("g%03d", i), 0)
		}
		put(t, m, "ann", "g000", 0) // now the newest
		put(t, m, "bob", "g001", 0)
		put(t, m, "ann", "g100", 0)
		got := names(t, m, "ann")
		require.Len(t, got, 101)
		require.NotContains(t, got, "g001")
		require.Contains(t, got, "g000")
		require.Contains(t, got, "with-ttl")
		require.Equal(t, []string{"g001"}, names(t, m, "bob"))
		verify(t, m)
	})
	t.Run("the number is a setting", func(t *testing.T) {
		keep := 3
		m := NewMemory(MemoryOptions{PerUser: func() int { return keep }})
		for _, group := range []string{"a", "b", "c", "d"} {
			put(t, m, "ann", group, 0)
		}
		require.Equal(t, []string{"b", "c", "d"}, names(t, m, "ann"))
		keep = 1
		put(t, m, "ann", "e", 0)
		require.Equal(t, []string{"e"}, names(t, m, "ann"))
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

// The model is a list of puts; the store must agree with it after any sequence.
func TestMemoryAgreesWithAModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		const keep = 3
		m := NewMemory(MemoryOptions{PerUser: func() int { return keep }})
		model := newModel(keep)
		ctx := context.Background()
		for range 20_000 {
			user, group := fmt.Sprint("u", random.IntN(4)), fmt.Sprint("g", random.IntN(6))
			switch random.IntN(10) {
			case 0:
				require.NoError(t, m.Delete(ctx, hub, user, group))
				model.delete(user, group)
			case 1:
				require.NoError(t, m.DeleteAll(ctx, hub, user))
				delete(model.users, user)
			case 2:
				elapse(time.Duration(random.IntN(2000)) * time.Millisecond)
			case 3, 4, 5:
				put(t, m, user, group, 0)
				model.put(user, group, 0)
			default:
				ttl := time.Duration(1+random.IntN(5)) * time.Second
				put(t, m, user, group, ttl)
				model.put(user, group, ttl)
			}
			require.Equal(t, model.list(user), names(t, m, user))
		}
		verify(t, m)
	})
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
