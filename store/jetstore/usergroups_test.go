package jetstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/storetest"
)

// lone is one store on a lone engine.
func lone(t testing.TB, with storetest.Settings) *UserGroups {
	return newStores(t, alone(t), "lone", with, nil)[0]
}

func names(t testing.TB, s gateway.UserGroups, user string) []string {
	t.Helper()
	list, err := s.List(context.Background(), hub, user)
	require.NoError(t, err)
	var names []string
	for _, g := range list {
		names = append(names, g.Group)
	}
	return names
}

// faulty lets a test answer in a bucket's place.
type faulty struct {
	storage
	// write is called instead; nil means that nothing is wrong.
	onWrite  func(real func() error) error
	onLatest func(real func() (entry, error)) (entry, error)
	onAny    func(real func() (entry, error)) (entry, error)
}

func (f *faulty) write(ctx context.Context, key string, value []byte, revision uint64, lasts time.Duration) error {
	real := func() error { return f.storage.write(ctx, key, value, revision, lasts) }
	if f.onWrite == nil {
		return real()
	}
	return f.onWrite(real)
}

func (f *faulty) latest(ctx context.Context, key string) (entry, error) {
	real := func() (entry, error) { return f.storage.latest(ctx, key) }
	if f.onLatest == nil {
		return real()
	}
	return f.onLatest(real)
}

func (f *faulty) any(ctx context.Context, key string) (entry, error) {
	real := func() (entry, error) { return f.storage.any(ctx, key) }
	if f.onAny == nil {
		return real()
	}
	return f.onAny(real)
}

func withFaults(s *UserGroups) *faulty {
	f := &faulty{storage: s.bucket}
	s.bucket = f
	return f
}

func TestWrongAnswers(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		answer func(real func() error) error
		event  Event
	}{
		"N28 a write is refused though it was right": {
			func(func() error) error { return errConflict }, EventConflict},
		"N28 a write is refused though it was carried out": {
			func(real func() error) error { _ = real(); return errConflict }, EventOwnWrite},
		"the answer to a write is lost": {
			func(real func() error) error { _ = real(); return unavailable(context.DeadlineExceeded) }, EventOwnWrite},
		"a write is lost": {
			func(func() error) error { return unavailable(context.DeadlineExceeded) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := lone(t, storetest.Settings{})
			f := withFaults(s)
			wrong := 3
			f.onWrite = func(real func() error) error {
				if wrong > 0 {
					wrong--
					return c.answer(real)
				}
				return real()
			}
			require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
			require.NoError(t, s.Put(ctx, hub, "ann", "blue", time.Time{}))
			require.NoError(t, s.Delete(ctx, hub, "ann", "red"))
			require.NoError(t, s.Put(ctx, hub, "ann", "green", time.Time{}))
			require.Equal(t, []string{"blue", "green"}, names(t, s, "ann"))
			if c.event != "" {
				require.EqualValues(t, 3, s.Events()[c.event])
			}
		})
	}
	t.Run("somebody else really writes", func(t *testing.T) {
		s := lone(t, storetest.Settings{})
		other := New(s.opts)
		f := withFaults(s)
		between := 3
		f.onWrite = func(real func() error) error {
			if between > 0 {
				between--
				require.NoError(t, other.Put(ctx, hub, "ann", fmt.Sprint("other", between), time.Time{}))
			}
			return real()
		}
		require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
		require.Equal(t, []string{"other0", "other1", "other2", "red"}, names(t, s, "ann"))
		require.EqualValues(t, 3, s.Events()[EventConflict])
	})
}

func TestListWhenTheLeaderIsSilent(t *testing.T) {
	t.Parallel()
	s := lone(t, storetest.Settings{})
	ctx := context.Background()
	require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
	f := withFaults(s)
	f.onLatest = func(func() (entry, error)) (entry, error) { return entry{}, unavailable(errors.New("an election")) }
	t.Run("a copy answers, and that is counted", func(t *testing.T) {
		require.Equal(t, []string{"red"}, names(t, s, "ann"))
		require.Empty(t, names(t, s, "bob"))
		require.EqualValues(t, 2, s.Events()[EventStaleRead])
	})
	t.Run("nothing is written by what a copy says", func(t *testing.T) {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, s.Put(short, hub, "ann", "blue", time.Time{}), ErrUnavailable)
		require.Equal(t, []string{"red"}, names(t, s, "ann"))
	})
	t.Run("if no copy answers it is an error, within the time", func(t *testing.T) {
		f.onAny = f.onLatest
		var err error
		within(t, listTime+attemptTime, func() { _, err = s.List(ctx, hub, "ann") })
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "an election")
		var down interface{ Unavailable() bool }
		require.True(t, errors.As(err, &down) && down.Unavailable())
		require.NotErrorIs(t, err, store.ErrFull)
		require.NotZero(t, s.Events()[EventUnavailable])
	})
	t.Run("who has waited once does not make the next wait as long", func(t *testing.T) {
		asked := 0
		f.onLatest = func(func() (entry, error)) (entry, error) { asked++; return entry{}, unavailable(nil) }
		_, err := s.List(ctx, hub, "ann")
		require.ErrorIs(t, err, ErrUnavailable)
		require.Equal(t, 1, asked)
	})
	t.Run("when it is back, all is well", func(t *testing.T) {
		f.onLatest, f.onAny = nil, nil
		require.NoError(t, s.Put(ctx, hub, "ann", "blue", time.Time{}))
		require.Equal(t, []string{"blue", "red"}, names(t, s, "ann"))
	})
}

