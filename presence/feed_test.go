package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/presence"
)

// reader is one who follows changes.
type reader struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	status int
	text   strings.Builder
	header http.Header
	// stuck, if it is not nil, takes nothing until it is closed.
	stuck chan struct{}
}

func (r *reader) Header() http.Header { return r.header }
func (r *reader) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}
func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	stuck := r.stuck
	r.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}
func (r *reader) FlushError() error { return nil }

// follow follows the changes of the hub chat.
func (n *node) follow(lastID string) *reader {
	const path = "/hubgate/v1/hubs/chat/events"
	token, err := auth.SignREST(key, "http://localhost"+path, time.Hour)
	require.NoError(n.t, err)
	ctx, cancel := context.WithCancel(n.t.Context())
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	r := &reader{t: n.t, cancel: cancel, done: make(chan struct{}), header: make(http.Header)}
	go func() {
		defer close(r.done)
		n.ServeHTTP(r, req)
	}()
	n.t.Cleanup(r.leave)
	synctest.Wait()
	return r
}

func (r *reader) leave() {
	r.cancel()
	<-r.done
}

// got returns the events since the last call as "name id" lines, with the reason behind it, and the id of the last one.
func (r *reader) got() (lines []string, lastID string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	for block := range strings.SplitSeq(strings.TrimSuffix(r.text.String(), "\n\n"), "\n\n") {
		if block == ":" || block == "" {
			continue
		}
		var name string
		var data struct{ ConnectionID, UserID, Node, Reason string }
		for line := range strings.SplitSeq(block, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "event":
				name = value
			case "id":
				lastID = value
			case "data":
				require.NoError(r.t, json.Unmarshal([]byte(value), &data))
			}
		}
		lines = append(lines, strings.Join(strings.Fields(name+" "+data.ConnectionID+" "+data.Reason), " "))
	}
	r.text.Reset()
	return lines, lastID
}

func (r *reader) want(lines ...string) (lastID string) {
	r.t.Helper()
	got, lastID := r.got()
	require.Equal(r.t, lines, got)
	return lastID
}

func (n *node) close(id string) {
	c, _ := n.Lookup(id)
	require.NotNil(n.t, c)
	c.Ended(gateway.Cause{Reason: gateway.CloseNormal})
	synctest.Wait()
}

func TestFeedTellsOfAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		nodes[1].connect("before", "ann")
		r := nodes[0].follow("")
		r.want("ready")
		for i, n := range nodes {
			n.connect(fmt.Sprint("c", i), "ann")
			synctest.Wait()
		}
		gatewaytest.Connect(t, nodes[0].Gateway, gatewaytest.Options{ID: "elsewhere", Hub: "news"})
		id := r.want("connected c0", "connected c1", "connected c2")
		nodes[1].close("before")
		nodes[2].close("c2")
		second := nodes[0].follow("")
		r.want("disconnected before Normal", "disconnected c2 Normal")
		second.want("ready")
		r.leave()

		nodes[2].connect("while", "ann")
		again := nodes[0].follow(id)
		id = again.want("disconnected before Normal", "disconnected c2 Normal", "connected while")
		again.leave()
		for at, strange := range map[*node]string{nodes[0]: id[:strings.LastIndexByte(id, '.')] + ".77", nodes[1]: id, nodes[2]: "nonsense"} {
			r := at.follow(strange)
			r.want("reset")
			r.leave()
		}
		second.leave()

		time.Sleep(2 * time.Minute) // nobody reads, and it is forgotten
		nodes[0].connect("unseen", "")
		nodes[0].follow(id).want("reset")
	})
}

// What a node that died had is told as gone, once each, within the cluster's promise of 25 seconds; five of
// them have passed when the others know.
func TestFeedOfANodeThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := startNodes(t, 3)
		for i := range 3 {
			nodes[2].connect(fmt.Sprint("c", i), "")
		}
		r := nodes[0].follow("")
		r.want("ready")
		nodes[2].plug.gone()
		time.Sleep(15 * time.Second)
		r.want()
		time.Sleep(5 * time.Second)
		got, _ := r.got()
		require.ElementsMatch(t, []string{"disconnected c0 NodeLost", "disconnected c1 NodeLost", "disconnected c2 NodeLost"}, got)
		time.Sleep(time.Minute)
		r.want()
	})
}

