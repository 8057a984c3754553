package servermode_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// wanderer is a client with stateful reconnect that goes from node to node.
type wanderer struct {
	t  *testing.T
	ns *nodes
	*gatewaytest.Client
	at, id string
	// got are the records of hub servers that it has, by number, and next is the number of the next one on
	// the present transport, of which so many were read.
	got  []string
	next uint64
	read int
	said []string
}

// wander connects such a client to a node.
func (ns *nodes) wander(t *testing.T, at string) *wanderer {
	t.Helper()
	w := &wanderer{t: t, ns: ns, at: at, next: 1}
	w.Client = ns.list[at].client(gatewaytest.Options{Numbers: true, User: "u"})
	w.id = idOf(w.Client)
	w.say(`{"type":6}` + "\x1e")
	time.Sleep(10 * time.Millisecond)
	return w
}

// say says a record, which counts.
func (w *wanderer) say(record string) {
	if record != `{"type":6}`+"\x1e" {
		w.said = append(w.said, record)
	}
	_ = w.Feed([]byte(record)) // it is said again
}

// goes has the client come to another node. It returns why it was not taken over.
func (w *wanderer) goes(to string) error {
	w.t.Helper()
	c, err := w.ns.list[to].gw.TakeOver(w.t.Context(), gateway.Taking{ID: w.id, Owner: w.at, Transport: w.Client})
	if err == nil {
		w.at = to
		w.returns(c)
	}
	return err
}

// returns has the client come back to a node that has its connection.
func (w *wanderer) returns(c *gateway.Conn) {
	w.t.Helper()
	w.reads()
	next, err := w.ReturnTo(c, gatewaytest.Options{})
	if err != nil {
		return // it has just ended, or another node takes it
	}
	w.reads()
	w.Leave()
	w.Client, w.read, w.next = next, 0, 0
	_ = w.SaySequence(1)
	for _, record := range w.said {
		_ = w.Feed([]byte(record))
	}
}

// reads reads what has come.
func (w *wanderer) reads() {
	w.t.Helper()
	records := w.Records()
	for _, r := range records[w.read:] {
		p, err := hubprotocol.Parse(hubprotocol.JSON, []byte(r))
		switch {
		case err != nil: // the answer to the handshake
		case p.Type == hubprotocol.Sequence:
			w.next = p.SequenceID
		case p.Type == hubprotocol.Invocation, p.Type == hubprotocol.Completion:
			require.LessOrEqual(w.t, w.next, uint64(len(w.got)+1), "a record is missing before %s", r)
			if w.next == uint64(len(w.got)+1) && w.next > 0 {
				w.got = append(w.got, r)
			}
			w.next++
		}
	}
	w.read = len(records)
}

// numbered are the numbers that a sender has given its messages, in the order in which they have come.
func (w *wanderer) numbered(sender string) (numbers []int) {
	for _, r := range w.got {
		if _, after, ok := strings.Cut(r, `"target":"`+sender+`:`); ok {
			var n int
			_, _ = fmt.Sscan(strings.SplitN(after, `"`, 2)[0], &n)
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// wantAll wants the first messages of a sender, each once and in order.
func (w *wanderer) wantAll(sender string, n int) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Log(w.at, w.Conn.CloseRequested(), w.Conn.IsAway(), w.Records())
			for tag, node := range w.ns.list {
				w.t.Log(tag, node.log)
			}
		}
	}()
	w.reads()
	want := make([]int, n)
	for i := range want {
		want[i] = i + 1
	}
	require.Equal(w.t, want, w.numbered(sender))
}

// heard is all that has come of a client, joined.
func (s *hubServer) heard(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, m := range s.got {
		if d, ok := m.(*sp.ConnectionData); ok && d.ConnectionID == id {
			b.Write(d.Payload)
		}
	}
	return b.String()
}

// talker is a hub server that says numbered messages to a client until it is stopped: to the client alone,
// in halves of records too, to all, to a group and to its user.
type talker struct {
	*hubServer
	id   string
	said int
	stop chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

func (s *hubServer) talks(tt *testing.T, id string, pause time.Duration) *talker {
	t := &talker{hubServer: s, id: id, stop: make(chan struct{})}
	tt.Cleanup(func() {
		if tt.Failed() {
			t.end()
		}
	})
	t.wg.Go(func() {
		for {
			select {
			case <-t.stop:
				return
			case <-time.After(pause):
				t.one()
			}
		}
	})
	return t
}

func (t *talker) one() {
	t.said++
	record := invocation(fmt.Sprint("n:", t.said))
	switch t.said % 6 {
	case 0:
		t.send(&sp.BroadcastData{Payloads: payload(strings.TrimSuffix(record, "\x1e"))})
	case 1:
		t.data(t.id, record[:7])
		t.data(t.id, record[7:])
	case 2:
		t.send(&sp.GroupBroadcastData{Group: "g", Payloads: payload(strings.TrimSuffix(record, "\x1e"))})
	case 3:
		t.send(&sp.UserData{User: "u", Payloads: payload(strings.TrimSuffix(record, "\x1e"))})
	default:
		t.data(t.id, record)
	}
}

func (t *talker) ends() int {
	t.end()
	return t.said
}

func (t *talker) end() {
	t.once.Do(func() { close(t.stop) })
	t.wg.Wait()
}
