package limits

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// clock is the time of a Set, which the test sets.
type clock struct{ now time.Duration }

func (c *clock) nanos() int64 { return int64(c.now) }

func newSet(c *clock, rules ...Rule) *Set { return New(Options{Rules: rules, Now: c.nanos}) }

func overrun(t *testing.T, err error) *gateway.Overrun {
	t.Helper()
	var over *gateway.Overrun
	require.ErrorAs(t, err, &over)
	return over
}

// A client is held back for as long as it takes, and closed if that is longer than Patience.
func TestMessagesAreHeldBackThenRefused(t *testing.T) {
	c := &clock{}
	s := newSet(c, Rule{Name: "chatty", Scope: ScopeUser, What: WhatMessages, Rate: 10, Burst: 5, Text: "10/s"})
	one, two := s.Meter("chat", "ann"), s.Meter("chat", "ann") // one user with two connections
	for range 5 {
		hold, err := one.Take(1)
		require.NoError(t, err)
		require.Zero(t, hold)
	}
	for i := range 9 {
		m := one
		if i%2 == 1 {
			m = two
		}
		hold, err := m.Take(1)
		require.NoError(t, err)
		require.InDelta(t, float64(i+1)*0.1, hold.Seconds(), 0.001)
	}
	_, err := two.Take(1)
	over := overrun(t, err)
	require.Equal(t, `The limit "chatty" is reached: 10/s messages for each user. Try again in 1s.`, over.Error())
	require.Equal(t, 1, over.RetryAfter())
	c.now += over.Reset
	hold, err := one.Take(1)
	require.NoError(t, err)
	require.Zero(t, hold, "the reset time was right")
	require.Equal(t, map[Outcome]uint64{OutcomeHeld: 9, OutcomeRefused: 1, OutcomeReported: 0}, s.Over()["chatty"])

	other, err := s.Meter("chat", "bob").Take(1)
	require.NoError(t, err)
	require.Zero(t, other)
	require.Nil(t, s.Meter("chat", ""), "an anonymous client is no user")
}

func TestConnectsOfUsersAndHubs(t *testing.T) {
	c := &clock{}
	s := newSet(c,
		Rule{Name: "hub", Scope: ScopeHub, What: WhatConnects, Rate: 1, Burst: 3, Text: "1/s", Hubs: "chat,news"},
		Rule{Name: "user", Scope: ScopeUser, What: WhatConnects, Rate: 1, Burst: 1, Text: "1/s"})
	require.NoError(t, s.Connect("chat", "ann", true), "a question takes nothing")
	require.NoError(t, s.Connect("chat", "ann", false))
	for range 5 {
		require.Equal(t, "user", overrun(t, s.Connect("chat", "ann", false)).Rule)
	}
	require.NoError(t, s.Connect("chat", "bob", false), "what a rule refused does not count for another one")
	require.NoError(t, s.Connect("chat", "", false))
	require.Equal(t, "hub", overrun(t, s.Connect("chat", "", false)).Rule)
	require.Equal(t, "hub", overrun(t, s.Connect("chat", "", true)).Rule)
	require.NoError(t, s.Connect("news", "", false), "each hub has a bucket")
	for range 10 {
		require.NoError(t, s.Connect("other", "", false), "the rule is for two hubs")
	}
	c.now += time.Second
	require.NoError(t, s.Connect("chat", "ann", false))
}

func TestReportOnlyCounts(t *testing.T) {
	c := &clock{}
	s := newSet(c,
		Rule{Name: "said", Scope: ScopeConnection, What: WhatMessages, Rate: 1, Burst: 1, ReportOnly: true},
		Rule{Name: "come", Scope: ScopeHub, What: WhatConnects, Rate: 1, Burst: 1, ReportOnly: true},
		Rule{Name: "sent", Scope: ScopeKey, What: WhatMessages, Rate: 1, Burst: 1, ReportOnly: true})
	m := s.Meter("chat", "")
	for range 4 {
		hold, err := m.Take(100)
		require.NoError(t, err)
		require.Zero(t, hold)
		require.NoError(t, s.Connect("chat", "", false))
		require.NoError(t, s.Connect("chat", "", true))
		require.NoError(t, s.REST("primary", 0))
	}
	for _, name := range []string{"said", "come", "sent"} {
		require.Equal(t, uint64(3), s.Over()[name][OutcomeReported], name)
	}
}

