package clustertest

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster"
)

// ears are one node's on a carrier.
type ears struct {
	self    cluster.Inc
	carrier cluster.Carrier
	close   func()

	mu      sync.Mutex
	changed chan struct{}
	heard   map[cluster.Inc][][]byte
	// inside is whether receive is being called with a packet of a node.
	inside map[cluster.Inc]bool
	twice  bool
}

func listen(t *testing.T, c cluster.Carrier, tag string) *ears {
	e := &ears{self: cluster.NewInc(tag), carrier: c, changed: make(chan struct{}), heard: make(map[cluster.Inc][][]byte), inside: make(map[cluster.Inc]bool)}
	closing, err := c.Open(e.self, e.receive)
	require.NoError(t, err)
	e.close = sync.OnceFunc(closing)
	t.Cleanup(e.close)
	return e
}

func (e *ears) receive(from cluster.Inc, packet []byte) {
	e.mu.Lock()
	e.twice = e.twice || e.inside[from]
	e.inside[from] = true
	e.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inside[from] = false
	e.heard[from] = append(e.heard[from], packet)
	close(e.changed)
	e.changed = make(chan struct{})
}

// of returns what came from a node.
func (e *ears) of(from cluster.Inc) [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[from]
}

// until waits until what came from a node is as wanted. Meanwhile it calls again, if it is set, once
// a millisecond.
func (e *ears) until(t *testing.T, from cluster.Inc, again func(), wanted func([][]byte) bool) [][]byte {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		e.mu.Lock()
		heard, changed := e.heard[from], e.changed
		e.mu.Unlock()
		if wanted(heard) {
			return heard
		}
		var repeat <-chan time.Time
		if again != nil {
			again()
			repeat = time.After(time.Millisecond)
		}
		select {
		case <-changed:
		case <-repeat:
		case <-deadline:
			t.Fatalf("only %d packets came", len(heard))
		}
	}
}

// want waits until so many packets have come from a node.
func (e *ears) want(t *testing.T, from cluster.Inc, n int) [][]byte {
	t.Helper()
	return e.until(t, from, nil, func(heard [][]byte) bool { return len(heard) >= n })
}

// meet sends until the other one hears: a carrier may need a moment for that. All of it has come
// when it returns.
func meet(t *testing.T, a, b *ears) {
	t.Helper()
	b.until(t, a.self, func() { require.NoError(t, a.carrier.Send(b.self, []byte("hello"))) }, func(heard [][]byte) bool { return len(heard) > 0 })
	settle(t, a, b)
}

// settle waits until all that was sent has come, and forgets it.
func settle(t *testing.T, a, b *ears) {
	t.Helper()
	require.NoError(t, a.carrier.Send(b.self, []byte("settled")))
	b.until(t, a.self, nil, func(heard [][]byte) bool { return len(heard) > 0 && string(heard[len(heard)-1]) == "settled" })
	a.forget()
	b.forget()
}

func (e *ears) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.heard)
}

// TestCarrier checks what every Carrier promises. Carriers returns carriers of one network, one for
// each of so many nodes.
func TestCarrier(t *testing.T, carriers func(t *testing.T, n int) []cluster.Carrier) {
	list := carriers(t, 3)
	a, b, c := listen(t, list[0], "a"), listen(t, list[1], "b"), listen(t, list[2], "c")
	for _, pair := range [][2]*ears{{a, b}, {b, a}, {a, c}, {c, a}, {b, c}, {c, b}} {
		meet(t, pair[0], pair[1])
	}
	t.Run("packets come whole, in order, one at a time, and to nobody else", func(t *testing.T) {
		require.GreaterOrEqual(t, a.carrier.Limit(), 4<<10)
		const count = 5000
		var senders sync.WaitGroup
		for _, from := range []*ears{a, c} {
			senders.Go(func() {
				buf := make([]byte, a.carrier.Limit())
				for i := range count {
					size := 8 + i%1000
					if i%1000 == 0 {
						size = min(len(buf), 64<<10)
					}
					binary.BigEndian.PutUint64(buf, uint64(i))
					_ = from.carrier.Send(b.self, buf[:size]) // lost if it fails, which is seen below
				}
			})
		}
		senders.Wait()
		for _, from := range []*ears{a, c} {
			for i, packet := range b.want(t, from.self, count) {
				require.EqualValues(t, i, binary.BigEndian.Uint64(packet))
				require.Equal(t, i%1000 != 0, len(packet) == 8+i%1000, "%d bytes", len(packet))
			}
		}
		require.Empty(t, c.of(a.self))
		require.False(t, b.twice)
		settle(t, a, b)
	})
	t.Run("what is for everybody comes to all others", func(t *testing.T) {
		require.NoError(t, a.carrier.Send(cluster.Inc{}, []byte("everybody")))
		require.Equal(t, "everybody", string(b.want(t, a.self, 1)[0]))
		require.Equal(t, "everybody", string(c.want(t, a.self, 1)[0]))
		require.Empty(t, a.of(a.self))
		settle(t, a, b)
		c.forget()
	})
	t.Run("nothing comes after the end, and nothing is carried for nobody", func(t *testing.T) {
		c.close()
		require.NoError(t, a.carrier.Send(c.self, []byte("too late")))
		settle(t, a, b)
		require.Empty(t, c.of(a.self))
	})
}
