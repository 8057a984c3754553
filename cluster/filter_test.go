package cluster

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func testKeys(tb testing.TB) *keys {
	k, err := newKeys([]byte("a secret of more than thirty-two bytes"), nil)
	require.NoError(tb, err)
	return &k
}

// filterEar is a peer that has what it was sent in force when take is called.
type filterEar struct {
	filterPeer
	theirFilter
	tb     testing.TB
	mu     sync.Mutex
	coming [][]byte
	frames int
	bytes  int
}

func hear(tb testing.TB, f *ownFilter) *filterEar {
	e := &filterEar{tb: tb}
	e.push = func(frame []byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.coming = append(e.coming, frame)
		e.frames++
		e.bytes += len(frame)
	}
	f.subscribe(&e.filterPeer)
	return e
}

// takes puts so many frames in force, and returns the number to acknowledge, 0 for none.
func (e *filterEar) takes(n int) (seq uint64) {
	e.mu.Lock()
	frames := e.coming[:min(n, len(e.coming))]
	e.coming = e.coming[len(frames):]
	e.mu.Unlock()
	for _, frame := range frames {
		at, err := e.theirFilter.take(frame)
		require.NoError(e.tb, err)
		seq = max(seq, at)
	}
	return seq
}

func (e *filterEar) takeAll() uint64 { return e.takes(1 << 30) }

func group(name string) Name { return Name{Kind: NameGroup, Hub: "chat", Name: name} }

func nobodyWaits() {}

func TestNamesAreDifferent(t *testing.T) {
	k := testKeys(t)
	seen := make(map[uint64]Name)
	for _, n := range []Name{
		{Kind: NameHub, Hub: "chat"}, group(""), {Kind: NameUser, Hub: "chat", Name: "ann"},
		{Kind: NameConnection, Hub: "chat", Name: "ann"}, {Kind: NameUser, Hub: "cha", Name: "tann"}, {Kind: NameUser, Hub: "chata", Name: "nn"},
	} {
		hash := k.hash(n.Kind, n.Hub, n.Name)
		require.NotContains(t, seen, hash)
		seen[hash] = n
	}
	other, err := newKeys([]byte("another secret"), nil)
	require.NoError(t, err)
	require.NotContains(t, seen, other.hash(NameHub, "chat", ""))
	require.NotEqual(t, k.filterID, other.filterID)
	require.Zero(t, testing.AllocsPerRun(100, func() { k.hash(NameGroup, "chat", "a group with a name of some length") }))
}

// A filter grows with its names, a peer has at most four bytes for each, and what is not there is
// seldom thought to be.
func TestN10AMillionNames(t *testing.T) {
	f := newOwnFilter(testKeys(t), false)
	early := hear(t, f)
	count := 1_000_000
	if raced {
		count = 100_000
	}
	names := make([]Name, count)
	for i := range names {
		names[i] = group(fmt.Sprint("group ", i))
	}
	for part := range slices.Chunk(names, 1000) {
		f.announce(part, nobodyWaits)
		f.acknowledged(&early.filterPeer, early.takeAll())
	}
	f.mu.Lock()
	if len(f.sets) > 0 {
		f.flushLocked(nil)
	}
	f.mu.Unlock()
	early.takeAll()
	late := hear(t, f)
	late.takeAll()
	for who, e := range map[string]*filterEar{"one that heard every change": early, "one that came late": late} {
		for i := range names {
			require.True(t, e.has(f.keys.hash(NameGroup, "chat", names[i].Name)), "%s misses %s", who, names[i].Name)
		}
		wrong := 0
		for i := range 100_000 {
			if e.has(f.keys.hash(NameGroup, "chat", fmt.Sprint("another ", i))) {
				wrong++
			}
		}
		require.Less(t, wrong, 7000, who)
		size := 8 * len(e.inForce.Load().words)
		require.LessOrEqual(t, size, 4*count, who)
		t.Logf("%s: %.1f bytes a name, %.1f %% false positives, %d frames and %d bytes", who, float64(size)/float64(count), float64(wrong)/1000, e.frames, e.bytes)
	}
	epoch := f.epoch
	f.withdraw(names[:count-1000])
	require.Equal(t, f.table.count, countBits(f))
	f.clearUnused() // makes a small one
	require.Greater(t, f.epoch, epoch)
	early.takeAll()
	require.LessOrEqual(t, len(early.inForce.Load().words), 1<<minFilterBits/64)
	for i := range names[count-1000:] {
		require.True(t, early.has(f.keys.hash(NameGroup, "chat", names[count-1000+i].Name)))
	}
	f.close()
}

