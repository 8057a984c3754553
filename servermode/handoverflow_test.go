package servermode_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gatewaytest"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// N43: a client whose reader waits goes to another node all the same, and loses nothing of what it says: one whose hub
// server's connection is full (Stop), until the hub server reads again (Go), and one that has used up its credit, until
// the word comes that it has more. Either comes before, in the middle of or after the hand-over.
func TestN43N20AClientThatMustNotSendIsHandedOver(t *testing.T) {
	for _, full := range []bool{false, true} {
		for _, server := range []string{"a", "b", "c"} {
			for _, after := range []time.Duration{0, 2 * time.Millisecond, 4 * time.Millisecond, 7 * time.Millisecond, 2 * time.Second} {
				if !full && server == "a" {
					continue // a hub server of its own node gives no credit
				}
				t.Run(fmt.Sprintf("a hub server at %s, stopped: %v, until after %v", server, full, after), func(t *testing.T) {
					inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) { waitsAndGoes(t, ns, server, full, after) })
				})
			}
		}
	}
}

func waitsAndGoes(t *testing.T, ns *nodes, server string, full bool, after time.Duration) {
	for _, n := range ns.list {
		n.limits.QueueBytes = 256 << 10
	}
	s := ns.list[server].server(dial{})
	time.Sleep(time.Second)
	w := ns.wander(t, "a")
	reads := func() {}
	if full {
		block := make(chan struct{})
		reads = sync.OnceFunc(func() { close(block) })
		s.setOn(func(sp.Message) { <-block })
		ns.fills()
	} else {
		ns.net.Set(server, "a", func(f *clustertest.Fault) { f.Held = true })
	}
	defer reads()
	for i := range 20 {
		w.said = append(w.said, longRecord(i))
	}
	stuck := feeds(w.Client, w.said)
	time.Sleep(time.Second)
	require.Empty(t, stuck, "its reader waits")
	if full {
		ns.net.Set("", "", func(f *clustertest.Fault) { f.Delay = time.Millisecond })
	}
	time.AfterFunc(after, func() {
		reads()
		ns.net.Heal()
	})
	gone := make(chan error, 1)
	go func() { gone <- w.goes("b") }() // and says all again
	time.Sleep(4 * time.Second)
	require.Len(t, gone, 1)
	require.NoError(t, <-gone)
	w.say(invocation("behind"))
	time.Sleep(4 * time.Second)
	s.setOn(nil)
	require.Equal(t, `{"protocol":"json","version":1}`+"\x1e"+`{"type":6}`+"\x1e"+strings.Join(w.said, ""), s.heard(w.id))
	s.data(w.id, invocation("n:1"))
	time.Sleep(50 * time.Millisecond)
	w.wantAll("n", 1)
	require.Len(t, stuck, 1, "nobody reads from the former transport")
}

// longRecord is a record of 10 KiB.
func longRecord(i int) string {
	return fmt.Sprintf(`{"type":1,"target":"up:%d","arguments":["%s"]}`+"\x1e", i, strings.Repeat("x", 10<<10))
}

// feeds says records in the background until all are taken or the transport is not the present one any more.
func feeds(c *gatewaytest.Client, records []string) chan struct{} {
	done := make(chan struct{}, 1)
	go func() {
		for _, record := range records {
			if c.Feed([]byte(record)) != nil {
				break
			}
		}
		done <- struct{}{}
	}()
	return done
}

// fills has other clients say so much that the only hub server takes nothing any more.
func (ns *nodes) fills() {
	for i := range 60 {
		n := ns.list[[]string{"a", "b", "c"}[i%3]]
		feeds(n.client(gatewaytest.Options{User: fmt.Sprint("other", i)}), []string{longRecord(0), longRecord(1)})
	}
}
