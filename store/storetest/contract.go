// Package storetest holds what every store of memberships promises, as tests.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/store"
)

// hub is the hub of all tests.
const hub = "chat"

// Subject is a store under test.
type Subject struct {
	// Groups is the store, which is empty.
	Groups gateway.UserGroups
	// Now and Elapse are a clock that the test moves.
	Now    func() time.Time
	Elapse func(time.Duration)
	// Slack is how much longer than store.OpenLifetime a membership may last.
	Slack time.Duration
	// Steps is how long the comparison with a model is.
	Steps int
	// Verify checks what the store knows of itself.
	Verify func(t *testing.T)
	// Recount has the store count anew what it holds.
	Recount func()
}

// Settings are what a test wants of the store; zero values mean its defaults.
type Settings struct {
	PerUser  func() int
	MaxBytes int
}

// Run runs all that a store promises, each with a store that make returns.
func Run(t *testing.T, run func(t *testing.T, name string, with Settings, test func(*testing.T, Subject))) {
	run(t, "memberships of absent users are kept", Settings{}, keepsMemberships)
	run(t, "R33 a membership with TTL is not listed past its end", Settings{}, endsByTTL)
	run(t, "a new TTL replaces the old one, longer, shorter or none", Settings{}, replacesTTL)
	run(t, "without TTL it lasts a year after the last activity", Settings{}, lastsAYear)
	run(t, "R34 the 101st membership without TTL drops the oldest", Settings{}, keepsTheNewest)
	keep := 3
	run(t, "how many are kept is a setting", Settings{PerUser: func() int { return keep }}, func(t *testing.T, s Subject) {
		keep = 3
		keepsAsManyAsSet(t, s, &keep)
	})
	run(t, "names are any bytes", Settings{}, takesAnyNames)
	run(t, "agrees with a model", Settings{PerUser: func() int { return 3 }}, agreesWithAModel)
	run(t, "N24 concurrent changes of one user are all there", Settings{PerUser: func() int { return 1000 }}, keepsConcurrentChanges)
	run(t, "what is full refuses, renews and deletes", Settings{MaxBytes: 64 << 10}, isBounded)
}

func (s Subject) put(t *testing.T, user, group string, ttl time.Duration) {
	t.Helper()
	var until time.Time
	if ttl != 0 {
		until = s.Now().Add(ttl)
	}
	require.NoError(t, s.Groups.Put(context.Background(), hub, user, group, until))
}

func (s Subject) names(t *testing.T, user string) []string {
	t.Helper()
	list, err := s.Groups.List(context.Background(), hub, user)
	require.NoError(t, err)
	var names []string
	for _, g := range list {
		names = append(names, g.Group)
	}
	return names
}

func keepsMemberships(t *testing.T, s Subject) {
	ctx := context.Background()
	s.put(t, "ann", "red", 0)
	s.put(t, "ann", "blue", 0)
	s.put(t, "bob", "red", 0)
	require.NoError(t, s.Groups.Put(ctx, "other", "ann", "green", time.Time{}))
	require.Equal(t, []string{"blue", "red"}, s.names(t, "ann"))

	require.NoError(t, s.Groups.Delete(ctx, hub, "ann", "red"))
	require.NoError(t, s.Groups.Delete(ctx, hub, "ann", "never"))
	require.NoError(t, s.Groups.Delete(ctx, hub, "nobody", "red"))
	require.Equal(t, []string{"blue"}, s.names(t, "ann"))

	require.NoError(t, s.Groups.DeleteAll(ctx, hub, "ann"))
	require.NoError(t, s.Groups.DeleteAll(ctx, hub, "nobody"))
	require.Empty(t, s.names(t, "ann"))
	require.Empty(t, s.names(t, "nobody"))
	require.Equal(t, []string{"red"}, s.names(t, "bob"))
	list, err := s.Groups.List(ctx, "other", "ann")
	require.NoError(t, err)
	require.Equal(t, []gateway.StandingGroup{{Group: "green"}}, list)

	s.put(t, "ann", "again", time.Minute)
	list, err = s.Groups.List(ctx, hub, "ann")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, s.Now().Add(time.Minute).Equal(list[0].Until))
	s.Verify(t)
}

func endsByTTL(t *testing.T, s Subject) {
	s.put(t, "ann", "red", 2*time.Second)
	s.put(t, "ann", "blue", 4*time.Second)
	s.Elapse(2*time.Second - 1)
	require.Equal(t, []string{"blue", "red"}, s.names(t, "ann"))
	s.Elapse(1)
	require.Equal(t, []string{"blue"}, s.names(t, "ann"))
	s.Elapse(2 * time.Second)
	require.Empty(t, s.names(t, "ann"))
	s.Verify(t)
}

func replacesTTL(t *testing.T, s Subject) {
	for _, group := range []string{"longer", "shorter", "none"} {
		s.put(t, "ann", group, 10*time.Second)
	}
	s.put(t, "ann", "was-open", 0)
	s.put(t, "ann", "longer", 20*time.Second)
	s.put(t, "ann", "shorter", time.Second)
	s.put(t, "ann", "none", 0)
	s.put(t, "ann", "was-open", 5*time.Second)
	s.Verify(t)
	s.Elapse(time.Second)
	require.Equal(t, []string{"longer", "none", "was-open"}, s.names(t, "ann"))
	s.Elapse(10 * time.Second)
	require.Equal(t, []string{"longer", "none"}, s.names(t, "ann"))
	s.Elapse(10 * time.Second)
	require.Equal(t, []string{"none"}, s.names(t, "ann"))
	s.Verify(t)
}

