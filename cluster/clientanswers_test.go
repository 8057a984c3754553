package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/cluster/clustertest"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/filter"
)

// question is an invocation of a client that waits for its answer.
type question struct {
	t    *testing.T
	done chan error
	body string
}

// invoke has a node invoke a client of any node.
func (n *node) invoke(ctx context.Context, connection, target string) *question {
	q := &question{t: n.nodes.t, done: make(chan error, 1)}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, time.Minute) // rather than for ever
		defer cancel()
		answer, err := n.Invoke(ctx, gateway.Command{Hub: "chat", Target: conns(connection)}, func(id string) (*hubprotocol.Frames, error) {
			return hubprotocol.NewQuestion(hubprotocol.JSON, id, target, nil)
		})
		q.body = string(answer.Frame)
		q.done <- err
	}()
	return q
}

func (q *question) want(body string) {
	q.t.Helper()
	require.NoError(q.t, <-q.done)
	require.Contains(q.t, q.body, body)
}

func (q *question) wantNone(reason gateway.NoAnswerReason) {
	q.t.Helper()
	var none *gateway.NoAnswer
	require.ErrorAs(q.t, <-q.done, &none)
	require.Equal(q.t, reason, none.Reason)
}

var questionID = regexp.MustCompile(`"invocationId":"(hubgate:[^"]+)","target":"([^"]+)"`)

// questionOf returns the id under which the client has to answer a target.
func questionOf(t *testing.T, c *gatewaytest.Client, target string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.Want(ctx, `"target":"`+target+`"`)
	for _, m := range questionID.FindAllStringSubmatch(strings.Join(c.Got(), ""), -1) {
		if m[2] == target {
			return m[1]
		}
	}
	require.Fail(t, "no such question", target)
	return ""
}

func answered(t *testing.T, c *gatewaytest.Client, id, result string) {
	t.Helper()
	require.NoError(t, c.Feed([]byte(`{"type":3,"invocationId":"`+id+`","result":`+result+"}\x1e")))
}

func TestR42InvokeOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b, c := ns.list[0], ns.list[1], ns.list[2]
		ann := b.connect("b1", "ann")
		for _, from := range ns.list {
			q := from.invoke(t.Context(), "b1", "to"+from.tag)
			answered(t, ann, questionOf(t, ann, "to"+from.tag), `"`+from.tag+`"`)
			q.want(`"result":"` + from.tag + `"`)
		}
		large := strings.Repeat("x", 4<<20)
		q := a.invoke(t.Context(), "b1", "large")
		answered(t, ann, questionOf(t, ann, "large"), `"`+large+`"`)
		q.want(large)
		var all []*question
		for i := range 60 {
			all = append(all, ns.list[i%3].invoke(t.Context(), "b1", fmt.Sprint("many", i)))
		}
		for i := range all {
			answered(t, ann, questionOf(t, ann, fmt.Sprint("many", i)), fmt.Sprint(i))
		}
		for i, q := range all {
			q.want(fmt.Sprintf(`"result":%d}`, i))
		}
		a.invoke(t.Context(), "nobody", "m").wantNone(gateway.NoConnection)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q = c.invoke(ctx, "b1", "late")
		id := questionOf(t, ann, "late")
		require.ErrorIs(t, <-q.done, context.DeadlineExceeded)
		ns.atRest()
		answered(t, ann, id, "1") // is passed over
		q = a.invoke(t.Context(), "b1", "goes")
		questionOf(t, ann, "goes")
		ann.Leave()
		q.wantNone(gateway.ConnectionEnded)
	})
}

func TestR42TheClientsNodeIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a, b := ns.list[0], ns.list[1]
		ann := b.connect("b1", "ann")
		q := a.invoke(t.Context(), "b1", "m")
		questionOf(t, ann, "m")
		ns.atRest()
		ns.net.Set("b", "", func(f *clustertest.Fault) { f.Cut = true })
		ns.net.Set("", "b", func(f *clustertest.Fault) { f.Cut = true })
		q.wantNone(gateway.ConnectionLost)
		ns.net.Heal()
		ns.meet()
		ann.Leave()
	})
}

// A client that is handed over to another node answers there.
func TestR42AClientAnswersAtAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 3)
		a, b, c := ns.list[0], ns.list[1], ns.list[2]
		ann := gatewaytest.Connect(t, b.Gateway, gatewaytest.Options{ID: "b1", Hub: "chat", Numbers: true})
		ann.Want(t.Context(), "{}") // all nodes know it
		require.NoError(t, ann.SayPing())
		fromA, fromB, fromC := a.invoke(t.Context(), "b1", "m1"), b.invoke(t.Context(), "b1", "m2"), c.invoke(t.Context(), "b1", "m3")
		ids := []string{questionOf(t, ann, "m1"), questionOf(t, ann, "m2"), questionOf(t, ann, "m3")}
		ann.Leave()
		conn, err := c.TakeOver(t.Context(), gateway.Taking{ID: "b1", Owner: "b", Transport: ann})
		require.NoError(t, err)
		next, err := ann.ReturnTo(conn, gatewaytest.Options{ID: "b1", Hub: "chat"})
		require.NoError(t, err)
		require.NoError(t, next.SaySequence(1))
		ns.atRest()
		for i, id := range ids {
			answered(t, next, id, fmt.Sprint(i))
		}
		fromA.want(`"result":0`)
		fromB.want(`"result":1`)
		fromC.want(`"result":2`)
		q := a.invoke(t.Context(), "b1", "m4")
		answered(t, next, questionOf(t, next, "m4"), `"there"`)
		q.want(`"there"`)
		next.Conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
		next.Leave()
	})
}

