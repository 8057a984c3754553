package nodes

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/store/stream"
)

// shelf is records in memory, which nodes may be cut off from.
type shelf struct {
	mu   sync.Mutex
	rows map[string]entry
	last uint64
	cut  map[string]bool // by tag; "" is everybody
}

func newShelf() *shelf { return &shelf{rows: make(map[string]entry), cut: make(map[string]bool)} }

func (s *shelf) set(tag string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut[tag] = cut
}

func (s *shelf) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rows)
}

func (s *shelf) get(inc string) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.rows[inc]
	return e, ok
}

// place is a shelf as one node reaches it.
type place struct {
	*shelf
	tag string
}

func (p place) reach(ctx context.Context) error {
	p.mu.Lock()
	cut := p.cut[p.tag] || p.cut[""]
	p.mu.Unlock()
	if cut {
		<-ctx.Done()
		return stream.Unavailable(ctx.Err())
	}
	return nil
}

func (p place) write(ctx context.Context, inc string, r *Record, revision uint64) (uint64, error) {
	return p.put(ctx, entry{inc: inc, record: *r}, revision)
}

func (p place) bury(ctx context.Context, inc string, revision uint64) error {
	_, err := p.put(ctx, entry{inc: inc, tombstone: true}, revision)
	return err
}

func (p place) put(ctx context.Context, e entry, revision uint64) (uint64, error) {
	if err := p.reach(ctx); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows[e.inc].revision != revision {
		return 0, stream.ErrConflict
	}
	p.last++
	e.revision = p.last
	p.rows[e.inc] = e
	return p.last, nil
}

func (p place) read(ctx context.Context, inc string) (entry, error) {
	if err := p.reach(ctx); err != nil {
		return entry{}, err
	}
	if e, ok := p.get(inc); ok {
		return e, nil
	}
	return entry{}, stream.ErrNotFound
}

func (p place) all(ctx context.Context) (list []entry, err error) {
	if err := p.reach(ctx); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.rows {
		list = append(list, e)
	}
	return list, nil
}

// watched is a Lease and what it was told.
type watched struct {
	*Lease
	mu       sync.Mutex
	buried   []string
	claimed  []string
	isolated []bool
	reached  int
	alive    map[string]bool // links that are heard of
	failing  int             // so often Bury fails
	settings map[string]string
}

func (w *watched) told() (buried, claimed []string, isolated []bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.buried), slices.Clone(w.claimed), slices.Clone(w.isolated)
}

func (w *watched) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func watch(tag string) (*watched, Calls) {
	w := &watched{alive: make(map[string]bool)}
	return w, Calls{
		Gone: func(link string) (gone bool) {
			w.do(func() { gone = !w.alive[link] })
			return gone
		},
		Reached: func() (n int) {
			w.do(func() { n = w.reached })
			return n
		},
		Bury: func(_ context.Context, inc string) (err error) {
			w.do(func() {
				w.buried = append(w.buried, inc)
				if w.failing > 0 {
					w.failing--
					err = errors.New("not yet")
				}
			})
			return err
		},
		Claimed:  func(former, _ string) { w.do(func() { w.claimed = append(w.claimed, former) }) },
		Isolated: func(is bool) { w.do(func() { w.isolated = append(w.isolated, is) }) },
	}
}

func startOn(s *shelf, tag string) *watched { return startFor(s, tag, DefaultLease) }

func startFor(s *shelf, tag string, lease time.Duration) *watched {
	w, calls := watch(tag)
	w.Lease = newLease(Options{Tag: tag, Link: tag, Lease: lease, Calls: calls}, place{s, tag})
	w.Start()
	return w
}

// startWith starts a node with settings, which are compared.
func startWith(s *shelf, tag string, own map[string]string) *watched {
	w, calls := watch(tag)
	w.settings = own
	w.Lease = newLease(Options{
		Tag: tag, Link: tag, Calls: calls, Unlike: differences,
		Settings: func() (now map[string]string) {
			w.do(func() { now = w.settings })
			return now
		},
	}, place{s, tag})
	w.Start()
	return w
}

func differences(a, b map[string]string) (parts []string) {
	for name, value := range a {
		if other, ok := b[name]; ok && other != value {
			parts = append(parts, name)
		}
	}
	return parts
}

func (w *watched) end(t *testing.T, leave bool) {
	require.NoError(t, w.Close(context.Background(), leave))
}