func countBits(f *ownFilter) (n int) {
	f.table.each(func(uint32) { n++ })
	return n
}

// filterModel is a filter, peers that hear late, and what is announced.
type filterModel struct {
	tb    testing.TB
	r     *rand.Rand
	f     *ownFilter
	peers []*filterEar
	names map[string]int
	// known are names whose announcement was done, life is how often a name was gone before.
	known   map[string]bool
	life    map[string]int
	hashes  map[string]uint64
	recent  string
	mu      sync.Mutex
	waiting int
}

func (m *filterModel) step() {
	name := fmt.Sprint("n", m.r.IntN(6000))
	if m.r.IntN(3) == 0 {
		name = m.recent
	}
	m.recent = name
	switch n := m.r.IntN(100); {
	case n < 40:
		list := []Name{group(name)}
		m.names[name]++
		m.mu.Lock()
		m.waiting++
		life := m.life[name]
		m.mu.Unlock()
		m.f.announce(list, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.waiting--
			m.known[name] = m.known[name] || life == m.life[name]
		})
	case n < 60:
		for name := range m.names {
			m.withdraw(name)
			break
		}
	case n < 90 && len(m.peers) > 0:
		p := m.peers[m.r.IntN(len(m.peers))]
		m.f.acknowledged(&p.filterPeer, p.takes(1+m.r.IntN(3)))
	case n < 92:
		if len(m.peers) < 4 {
			m.peers = append(m.peers, hear(m.tb, m.f))
		}
	case n < 93 && len(m.peers) > 0:
		i := m.r.IntN(len(m.peers))
		m.f.unsubscribe(&m.peers[i].filterPeer)
		m.peers = slices.Delete(m.peers, i, i+1)
	case n < 95:
		m.f.clearUnused()
	case n < 99:
		time.Sleep(time.Duration(m.r.IntN(3)) * time.Millisecond)
	default:
		time.Sleep(announceWait)
	}
	synctest.Wait()
}

func (m *filterModel) withdraw(name string) {
	m.f.withdraw([]Name{group(name)})
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name]--; m.names[name] == 0 {
		delete(m.names, name)
		m.known[name] = false
		m.life[name]++
	}
}

func (m *filterModel) hash(name string) uint64 {
	h, ok := m.hashes[name]
	if !ok {
		h = m.f.keys.hash(NameGroup, "chat", name)
		m.hashes[name] = h
	}
	return h
}

// check: whoever may send to this node knows every name whose announcement is done, unless it is late.
func (m *filterModel) check(t *testing.T, seed uint64) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if p.late() || p.inForce.Load() == nil {
			continue
		}
		for name, known := range m.known {
			if known && !p.has(m.hash(name)) {
				t.Fatalf("schedule %d: a peer does not know %s", seed, name)
			}
		}
	}
	// The table is what the names say.
	bits := make(map[uint32]bool)
	for name := range m.names {
		bits[m.f.table.bit(m.hash(name))] = true
	}
	for bit := range bits {
		if m.f.table.words[bit>>6]&(1<<(bit&63)) == 0 {
			t.Fatalf("schedule %d: a bit is not set", seed)
		}
	}
}

func TestModelOfTheFilter(t *testing.T) {
	schedules := uint64(40)
	if raced {
		schedules = 6
	}
	for seed := range schedules {
		synctest.Test(t, func(t *testing.T) {
			m := &filterModel{tb: t, r: rand.New(rand.NewPCG(seed, 2)), f: newOwnFilter(testKeys(t), false), names: make(map[string]int), known: make(map[string]bool), life: make(map[string]int), hashes: make(map[string]uint64)}
			if seed%2 == 0 { // near a growth
				for i := range 4190 {
					name := fmt.Sprint("m", i)
					m.names[name]++
					m.f.announce([]Name{group(name)}, nobodyWaits)
					m.known[name] = true
				}
			}
			for i := range 400 {
				if m.step(); i%8 == 0 {
					m.check(t, seed)
				}
			}
			for len(m.peers) > 0 && m.waiting > 0 {
				for _, p := range m.peers {
					m.f.acknowledged(&p.filterPeer, p.takeAll())
				}
				time.Sleep(collectFor)
				synctest.Wait()
			}
			require.Zero(t, m.waiting)
			for name := range m.names {
				m.known[name] = true
			}
			for _, p := range m.peers {
				m.f.acknowledged(&p.filterPeer, p.takeAll())
			}
			m.check(t, seed)
			m.f.close()
		})
	}
}

func TestTheBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOwnFilter(testKeys(t), false)
		done := make(map[string]time.Duration)
		began := time.Now()
		var mu sync.Mutex
		defer mu.Unlock()
		mu.Lock()
		wait := func() {
			mu.Unlock()
			synctest.Wait()
			mu.Lock()
		}
		announce := func(name string) {
			mu.Unlock()
			f.announce([]Name{group(name)}, func() {
				mu.Lock()
				defer mu.Unlock()
				done[name] = time.Since(began)
			})
			mu.Lock()
			wait()
		}
		announce("alone")
		require.Contains(t, done, "alone", "there is nobody to wait for")
		a, b := hear(t, f), hear(t, f)
		unlocked := func(do func()) {
			mu.Unlock()
			do()
			mu.Lock()
			wait()
		}
		ack := func(e *filterEar) { unlocked(func() { f.acknowledged(&e.filterPeer, e.takeAll()) }) }
		ack(a)
		ack(b)
		announce("alone")
		require.Equal(t, 1, a.frames, "nobody needs to hear it again")
		announce("one")
		require.NotContains(t, done, "one")
		announce("one")
		announce("two") // collected: one was sent just now
		require.Equal(t, 2, a.frames, "the first set is sent at once")
		ack(a)
		require.NotContains(t, done, "one")
		ack(b)
		require.Contains(t, done, "one")
		require.NotContains(t, done, "two")
		unlocked(func() { time.Sleep(collectFor) })
		ack(a)
		ack(b)
		require.Equal(t, collectFor, done["two"])

		// One that does not answer is waited for once.
		announce("three")
		ack(a)
		unlocked(func() { time.Sleep(announceWait - time.Millisecond) })
		require.NotContains(t, done, "three")
		unlocked(func() { time.Sleep(time.Millisecond) })
		require.Contains(t, done, "three")
		require.EqualValues(t, 1, f.lateCount)
		announce("four")
		ack(a)
		require.Contains(t, done, "four")
		require.EqualValues(t, 2, f.lateCount, "it did not wait either")
		ack(b) // it has caught up
		unlocked(func() { time.Sleep(collectFor) })
		announce("five")
		ack(a)
		require.NotContains(t, done, "five")
		unlocked(func() { f.unsubscribe(&b.filterPeer) })
		require.Contains(t, done, "five", "a peer that is gone is not waited for")
		announce("six")
		unlocked(func() { f.unsubscribe(&a.filterPeer) })
		require.Contains(t, done, "six")
		require.EqualValues(t, 2, f.lateCount)
		c := hear(t, f)
		c.takeAll()
		for _, name := range []string{"alone", "one", "two", "three", "four", "five", "six"} {
			require.True(t, c.has(f.keys.hash(NameGroup, "chat", name)))
		}
		announce("seven")
		unlocked(func() { f.close() })
		require.Contains(t, done, "seven")
	})
}

// A bit is cleared when no name has it any more, and not before the second is over.
func TestClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newOwnFilter(testKeys(t), false)
		e := hear(t, f)
		has := func(name string) bool {
			e.takeAll()
			return e.has(f.keys.hash(NameGroup, "chat", name))
		}
		f.announce([]Name{group("a"), group("b"), group("b")}, nobodyWaits)
		f.withdraw([]Name{group("a"), group("b"), group("unknown")})
		require.True(t, has("a"))
		f.clearUnused()
		require.False(t, has("a"))
		require.True(t, has("b"), "it was announced twice")
		f.withdraw([]Name{group("b")})
		f.announce([]Name{group("b")}, nobodyWaits)
		f.clearUnused()
		require.True(t, has("b"), "it is there again")
		f.close()
	})
}

// A bit that more names share than are counted stays.
func TestABitOfManyNames(t *testing.T) {
	var table bitTable
	table.init(minFilterBits)
	for range 20 {
		table.share(7)
		table.share(6)
	}
	table.set(7)
	for range 40 {
		require.False(t, table.unshare(7))
	}
	require.False(t, table.unset(7))
	require.Equal(t, 15, int(table.nibble(6)))
	for n, log := range map[int]int{0: 16, 4096: 16, 4097: 17, 1_000_000: 24, 100_000_000: 28} {
		require.Equal(t, log, sizeFor(n), "%d names", n)
	}
}