// A node that cannot be reached for less than that, or takes nothing for a while, says who is there when it can.
func TestFeedCatchesUp(t *testing.T) {
	for name, cut := range map[string]func(from, to *node) (heal func()){
		"cut off": func(from, to *node) func() {
			from.plug.handler.PeerGone(from.plug.peers[to.plug])
			to.plug.handler.PeerGone(to.plug.peers[from.plug])
			return func() {
				from.plug.handler.PeerUp(from.plug.peers[to.plug])
				to.plug.handler.PeerUp(to.plug.peers[from.plug])
			}
		},
		"full": func(from, to *node) func() {
			from.plug.peers[to.plug].full.Store(true)
			return func() {
				from.plug.peers[to.plug].full.Store(false)
				from.plug.handler.PeerRoom(from.plug.peers[to.plug])
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := startNodes(t, 2)
				nodes[1].connect("stays", "")
				nodes[1].connect("goes", "")
				r := nodes[0].follow("")
				r.want("ready")
				heal := cut(nodes[1], nodes[0])
				nodes[1].close("goes")
				nodes[1].connect("comes", "")
				nodes[1].connect("unseen", "")
				nodes[1].close("unseen")
				time.Sleep(10 * time.Second)
				r.want()
				heal()
				r.want("connected comes", "disconnected goes Normal")
				nodes[1].close("comes")
				r.want("disconnected comes Normal")
				time.Sleep(time.Minute)
				r.want()
			})
		})
	}
}

// A reader that is slower than what happens is told so and loses its place; nobody waits for it.
func TestFeedDoesNotWaitForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNodes(t, 1)[0]
		slow, quick := n.follow(""), n.follow("")
		slow.want("ready")
		quick.want("ready")
		stuck := make(chan struct{})
		slow.mu.Lock()
		slow.stuck = stuck
		slow.mu.Unlock()
		n.connect("first", "")
		synctest.Wait()
		for i := range 3000 {
			id := fmt.Sprint("c", i)
			n.connect(id, "")
			n.close(id)
			if i%500 == 0 {
				quick.got()
			}
		}
		require.NotContains(t, quick.text.String(), "TooSlow")
		close(stuck)
		<-slow.done
		got, _ := slow.got()
		require.Equal(t, []string{"connected first", "end TooSlow"}, got)
	})
}

// Who follows is asked again, and let go when a token has expired or the operator changes the mind.
func TestFeedEndsForThoseWhoMayNotFollow(t *testing.T) {
	for name, forbid := range map[string]func(s *set){
		"the token has expired": func(*set) { time.Sleep(2 * time.Hour) },
		"no access":             func(s *set) { s.access.Store(presence.AccessOff) },
		"no right":              func(s *set) { s.access.Store(presence.AccessClaim) },
		"no events":             func(s *set) { s.events.Store(false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startNodes(t, 1, presence.AccessKey)[0]
				r := n.follow("")
				r.want("ready")
				time.Sleep(time.Minute)
				r.want()
				forbid(n.set)
				time.Sleep(time.Minute)
				r.want("end NotAllowed")
				<-r.done
			})
		})
	}
}

func TestFeedIsOffUnlessAsked(t *testing.T) {
	n := startNodes(t, 1)[0]
	w := n.ask("/hubgate/v1/hubs/chat/connections/events", nil, false)
	status, code := failed(t, w)
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "UnknownRoute", code)
}

// Whatever happens to clients and links, who follows from the start and applies all events knows who is
// there at the end, and no connection comes twice or goes before it has come.
func TestFeedIsRightInTheEnd(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			nodes := startNodes(t, 3)
			r := nodes[0].follow("")
			r.want("ready")
			there, next := make(map[string]*node), 0
			heal := make(map[*node]func())
			for range 60 {
				n := nodes[random.IntN(3)]
				switch random.IntN(6) {
				case 0, 1, 2:
					id := fmt.Sprint("c", next)
					next++
					n.connect(id, "")
					there[id] = n
				case 3:
					for id, at := range there {
						at.close(id)
						delete(there, id)
						break
					}
				case 4:
					if n != nodes[0] && heal[n] == nil {
						p := n.plug.peers[nodes[0].plug]
						p.full.Store(true)
						heal[n] = func() {
							p.full.Store(false)
							n.plug.handler.PeerRoom(p)
						}
					}
				case 5:
					if h := heal[n]; h != nil {
						h()
						delete(heal, n)
					}
				}
				if random.IntN(3) == 0 {
					synctest.Wait()
				}
			}
			for _, h := range heal {
				h()
			}
			got, _ := r.got()
			seen := make(map[string]string)
			for _, line := range got {
				what, id, _ := strings.Cut(line, " ")
				id, _, _ = strings.Cut(id, " ")
				want := map[string]string{"connected": "", "disconnected": "connected"}[what]
				require.Equal(t, want, seen[id], "%s, after %v", line, got)
				seen[id] = what
			}
			var open []string
			for id, what := range seen {
				if what == "connected" {
					open = append(open, id)
				}
			}
			var want []string
			for id := range there {
				want = append(want, id)
			}
			slices.Sort(open)
			slices.Sort(want)
			require.Equal(t, want, open, "seed %d", seed)
		})
	}
}