func lastsAYear(t *testing.T, s Subject) {
	s.put(t, "ann", "red", 0)
	s.put(t, "bob", "red", 0)
	s.put(t, "bob", "blue", 3*store.OpenLifetime)
	s.Elapse(store.OpenLifetime - time.Hour)
	require.Equal(t, []string{"red"}, s.names(t, "ann"), "the user connects")
	s.Elapse(time.Hour + s.Slack)
	require.Equal(t, []string{"red"}, s.names(t, "ann"))
	require.Equal(t, []string{"blue"}, s.names(t, "bob"))
	s.Verify(t)
	s.Elapse(store.OpenLifetime + s.Slack)
	require.Empty(t, s.names(t, "ann"))
	s.Verify(t)
}

func keepsTheNewest(t *testing.T, s Subject) {
	s.put(t, "ann", "with-ttl", time.Hour)
	for i := range 100 {
		s.put(t, "ann", fmt.Sprintf("g%03d", i), 0)
	}
	s.put(t, "ann", "g000", 0) // now the newest
	s.put(t, "bob", "g001", 0)
	s.put(t, "ann", "g100", 0)
	got := s.names(t, "ann")
	require.Len(t, got, 101)
	require.NotContains(t, got, "g001")
	require.Contains(t, got, "g000")
	require.Contains(t, got, "with-ttl")
	require.Equal(t, []string{"g001"}, s.names(t, "bob"))
	s.Verify(t)
}

func keepsAsManyAsSet(t *testing.T, s Subject, keep *int) {
	for _, group := range []string{"a", "b", "c", "d"} {
		s.put(t, "ann", group, 0)
	}
	require.Equal(t, []string{"b", "c", "d"}, s.names(t, "ann"))
	*keep = 1
	s.put(t, "ann", "e", 0)
	require.Equal(t, []string{"e"}, s.names(t, "ann"))
	s.Verify(t)
}

func takesAnyNames(t *testing.T, s Subject) {
	odd := []string{"", " ", "a.b", "a*>", "日本", "\xff\xfe", strings.Repeat("x", 1024), "$KV.hg"}
	for _, user := range odd {
		for _, group := range odd {
			s.put(t, user, group, 0)
		}
	}
	want := slices.Sorted(slices.Values(odd))
	for _, user := range odd {
		require.Equal(t, want, s.names(t, user))
	}
	// Hub and user are not simply put behind each other.
	require.NoError(t, s.Groups.Put(context.Background(), hub+"x", "y", "g", time.Time{}))
	require.Empty(t, s.names(t, "xy"))
	s.Verify(t)
}

// The model is a list of puts; the store must agree with it after any sequence.
func agreesWithAModel(t *testing.T, s Subject) {
	random := rand.New(rand.NewPCG(1, 2))
	model := newModel(3, s.Now)
	ctx := context.Background()
	for range s.Steps {
		user, group := fmt.Sprint("u", random.IntN(4)), fmt.Sprint("g", random.IntN(6))
		switch random.IntN(10) {
		case 0:
			require.NoError(t, s.Groups.Delete(ctx, hub, user, group))
			model.delete(user, group)
		case 1:
			require.NoError(t, s.Groups.DeleteAll(ctx, hub, user))
			delete(model.users, user)
		case 2:
			s.Elapse(time.Duration(random.IntN(2000)) * time.Millisecond)
		case 3, 4, 5:
			s.put(t, user, group, 0)
			model.put(user, group, 0)
		default:
			ttl := time.Duration(1+random.IntN(5)) * time.Second
			s.put(t, user, group, ttl)
			model.put(user, group, ttl)
		}
		require.Equal(t, model.list(user), s.names(t, user))
	}
	s.Verify(t)
}

func keepsConcurrentChanges(t *testing.T, s Subject) {
	const writers, each = 6, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				assert.NoError(t, s.Groups.Put(context.Background(), hub, "ann", fmt.Sprintf("w%d-%02d", w, i), time.Time{}))
			}
			for i := range each / 2 {
				assert.NoError(t, s.Groups.Delete(context.Background(), hub, "ann", fmt.Sprintf("w%d-%02d", w, 2*i)))
			}
		})
	}
	wg.Wait()
	var want []string
	for w := range writers {
		for i := range each {
			if i%2 != 0 {
				want = append(want, fmt.Sprintf("w%d-%02d", w, i))
			}
		}
	}
	require.Equal(t, want, s.names(t, "ann"))
	s.Verify(t)
}

func isBounded(t *testing.T, s Subject) {
	ctx := context.Background()
	group := strings.Repeat("g", 1000)
	var err error
	users := 0
	for ; err == nil && users < 1000; users++ {
		s.Recount()
		err = s.Groups.Put(ctx, hub, fmt.Sprint("user", users), group, s.Now().Add(time.Minute))
	}
	require.ErrorIs(t, err, store.ErrFull)
	var full interface{ Full() bool }
	require.True(t, errors.As(err, &full) && full.Full())
	require.Greater(t, users, 30)
	s.Verify(t)

	s.put(t, "user0", group, time.Minute) // renewing needs no room
	require.NoError(t, s.Groups.Put(ctx, hub, "user1", group, time.Time{}))
	require.NoError(t, s.Groups.Delete(ctx, hub, "user1", group))
	require.NoError(t, s.Groups.DeleteAll(ctx, hub, "user2"))
	require.Empty(t, s.names(t, "user2"))
	s.Recount()
	s.put(t, "late", group, time.Minute) // what was deleted makes room
	require.Equal(t, []string{group}, s.names(t, "late"))
	s.Verify(t)
}