func TestANodeThatTakesEverything(t *testing.T) {
	f := newOwnFilter(testKeys(t), true)
	e := hear(t, f)
	e.takeAll()
	require.True(t, e.has(1234567))
	done := false
	f.announce([]Name{group("a")}, func() { done = true })
	f.withdraw([]Name{group("a")})
	f.clearUnused()
	require.True(t, done)
	require.Equal(t, 1, e.frames)
}

// filterFrames are a snapshot in two pieces and a change.
func filterFrames() [][]byte {
	first := filterHead{seq: 3, flags: filterSnapshot | filterFirst, epoch: 2, log: 16}
	second := filterHead{seq: 3, flags: filterSnapshot | filterLast, epoch: 2}
	change := filterHead{seq: 4, epoch: 2}
	return [][]byte{appendBits(first.append(nil), []uint32{5, 3}), appendBits(second.append(nil), []uint32{65535}), appendBits(appendBits(change.append(nil), []uint32{9}), []uint32{3})}
}

func TestN13MalformedFilterFrames(t *testing.T) {
	frames := filterFrames()
	var f theirFilter
	for i, frame := range frames {
		seq, err := f.take(frame)
		require.NoError(t, err)
		require.Equal(t, []uint64{0, 3, 4}[i], seq)
	}
	for bit, want := range map[uint64]bool{3: false, 5: true, 9: true, 65535: true, 6: false} {
		require.Equal(t, want, f.has(bit))
	}
	bad := func(frame []byte, before ...[]byte) {
		t.Helper()
		var f theirFilter
		for _, b := range before {
			_, err := f.take(b)
			require.NoError(t, err)
		}
		_, err := f.take(frame)
		require.Error(t, err)
	}
	for i, frame := range frames {
		for cut := range len(frame) {
			bad(frame[:cut], frames[:i]...)
		}
		bad(append(slices.Clone(frame), 0), frames[:i]...)
		bad(append([]byte{frame[0], 0x80}, frame[2:]...), frames[:i]...)
	}
	bad(frames[1])
	bad(frames[2])
	bad(frames[2], frames[0])
	small := filterHead{seq: 1, flags: filterSnapshot | filterFirst | filterLast, epoch: 1, log: minFilterBits - 1}
	bad(appendBits(small.append(nil), nil))
	large := filterHead{seq: 1, flags: filterSnapshot | filterFirst | filterLast, epoch: 1, log: maxFilterBits + 1}
	bad(appendBits(large.append(nil), nil))
	over := filterHead{seq: 4, epoch: 2}
	bad(appendBits(appendBits(over.append(nil), []uint32{65536}), nil), frames[0], frames[1])
	bad(binary.AppendUvarint(over.append(nil), 1<<40), frames[0], frames[1])
	another := filterHead{seq: 4, epoch: 3}
	bad(appendBits(appendBits(another.append(nil), nil), nil), frames[0], frames[1])
}

func FuzzFilterFrames(f *testing.F) {
	for _, frame := range filterFrames() {
		f.Add(frame, frame)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var their theirFilter
		_, _ = their.take(filterFrames()[0])
		_, _ = their.take(filterFrames()[1])
		_, _ = their.take(one)
		_, _ = their.take(two)
		their.has(1 << 63)
	})
}

func BenchmarkFilterAnnounce(b *testing.B) {
	f := newOwnFilter(testKeys(b), false)
	names := make([]Name, b.N)
	for i := range names {
		names[i] = group(fmt.Sprint("group ", i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range names {
		f.announce(names[i:i+1], nobodyWaits)
	}
}

// BenchmarkFilterAsk asks the filters of sixteen peers.
func BenchmarkFilterAsk(b *testing.B) {
	for _, count := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(count, "names"), func(b *testing.B) {
			f := newOwnFilter(testKeys(b), false)
			for i := range count {
				f.announce([]Name{group(fmt.Sprint("group ", i))}, nobodyWaits)
			}
			var peers []*filterEar
			for range 16 {
				e := hear(b, f)
				e.takeAll()
				peers = append(peers, e)
			}
			i := 0
			for b.Loop() {
				i++
				hash := f.keys.hash(NameGroup, "chat", "group 17") + uint64(i)*0x9e3779b97f4a7c15
				for _, p := range peers {
					p.has(hash)
				}
			}
		})
	}
}
