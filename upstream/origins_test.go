package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// One user whose webhooks hang makes only itself wait.
func TestOneUserDoesNotTakeEveryPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		h, network := newMemoryHook(t, func(w http.ResponseWriter, p post) {
			if p.event() == "hang" {
				<-hang
			}
			w.WriteHeader(http.StatusNoContent)
		})
		b := start(t, toAll("http://upstream/"), network.on)
		for i := range 300 {
			evil := newConn(fmt.Sprint("evil", i))
			evil.id.User = "evil"
			receive(t, newSession(b, evil), send("hang"))
		}
		synctest.Wait()
		require.Len(t, h.posts, DefaultMaxPerOrigin/2, "half of the places is one user's share")
		good := newConn("good")
		good.id.User = "good"
		began := time.Now()
		receive(t, newSession(b, good), invoke("1", "say"))
		require.NotContains(t, string(<-good.sent), "error")
		require.Zero(t, time.Since(began))
		close(hang)
	})
}

// place is a party's call: it has its turn when entered is closed.
type place struct {
	entered chan struct{}
	leave   chan struct{}
	cancel  context.CancelFunc
}

func ask(wg *sync.WaitGroup, g *originGates, key gateKey, user string) place {
	ctx, cancel := context.WithCancel(context.Background())
	p := place{make(chan struct{}), make(chan struct{}), cancel}
	wg.Go(func() {
		leave, err := g.enter(ctx, key, party{user: user})
		if err != nil {
			return
		}
		close(p.entered)
		<-p.leave
		leave()
	})
	synctest.Wait()
	return p
}

func (p place) isIn() bool {
	select {
	case <-p.entered:
		return true
	default:
		return false
	}
}

func inside(places []place) (n int) {
	for _, p := range places {
		if p.isIn() {
			n++
		}
	}
	return n
}

func TestSharesOfAnOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g originGates
		var wg sync.WaitGroup
		key := gateKey{"http://h", 12}
		crowd := func(user string, n int) (all []place) {
			for range n {
				all = append(all, ask(&wg, &g, key, user))
			}
			return all
		}
		first := crowd("a", 20)
		require.Equal(t, 6, inside(first), "alone: half")
		second := crowd("b", 20)
		require.Equal(t, 3, inside(second), "half of the rest")
		third, fourth, fifth := crowd("c", 1), crowd("d", 1), crowd("e", 1)
		require.Equal(t, []int{1, 1, 1}, []int{inside(third), inside(fourth), inside(fifth)}, "a first place each")
		sixth := crowd("f", 1)
		require.Zero(t, inside(sixth), "all are taken")
		close(first[0].leave)
		synctest.Wait()
		require.Equal(t, 1, inside(sixth), "who has least comes first")
		second[19].cancel() // waits no more
		first[19].cancel()
		for _, all := range [][]place{first[1:], second, third, fourth, fifth, sixth} {
			for _, p := range all {
				close(p.leave)
			}
		}
		wg.Wait()
		require.Equal(t, 12, g.gates[key].free)
		require.Empty(t, g.gates[key].parties)
		require.Empty(t, g.gates[key].waiting)
	})
}

// One place is still one at a time, for one party and for many.
func TestOnePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g originGates
		var wg sync.WaitGroup
		key := gateKey{"http://h", 1}
		all := []place{ask(&wg, &g, key, "a"), ask(&wg, &g, key, "a"), ask(&wg, &g, key, "b"), ask(&wg, &g, key, "a")}
		for i, next := range []int{0, 1, 2, 3} {
			require.Equal(t, i+1, inside(all))
			require.True(t, all[next].isIn())
			close(all[next].leave)
			synctest.Wait()
		}
		wg.Wait()
	})
}

// Whatever happens: no more callers than places, nobody waits for a place that
// it may have, and nothing is left behind.
func TestOriginGateAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 0))
			var g originGates
			var wg sync.WaitGroup
			key := gateKey{"http://h", 1 + r.IntN(9)}
			var all []place
			check := func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				gate := g.gates[key]
				held := 0
				for _, one := range gate.parties {
					held += one.held
					require.False(t, len(one.line) > 0 && gate.admits(one), "seed %d", seed)
				}
				require.Equal(t, key.bound, gate.free+held, "seed %d", seed)
				require.GreaterOrEqual(t, gate.free, 0)
			}
			for range 60 {
				if i := r.IntN(2 * (len(all) + 1)); i < len(all) {
					if r.IntN(3) == 0 {
						all[i].cancel()
					} else {
						close(all[i].leave)
						all = append(all[:i], all[i+1:]...)
					}
					synctest.Wait()
				} else {
					all = append(all, ask(&wg, &g, key, string(rune('a'+r.IntN(4)))))
				}
				check()
			}
			for _, p := range all {
				close(p.leave)
			}
			wg.Wait()
			require.Empty(t, g.gates[key].parties)
			require.Empty(t, g.gates[key].waiting)
		}
	})
}

func TestPartyOf(t *testing.T) {
	user := partyOf(&gateway.Identity{ID: "1", Hub: "h", User: "u"})
	require.Equal(t, user, partyOf(&gateway.Identity{ID: "2", Hub: "h", User: "u"}))
	require.NotEqual(t, user, partyOf(&gateway.Identity{ID: "1", Hub: "h2", User: "u"}))
	require.NotEqual(t, partyOf(&gateway.Identity{ID: "1"}), partyOf(&gateway.Identity{ID: "2"}))
	require.NotEqual(t, partyOf(&gateway.Identity{ID: "u"}), partyOf(&gateway.Identity{ID: "2", User: "u"}))
}