func TestCallersThatGoAway(t *testing.T) {
	s := lone(t, storetest.Settings{})
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Put(gone, hub, "ann", "red", time.Time{}), context.Canceled)
	_, err := s.List(gone, hub, "ann")
	require.ErrorIs(t, err, context.Canceled)
}

func TestDamagedValues(t *testing.T) {
	ctx := context.Background()
	s := lone(t, storetest.Settings{})
	require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
	whole := (&memberships{hub: hub, user: "ann", active: time.Now(), open: []string{"x"}}).append(nil)
	newer := slices.Clone(whole)
	newer[1] = valueFormat + 1
	for name, value := range map[string][]byte{
		"garbage":        []byte("garbage"),
		"nothing":        {},
		"cut off":        whole[:len(whole)-1],
		"too long":       append(slices.Clone(whole), 0),
		"of a newer one": newer,
		"another user's": (&memberships{hub: hub, user: "bob"}).append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.opts.JetStream.Publish(ctx, "$KV."+s.opts.Prefix+"_usergroups."+keyOf(hub, "ann"), value)
			require.NoError(t, err)
			_, err = s.List(ctx, hub, "ann")
			require.ErrorIs(t, err, ErrDamaged)
			require.ErrorIs(t, s.Put(ctx, hub, "ann", "red", time.Time{}), ErrDamaged)
			require.ErrorIs(t, s.Delete(ctx, hub, "ann", "red"), ErrDamaged)
			require.NotZero(t, s.Events()[EventDamaged])

			require.NoError(t, s.DeleteAll(ctx, hub, "ann"), "the way out")
			require.Empty(t, names(t, s, "ann"))
			require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
			require.Equal(t, []string{"red"}, names(t, s, "ann"))
		})
	}
}

func TestBucketsOfOthers(t *testing.T) {
	ctx := context.Background()
	s := lone(t, storetest.Settings{})
	_, err := s.opts.JetStream.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: s.opts.Prefix + "_usergroups"})
	require.NoError(t, err)
	err = s.Put(ctx, hub, "ann", "red", time.Time{})
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, s.opts.Prefix+"_usergroups")
}

func TestBucketThatIsGone(t *testing.T) {
	ctx := context.Background()
	s := lone(t, storetest.Settings{})
	require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
	require.NoError(t, s.opts.JetStream.DeleteStream(ctx, "KV_"+s.opts.Prefix+"_usergroups"))
	require.Empty(t, names(t, s, "ann"))
	require.NoError(t, s.Put(ctx, hub, "ann", "blue", time.Time{}), "it is made again")
	require.Equal(t, []string{"blue"}, names(t, s, "ann"))
}

func TestBucketGrowsAndNeverShrinks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	engines := three(t)
	small := newStores(t, engines, "grows", storetest.Settings{MaxBytes: 1 << 20}, nil)[0]
	small.opts.Replicas = 1
	small = New(small.opts)
	require.NoError(t, small.Put(ctx, hub, "ann", "red", time.Time{}))
	opts := small.opts
	opts.Replicas, opts.MaxBytes = 3, 2<<20
	large := New(opts)
	require.NoError(t, large.Put(ctx, hub, "bob", "red", time.Time{}))
	again := New(small.opts)
	require.NoError(t, again.Put(ctx, hub, "cid", "red", time.Time{}))
	stream, err := engines[0].JetStream().Stream(ctx, "KV_"+small.opts.Prefix+"_usergroups")
	require.NoError(t, err)
	require.Equal(t, 3, stream.CachedInfo().Config.Replicas)
	require.EqualValues(t, 2<<20+2<<20/8, stream.CachedInfo().Config.MaxBytes)
	require.Equal(t, []string{"red"}, names(t, again, "ann"))
}