func TestBytesOfKeys(t *testing.T) {
	c := &clock{}
	s := newSet(c,
		Rule{Name: "requests", Scope: ScopeKey, What: WhatMessages, Rate: 1, Burst: 2, Text: "1/s"},
		Rule{Name: "bytes", Scope: ScopeKey, What: WhatBytes, Rate: 1000, Burst: 1000, Text: "1000/s"})
	require.NoError(t, s.REST("primary", 5000), "what is larger than the burst waits for a full bucket only")
	require.Equal(t, "bytes", overrun(t, s.REST("primary", 1)).Rule)
	require.NoError(t, s.REST("secondary", 1))
	c.now += 4 * time.Second
	require.Equal(t, "bytes", overrun(t, s.REST("primary", 1)).Rule)
	c.now += time.Second
	require.NoError(t, s.REST("primary", 500))
}

// What takes longer to make up for than a time can say is refused all the same, and not let through.
func TestALargeMessageOfASlowRule(t *testing.T) {
	c := &clock{}
	slow := func(scope Scope) Rule {
		return Rule{Name: string(scope), Scope: scope, What: WhatBytes, Rate: 5.0 / 3600, Burst: 1, Text: "5/h"}
	}
	s := newSet(c, slow(ScopeConnection), slow(ScopeKey))
	m := s.Meter("chat", "")
	_, err := m.Take(50_000_000)
	require.NoError(t, err, "what is larger than the burst waits for a full bucket only")
	require.NoError(t, s.REST("primary", 50_000_000))
	for range 3 {
		_, err := m.Take(1)
		require.Equal(t, 24*time.Hour, overrun(t, err).Reset.Round(time.Second))
		require.Equal(t, 24*60*60, overrun(t, s.REST("primary", 1)).RetryAfter())
	}
	r := &rule{Rule: slow(ScopeUser), nodes: func() int { return 1 }}
	require.Positive(t, (&bucket{tokens: -50_000_000}).missing(r, 1, 0))
}

// What is spread over nodes is divided by them; a user's part is not.
func TestRatesOfSeveralNodes(t *testing.T) {
	c, nodes := &clock{}, 4
	s := New(Options{Now: c.nanos, Nodes: func() int { return nodes }, Rules: []Rule{
		{Name: "hub", Scope: ScopeHub, What: WhatConnects, Rate: 8, Burst: 8},
	}})
	taken := func() (n int) {
		for s.Connect("chat", "", false) == nil {
			n++
		}
		return n
	}
	require.Equal(t, 2, taken())
	c.now += time.Second
	require.Equal(t, 2, taken())
	nodes = 1
	c.now += time.Second
	require.Equal(t, 8, taken())
}

// Users who are not there are forgotten when that makes no difference, and not before.
func TestUsersAreForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine asks for many users, for which the race detector takes long")
	}
	c := &clock{}
	s := newSet(c,
		Rule{Name: "a", Scope: ScopeUser, What: WhatConnects, Rate: 0.1, Burst: 1},
		Rule{Name: "b", Scope: ScopeUser, What: WhatMessages, Rate: 0.1, Burst: 1})
	for i := range 10_000 {
		require.NoError(t, s.Connect("chat", fmt.Sprint("user", i), false))
	}
	m := s.Meter("chat", "stays")
	require.Equal(t, 10_001, s.Forget())
	c.now += 9 * time.Second
	require.Error(t, s.Connect("chat", "user7", false))
	c.now += 2 * time.Second
	require.Equal(t, 1, s.Forget(), "the one that is there")
	m.End()
	require.Zero(t, s.Forget())

	for i := range maxBuckets + maxBuckets/4 {
		_ = s.Connect("chat", fmt.Sprint("crowd", i), false)
	}
	require.LessOrEqual(t, s.Forget(), maxBuckets)
	require.Error(t, s.Connect("chat", "one more", false), "those for whom there is no room share a bucket")
	c.now += 11 * time.Second
	require.NoError(t, s.Connect("chat", "one more", false))
	require.Less(t, s.Forget(), maxBuckets/2)
}

func TestTakingDoesNotAllocate(t *testing.T) {
	s := New(Options{Rules: []Rule{
		{Name: "a", Scope: ScopeConnection, What: WhatMessages, Rate: 1e9, Burst: 1e9},
		{Name: "b", Scope: ScopeUser, What: WhatBytes, Rate: 1e9, Burst: 1e9},
		{Name: "c", Scope: ScopeHub, What: WhatMessages, Rate: 1, Burst: 1, ReportOnly: true},
	}})
	m := s.Meter("chat", "ann")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = m.Take(100) }))
}

// BenchmarkTake is what a message costs with one rule.
func BenchmarkTake(b *testing.B) {
	m := New(Options{Rules: []Rule{{Name: "a", Scope: ScopeUser, What: WhatMessages, Rate: 1e9, Burst: 1e9}}}).Meter("chat", "ann")
	for b.Loop() {
		_, _ = m.Take(100)
	}
}