func TestLease(t *testing.T) {
	t.Run("12 a node that dies is claimed after 20 s, by one of the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b, c := startOn(s, "a"), startOn(s, "b"), startOn(s, "c")
			time.Sleep(10 * time.Second)
			require.False(t, a.Fenced())
			require.Equal(t, 2, a.Stats().Others)
			a.end(t, false)
			time.Sleep(18 * time.Second)
			ofB, _, _ := b.told()
			ofC, _, _ := c.told()
			require.Empty(t, append(ofB, ofC...))
			time.Sleep(5 * time.Second)
			ofB, _, _ = b.told()
			ofC, _, _ = c.told()
			require.Equal(t, []string{a.Inc()}, append(ofB, ofC...))
			e, ok := s.get(a.Inc())
			require.True(t, ok && e.tombstone)
			b.end(t, true)
			c.end(t, true)
		})
	})
	t.Run("Q4 a node is claimed after its own lease, whatever that of who looks is", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			slow, quick := startFor(s, "slow", time.Minute), startFor(s, "quick", 5*time.Second)
			eye := startFor(s, "eye", 20*time.Second)
			time.Sleep(30 * time.Second)
			slow.end(t, false)
			quick.end(t, false)
			time.Sleep(8 * time.Second)
			buried, _, _ := eye.told()
			require.Equal(t, []string{quick.Inc()}, buried)
			time.Sleep(44 * time.Second)
			buried, _, _ = eye.told()
			require.Equal(t, []string{quick.Inc()}, buried)
			time.Sleep(15 * time.Second)
			buried, _, _ = eye.told()
			require.Equal(t, []string{quick.Inc(), slow.Inc()}, buried)
			eye.end(t, true)
		})
	})
	t.Run("N26 nodes tell which others have other settings", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startWith(s, "a", map[string]string{"mode": "1", "limits": "1"}), startWith(s, "b", map[string]string{"mode": "1", "limits": "2"})
			old := startFor(s, "old", DefaultLease) // a version that does not tell
			time.Sleep(10 * time.Second)
			require.Empty(t, a.Stats().Unlike, "nobody hears of b")
			for _, w := range []*watched{a, b} {
				w.do(func() { w.alive["a"], w.alive["b"], w.alive["old"] = true, true, true })
			}
			time.Sleep(2 * time.Second)
			require.Empty(t, a.Stats().Unlike, "both may be about to tell of the same change")
			time.Sleep(6 * time.Second)
			require.Equal(t, map[string][]string{"b": {"limits"}}, a.Stats().Unlike)
			require.Equal(t, map[string][]string{"a": {"limits"}}, b.Stats().Unlike)
			b.do(func() { b.settings = map[string]string{"mode": "1", "limits": "1"} })
			time.Sleep(5 * time.Second)
			require.Empty(t, a.Stats().Unlike)
			require.Empty(t, b.Stats().Unlike)
			for _, w := range []*watched{a, b} {
				w.do(func() { w.settings = map[string]string{"mode": "2", "limits": "1"} })
				time.Sleep(time.Second)
			}
			for range 40 {
				time.Sleep(250 * time.Millisecond)
				require.Empty(t, a.Stats().Unlike, "a change that both take is none")
				require.Empty(t, b.Stats().Unlike)
			}
			for _, w := range []*watched{a, b, old} {
				w.end(t, true)
			}
		})
	})
	t.Run("12 a node that leaves in order is not claimed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			time.Sleep(10 * time.Second)
			a.end(t, true)
			time.Sleep(time.Minute)
			buried, _, _ := b.told()
			require.Empty(t, buried)
			b.end(t, true)
		})
	})
	t.Run("12 a node that others hear is not claimed, though it cannot renew its record", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			b.do(func() { b.alive["a"] = true })
			a.do(func() { a.reached = 1 })
			time.Sleep(10 * time.Second)
			s.set("a", true)
			time.Sleep(time.Minute)
			require.True(t, a.Fenced())
			buried, _, _ := b.told()
			_, _, isolated := a.told()
			require.Empty(t, buried)
			require.Empty(t, isolated)
			s.set("a", false)
			time.Sleep(5 * time.Second)
			require.False(t, a.Fenced())
			a.end(t, true)
			b.end(t, true)
		})
	})
	t.Run("N33 a node that was claimed finds out, and begins anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			time.Sleep(10 * time.Second)
			former := a.Inc()
			s.set("a", true)
			time.Sleep(13*time.Second + 500*time.Millisecond)
			require.True(t, a.Fenced())
			time.Sleep(15 * time.Second)
			buried, _, _ := b.told()
			require.Equal(t, []string{former}, buried)
			s.set("a", false)
			time.Sleep(5 * time.Second)
			_, claimed, _ := a.told()
			require.Equal(t, []string{former}, claimed)
			require.NotEqual(t, former, a.Inc())
			require.False(t, a.Fenced())
			a.end(t, true)
			b.end(t, true)
		})
	})
	t.Run("N42 a node that reaches nobody is isolated in 15 s, and not because of the store alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			b.do(func() { b.reached = 1 })
			time.Sleep(10 * time.Second)
			s.set("", true)
			time.Sleep(15 * time.Second)
			_, _, isolated := a.told()
			require.Equal(t, []bool{true}, isolated)
			_, _, isolated = b.told()
			require.Empty(t, isolated)
			s.set("", false)
			time.Sleep(5 * time.Second)
			_, _, isolated = a.told()
			require.Equal(t, []bool{true, false}, isolated)
			a.end(t, true)
			b.end(t, true)
		})
	})
	t.Run("a node alone is not isolated because of what its former run has left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			former := startFor(s, "a", 3*time.Second)
			time.Sleep(time.Second)
			former.end(t, false)
			a, calls := watch("a")
			calls.Isolated = nil
			a.Lease = newLease(Options{Tag: "a", Link: "a", Lease: 3 * time.Second, Calls: calls}, place{s, "a"})
			a.Start()
			time.Sleep(time.Second)
			s.set("", true)
			time.Sleep(time.Minute)
			require.True(t, a.Stats().Fenced)
			require.False(t, a.Stats().Isolated)
			require.Zero(t, a.Stats().Events[EventIsolated])
			s.set("", false)
			time.Sleep(10 * time.Second)
			require.False(t, a.Stats().Fenced)
			buried, _, _ := a.told()
			require.Len(t, buried, 1)
			a.end(t, true)
		})
	})
	t.Run("a node that was always alone is not isolated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a := startOn(s, "a")
			time.Sleep(10 * time.Second)
			s.set("", true)
			time.Sleep(time.Minute)
			_, _, isolated := a.told()
			require.Empty(t, isolated)
			a.end(t, false)
		})
	})
	t.Run("a store that has lost everything is no claim", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a := startOn(s, "a")
			time.Sleep(10 * time.Second)
			inc := a.Inc()
			s.wipe()
			time.Sleep(10 * time.Second)
			require.Equal(t, inc, a.Inc())
			require.False(t, a.Fenced())
			require.EqualValues(t, 1, a.Stats().Events[EventLost])
			a.end(t, true)
		})
	})
	t.Run("N31 a claimant that dies is claimed, and its work is done again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			b.do(func() { b.failing = 1 << 30 })
			time.Sleep(10 * time.Second)
			a.end(t, false)
			time.Sleep(25 * time.Second)
			buried, _, _ := b.told()
			require.Contains(t, buried, a.Inc())
			c := startOn(s, "c")
			b.end(t, false)
			time.Sleep(25 * time.Second)
			buried, _, _ = c.told()
			require.ElementsMatch(t, []string{a.Inc(), b.Inc()}, buried)
			time.Sleep(time.Minute)
			again, _, _ := c.told()
			require.Equal(t, buried, again)
			c.end(t, true)
		})
	})
	t.Run("what could not be finished for a dead node is done again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			a, b := startOn(s, "a"), startOn(s, "b")
			b.do(func() { b.failing = 2 })
			time.Sleep(10 * time.Second)
			a.end(t, false)
			time.Sleep(30 * time.Second)
			buried, _, _ := b.told()
			require.Equal(t, []string{a.Inc(), a.Inc(), a.Inc()}, buried)
			require.EqualValues(t, 1, b.Stats().Events[EventBuried])
			b.end(t, true)
		})
	})
}