func TestOneUserIsBounded(t *testing.T) {
	ctx := context.Background()
	s := lone(t, storetest.Settings{PerUser: func() int { return 1000 }})
	group := strings.Repeat("g", 1000)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = s.Put(ctx, hub, "ann", fmt.Sprint(group, n), time.Now().Add(time.Hour))
	}
	require.ErrorIs(t, err, store.ErrFull)
	require.Len(t, names(t, s, "ann"), n-1)
	require.NoError(t, s.Delete(ctx, hub, "ann", group+"0"))
	require.NoError(t, s.Put(ctx, hub, "ann", "short", time.Now().Add(time.Hour)))
	require.NotZero(t, s.Events()[EventFull])
}

// What the server refuses is an error of the same kind as what is refused here.
func TestServerIsFull(t *testing.T) {
	ctx := context.Background()
	s := lone(t, storetest.Settings{MaxBytes: 64 << 10})
	require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
	s.opts.MaxBytes = 1 << 40 // as if the number of bytes were very old
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = s.Put(ctx, hub, fmt.Sprint("user", n), strings.Repeat("g", 1000), time.Time{})
	}
	require.ErrorIs(t, err, store.ErrFull)
	require.NoError(t, s.DeleteAll(ctx, hub, "user1"))
}

func TestServerForgetsWhatHasEnded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, engines := range map[string][]*natsd.Engine{"one copy": alone(t), "three copies": three(t)} {
		t.Run(name, func(t *testing.T) {
			s := newStores(t, engines, "forgets", storetest.Settings{}, nil)[0]
			stream := func() jetstream.Stream {
				stream, err := engines[0].JetStream().Stream(ctx, "KV_"+s.opts.Prefix+"_usergroups")
				require.NoError(t, err)
				return stream
			}
			lasts := func(user string) time.Duration {
				msg, err := stream().GetLastMsgForSubject(ctx, s.bucket.(*bucket).subject(keyOf(hub, user)))
				require.NoError(t, err)
				d, err := time.ParseDuration(msg.Header.Get(jetstream.MsgTTLHeader))
				require.NoError(t, err)
				return d
			}
			require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Now().Add(time.Hour)))
			require.InDelta(t, (time.Hour + forgetAfter).Seconds(), lasts("ann").Seconds(), 2)
			require.NoError(t, s.Put(ctx, hub, "ann", "blue", time.Time{}))
			require.InDelta(t, (store.OpenLifetime + activityStep + forgetAfter).Seconds(), lasts("ann").Seconds(), 2)
			require.NoError(t, s.DeleteAll(ctx, hub, "ann"))
			require.Equal(t, emptyLasts, lasts("ann"))

			// The server really does it, on every copy, and the user can come again.
			key := keyOf(hub, "bob")
			require.NoError(t, s.bucket.write(ctx, key, (&memberships{hub: hub, user: "bob"}).append(nil), 0, time.Second))
			natsdtest.Await(t, "the end", func() bool {
				_, err := s.bucket.latest(ctx, key)
				return errors.Is(err, errNotFound)
			})
			for range 20 {
				natsdtest.Await(t, "the end on all copies", func() bool {
					_, err := s.bucket.any(ctx, key)
					return errors.Is(err, errNotFound)
				})
			}
			require.NoError(t, s.Put(ctx, hub, "bob", "red", time.Time{}))
			require.Equal(t, []string{"red"}, names(t, s, "bob"))
			require.EqualValues(t, 2, stream().CachedInfo().State.NumSubjects)
		})
	}
}

func TestActivityIsNotedOnceAWeek(t *testing.T) {
	ctx := context.Background()
	clock := newClock()
	s := newStores(t, alone(t), "active", storetest.Settings{}, clock)[0]
	f := withFaults(s)
	writes := 0
	f.onWrite = func(real func() error) error { writes++; return real() }
	require.NoError(t, s.Put(ctx, hub, "ann", "red", time.Time{}))
	for range 100 {
		clock.elapse(24 * time.Hour)
		require.Equal(t, []string{"red"}, names(t, s, "ann"))
	}
	require.Equal(t, 1+100/7, writes)
}

func TestUserKeys(t *testing.T) {
	// Keys are the same in every version, or what is stored would not be found.
	require.Equal(t, "vhh76vlor5v2koycsc4fk5v5so2zwwgt", keyOf("chat", "ann"))
	require.NotEqual(t, keyOf("chata", "nn"), keyOf("chat", "ann"))
	require.Regexp(t, "^[a-z2-7]{32}$", keyOf("日本", "\xff*.>"))
}

// judged runs rounds until n of them were judged. A round in which a list said that it may be old
// proves nothing: the leader was silent for too long, in an election or on a slow machine. It fails
// when more than n rounds prove nothing: lists then do not come from the leader.
func judged(t *testing.T, n int, round func(i int) (judged bool)) {
	t.Helper()
	left := n
	for i := 0; left > 0; i++ {
		require.LessOrEqual(t, i-(n-left), n, "rounds in which a list said that it may be old")
		if round(i) {
			left--
		}
	}
}