func TestR41FiltersOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		a, b := ns.list[0], ns.list[1]
		a1, a2, b1, b2 := a.connect("a1", "guest-1"), a.connect("a2", "ann"), b.connect("b1", "guest-2"), b.connect("b2", "")
		guests, err := filter.Parse("startswith(userId,'guest-')")
		require.NoError(t, err)
		to := gateway.Target{Kind: gateway.TargetAll, Filter: guests}
		require.Equal(t, 2, a.do(gateway.Command{Verb: gateway.VerbJoin, Target: to, Group: "g"}))
		text := a.send(to)
		ns.atRest()
		synctest.Wait()
		require.Equal(t, []string{"a1", "b1"}, ns.hasGot(text, a1, a2, b1, b2))
		text = b.send(gateway.Target{Kind: gateway.TargetGroups, IDs: []string{"g"}})
		ns.atRest()
		synctest.Wait()
		require.Equal(t, []string{"a1", "b1"}, ns.hasGot(text, a1, a2, b1, b2))
		members, err := filter.Parse("'g' in groups")
		require.NoError(t, err)
		require.Equal(t, 2, a.do(gateway.Command{Verb: gateway.VerbClose, Target: gateway.Target{Kind: gateway.TargetAll, Filter: members}, Cause: gateway.Cause{Reason: gateway.CloseClosedByAppServer}}))
		b1.WantEnd(t.Context())
		require.Equal(t, 1, b.count(gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"b2"}}))
	})
}

// Those who gave up before they knew which node has the client are not waited for there.
func TestR42ThoseWhoGaveUpEarlyAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := startNodes(t, 2)
		ann := ns.list[1].connect("b1", "ann")
		ns.net.Set("", "", func(f *clustertest.Fault) { f.Delay = 10 * time.Millisecond })
		for _, from := range ns.list {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
			var all []*question
			for range 1100 { // more than may wait for one client
				all = append(all, from.invoke(ctx, "b1", "m"))
			}
			for _, q := range all {
				if err := <-q.done; err != nil && from != ns.list[1] {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
			}
			cancel()
			time.Sleep(time.Second)
			q := from.invoke(t.Context(), "b1", "from"+from.tag)
			answered(t, ann, questionOf(t, ann, "from"+from.tag), "1")
			q.want(`"result":1`)
		}
		ann.Leave()
	})
}

// stuck is a transport that cannot take over what the one before knew.
type stuck struct{ *gatewaytest.Client }

func (stuck) TakeFacts([]byte) error        { return errors.New("no") }
func (stuck) AppendFacts(dst []byte) []byte { return dst }
func (stuck) Proves([]byte) bool            { return true }

// A client is asked while it is handed over, and stays: whoever asks hears its answer.
func TestN43AClientIsAskedDuringAHandOverThatFails(t *testing.T) {
	for _, asker := range []string{"a", "b", "c"} {
		for pause := range 12 {
			t.Run(fmt.Sprint("by ", asker, " after ", 10*pause, " ms"), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ns := startNodes(t, 3)
					a, b := ns.list[0], ns.list[1]
					ann := gatewaytest.Connect(t, b.Gateway, gatewaytest.Options{ID: "b1", Hub: "chat", Numbers: true})
					ann.Want(t.Context(), "{}") // all nodes know it
					require.NoError(t, ann.SayPing())
					ns.net.Set("", "", func(f *clustertest.Fault) { f.Delay = 10 * time.Millisecond })
					var q *question
					go func() {
						time.Sleep(time.Duration(pause) * 10 * time.Millisecond)
						for _, n := range ns.list {
							if n.tag == asker {
								q = n.invoke(t.Context(), "b1", "m")
							}
						}
					}()
					ann.Leave()
					_, err := a.TakeOver(t.Context(), gateway.Taking{ID: "b1", Owner: "b", Transport: stuck{ann}})
					require.ErrorIs(t, err, gateway.ErrStays)
					time.Sleep(time.Second)
					synctest.Wait() // it has asked
					next, err := ann.ReturnTo(ann.Conn, gatewaytest.Options{ID: "b1", Hub: "chat"})
					require.NoError(t, err)
					require.NoError(t, next.SaySequence(1))
					require.Empty(t, q.done)
					answered(t, next, questionOf(t, next, "m"), "1")
					q.want(`"result":1`)
					next.Conn.Close(gateway.Cause{Reason: gateway.CloseNormal})
					next.Leave()
				})
			})
		}
	}
}