// Who keeps no events leaves a dead node that does to those who do, and says so if there are none.
func TestNodeThatKeepsEventsIsLeftToThoseWhoDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		var log lockedBuffer
		started := func(tag string, keeps bool) *watched {
			w, calls := watch(tag)
			w.Lease = newLease(Options{Tag: tag, Link: tag, Keeps: keeps, Calls: calls, Logger: slog.New(slog.NewTextHandler(&log, nil))}, place{s, tag})
			w.Start()
			return w
		}
		a, b := started("a", true), started("b", false)
		time.Sleep(time.Second)
		dead := a.Inc()
		a.end(t, false)
		time.Sleep(3 * DefaultLease)
		buried, _, _ := b.told()
		require.Empty(t, buried)
		require.Equal(t, 1, strings.Count(log.String(), "no node takes them over"))
		c := started("c", true)
		time.Sleep(2 * DefaultLease)
		buried, _, _ = c.told()
		require.Equal(t, []string{dead}, buried)
		b.end(t, true)
		c.end(t, true)
	})
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func FuzzRecord(f *testing.F) {
	f.Add((&Record{Node: "a", Writer: "a-1", Number: 7, Claimant: "b-1"}).append(nil))
	f.Add([]byte(`{"writer":"x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		again, err := parseRecord(r.append(nil))
		if len(r.append(nil)) > maxRecord {
			return // escapes have made it longer
		}
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