// What the gateway does: a client connects (it is announced, then its groups are
// listed), while its user joins a group (it is stored, then those announced join).
func TestJoiningWhileConnecting(t *testing.T) {
	t.Parallel()
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	engines := three(t)
	stores := newStores(t, engines, "joins", storetest.Settings{}, nil)
	ctx := context.Background()
	t.Run("N25 the user is always a member", func(t *testing.T) {
		judged(t, rounds, func(i int) bool {
			user := fmt.Sprint("user", i)
			here, there := stores[i%3], stores[(i+1+i%2)%3]
			stale := here.Events()[EventStaleRead]
			var announced, joined atomic.Bool
			var listed []gateway.StandingGroup
			var wg sync.WaitGroup
			wg.Go(func() {
				announced.Store(true)
				var err error
				listed, err = here.List(ctx, hub, user)
				assert.NoError(t, err)
			})
			wg.Go(func() {
				assert.NoError(t, there.Put(ctx, hub, user, "red", time.Time{}))
				joined.Store(announced.Load())
			})
			wg.Wait()
			if here.Events()[EventStaleRead] > stale {
				return false
			}
			require.True(t, joined.Load() || len(listed) == 1, "round %d", i)
			return true
		})
	})
}

func TestListIsNeverOlderThanPut(t *testing.T) {
	t.Parallel()
	engines := three(t)
	stores := newStores(t, engines, "fresh", storetest.Settings{PerUser: func() int { return 1 }}, nil)
	ctx := context.Background()
	rounds := 0
	round := func(int) bool {
		rounds++
		group := fmt.Sprintf("g%06d", rounds)
		require.NoError(t, stores[rounds%3].Put(ctx, hub, "ann", group, time.Time{}))
		reader := stores[(rounds+1+rounds%2)%3]
		stale := reader.Events()[EventStaleRead]
		got := names(t, reader, "ann")
		if reader.Events()[EventStaleRead] > stale {
			return false
		}
		require.Equal(t, []string{group}, got, "round %d", rounds)
		return true
	}
	t.Run("N27 with a leader", func(t *testing.T) { judged(t, 1000, round) })
	t.Run("N27 during elections, unless it says so", func(t *testing.T) {
		old := 0
		for i := range 300 {
			if i%50 == 0 {
				_, err := engines[0].Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN.KV_"+stores[0].opts.Prefix+"_usergroups", nil, attemptTime)
				t.Log("the leader steps down:", err)
			}
			if !round(i) {
				old++
			}
		}
		t.Log("lists that said they may be old:", old)
	})
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	from := newStores(t, alone(t), "export", storetest.Settings{}, nil)[0]
	until := time.Now().Add(time.Hour).Round(time.Millisecond)
	for i := range 300 {
		require.NoError(t, from.Put(ctx, hub, fmt.Sprint("user", i), "open", time.Time{}))
		require.NoError(t, from.Put(ctx, hub, fmt.Sprint("user", i), "ends", until))
	}
	require.NoError(t, from.DeleteAll(ctx, hub, "user7"))
	var file bytes.Buffer
	n, err := from.Export(ctx, &file)
	require.NoError(t, err)
	require.Equal(t, 299, n)
	t.Run("N38 from one voter to three", func(t *testing.T) {
		to := newStores(t, three(t), "import", storetest.Settings{}, nil)
		require.NoError(t, to[0].Put(ctx, hub, "user1", "newer", time.Time{}))
		imported, err := to[1].Import(ctx, bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		require.Equal(t, Imported{Users: 298, Kept: 1}, imported)
		list, err := to[2].List(ctx, hub, "user0")
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.True(t, until.Equal(list[0].Until))
		require.Equal(t, gateway.StandingGroup{Group: "open"}, list[1])
		require.Equal(t, []string{"newer"}, names(t, to[2], "user1"))
		require.Empty(t, names(t, to[2], "user7"))
		again, err := to[1].Import(ctx, bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		require.Equal(t, Imported{Kept: 299}, again)
	})
	t.Run("from nothing", func(t *testing.T) {
		var empty bytes.Buffer
		n, err := lone(t, storetest.Settings{}).Export(ctx, &empty)
		require.NoError(t, err)
		require.Zero(t, n)
		imported, err := lone(t, storetest.Settings{}).Import(ctx, &empty)
		require.NoError(t, err)
		require.Zero(t, imported)
	})
	t.Run("what is no export is refused", func(t *testing.T) {
		for _, text := range []string{"", "{}", "garbage", `{"hubgate-export":2}`, file.String()[:file.Len()/2],
			strings.SplitAfter(file.String(), "\n")[0] + "{\"value\":\"AAAA\"}\n"} {
			_, err := lone(t, storetest.Settings{}).Import(ctx, strings.NewReader(text))
			require.Error(t, err)
		}
	})
}
