package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
)

// numbered connects a client with stateful reconnect that has said its first word.
func (n *node) numbered(id string, o gatewaytest.Options) *gatewaytest.Client {
	n.t.Helper()
	c := n.silent(id, o)
	require.NoError(n.t, c.SayPing())
	synctest.Wait()
	return c
}

// silent is numbered for a client that has said nothing yet.
func (n *node) silent(id string, o gatewaytest.Options) *gatewaytest.Client {
	o.ID, o.Hub, o.Numbers = id, "chat", true
	c := gatewaytest.Connect(n.t, n.Gateway, o)
	synctest.Wait()
	return c
}

// redial lets a numbered client come back, whose first record has the number.
func (n *node) redial(c *gatewaytest.Client, o gatewaytest.Options, number uint64) *gatewaytest.Client {
	n.t.Helper()
	next, err := c.ReturnNumbered(o)
	require.NoError(n.t, err)
	require.NoError(n.t, next.SaySequence(number))
	synctest.Wait()
	return next
}

// texts sends messages to all, each after the one before has arrived where it can.
func (n *node) texts(texts ...string) {
	n.t.Helper()
	for _, text := range texts {
		n.send(text, all())
		synctest.Wait()
	}
}

func call(text string) []byte {
	return fmt.Appendf(nil, `{"type":1,"target":%q,"arguments":[]}`+"\x1e", text)
}

// heard are what a client got, with the texts of messages in short.
func heard(c *gatewaytest.Client) (short []string) {
	for _, r := range c.Records() {
		if m, err := hubprotocol.Parse(hubprotocol.JSON, []byte(r)); err == nil {
			switch m.Type {
			case hubprotocol.Invocation:
				r = m.Target
			case hubprotocol.Ack, hubprotocol.Sequence:
				r = fmt.Sprint(m.Type, " ", m.SequenceID)
			}
		}
		short = append(short, r)
	}
	return short
}

// numberedKinds are the transports that such a client may have.
var numberedKinds = map[string]gatewaytest.Options{
	"a socket that workers write to": {Raw: true},
	"a socket with a pump":           {},
}

func eachNumberedKind(t *testing.T, test func(t *testing.T, before, next gatewaytest.Options)) {
	for from, before := range numberedKinds {
		for to, next := range numberedKinds {
			bubble(t, from+", then "+to, func(t *testing.T) { test(t, before, next) })
		}
	}
}

func TestC92RecordsOfTheClientAreAcknowledged(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		require.NoError(t, c.Feed(slices.Concat(call("a"), call("b"))))
		require.NoError(t, c.SayPing())
		synctest.Wait()
		require.Equal(t, []string{"{}"}, heard(c), "not at once: acknowledgements are few")
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, []string{"{}", "ack 2"}, heard(c))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"{}", "ack 2"}, heard(c), "and once")
		require.NoError(t, c.Feed(call(strings.Repeat("x", 40<<10))))
		synctest.Wait()
		require.Equal(t, []string{"{}", "ack 2", "ack 3"}, heard(c), "a client that sends much may wait for it")
		n.balanced()
	})
}

func TestC93AClientWithNumbersComesBack(t *testing.T) {
	eachNumberedKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := start(t, nil)
		c := n.numbered("1", before)
		n.texts("a", "b", "c")
		require.NoError(t, c.SayAck(1))
		require.NoError(t, c.Feed(call("A")))
		c.Leave()
		synctest.Wait()
		require.True(t, c.Conn.IsAway())
		n.texts("d", "e")
		n.balanced()

		c = n.redial(c, next, 1)
		require.NoError(t, c.Feed(slices.Concat(call("A"), call("B"))))
		require.False(t, c.Conn.IsAway())
		n.texts("f")
		require.Equal(t, []string{"sequence 2", "b", "c", "d", "e", "ack 1", "f"}, heard(c), "C93 C94")
		require.Equal(t, []string{"opened 1", "record 1 A", "record 1 B"}, n.backend.Events(), "the application notices nothing")
		time.Sleep(1100 * time.Millisecond)
		require.Equal(t, "ack 2", heard(c)[7])
		n.balanced()
		books := n.Stats().Hubs[0].Books
		require.Equal(t, uint64(6), books.Written, "what is given again is no second delivery")
		require.Zero(t, books.Queued)
	})
}

func TestC93AClientWithNumbersComesBackAgainAndAgain(t *testing.T) {
	eachNumberedKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := start(t, nil)
		c := n.numbered("1", before)
		n.texts("a", "b")
		for i, o := range []gatewaytest.Options{next, before, next} {
			o.Stalled = i > 0
			c = n.redial(c, o, 1)
			n.texts("more")
		}
		c = n.redial(c, before, 1)
		require.Equal(t, []string{"sequence 1", "a", "b", "more", "more", "more"}, heard(c))
		require.NoError(t, c.SayAck(5))
		c = n.redial(c, next, 1)
		require.Equal(t, []string{"sequence 6"}, heard(c), "C94 the next number, since nothing is kept")
		n.balanced()
	})
}

func TestC93AClientMayComeBackBeforeItsFirstWord(t *testing.T) {
	eachNumberedKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := start(t, nil)
		c := n.silent("1", before)
		n.texts("a")
		c.Leave()
		synctest.Wait()
		require.True(t, c.Conn.IsAway())
		c = n.redial(c, next, 1)
		n.texts("b")
		require.Equal(t, []string{"sequence 1", "a", "b"}, heard(c))
		n.balanced()
	})
	bubble(t, "or another one while the first is there", func(t *testing.T) {
		n := start(t, nil)
		first := n.silent("1", gatewaytest.Options{})
		n.texts("a")
		c := n.redial(first, gatewaytest.Options{}, 1)
		n.texts("b")
		require.Equal(t, []string{"{}"}, heard(first))
		require.Equal(t, []string{"sequence 1", "a", "b"}, heard(c))
		n.balanced()
	})
}

func TestC94WhatWasQueuedIsNotGivenTwice(t *testing.T) {
	bubble(t, "in a pump", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		n.texts("a")
		c.Hold() // what is sent next stays between Take and Wrote
		n.texts("b", "c")
		require.True(t, c.Inside())
		require.NoError(t, c.SayAck(2), "the client has read what the gateway does not know to be written")
		next := n.redial(c, gatewaytest.Options{}, 1)
		require.Equal(t, []string{"sequence 3", "c"}, heard(next))
		c.Release()
		n.texts("d")
		require.Equal(t, []string{"sequence 3", "c", "d"}, heard(next))
		n.balanced()
		require.Equal(t, uint64(4), n.Stats().Hubs[0].Written)
	})
	bubble(t, "a write that failed", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		c.Hold()
		n.texts("a", "b", "c")
		c.Cut(2)
		c.Release()
		synctest.Wait()
		require.True(t, c.Conn.IsAway())
		next := n.redial(c, gatewaytest.Options{}, 1)
		require.Equal(t, []string{"sequence 1", "a", "b", "c"}, heard(next))
		n.balanced()
	})
}

func TestC95AnotherSocketSupersedesTheFirst(t *testing.T) {
	eachNumberedKind(t, func(t *testing.T, before, next gatewaytest.Options) {
		n := start(t, nil)
		first := n.numbered("1", before)
		n.texts("a")
		c, err := first.ReturnNumbered(next)
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, first.Aborted())
		require.Equal(t, gateway.Replaced, first.WantEnd(t.Context()))
		require.ErrorIs(t, first.Conn.FeedFor(first, call("late")), gateway.Replaced)
		require.Equal(t, []string{"opened 1"}, n.backend.Events())
		require.NoError(t, c.SaySequence(1))
		require.Equal(t, []string{"sequence 1", "a"}, heard(c))
		require.Same(t, c, c.Conn.Transport())
		n.balanced()
	})
}

func TestC93BytesOfAFormerSocketAreForgotten(t *testing.T) {
	for _, lost := range []bool{true, false} {
		bubble(t, fmt.Sprint("lost before: ", lost), func(t *testing.T) {
			n := start(t, nil)
			c := n.numbered("1", gatewaytest.Options{})
			a, b := call("A"), call("B")
			require.NoError(t, c.Feed(slices.Concat(a, b[:len(b)-3])))
			require.NotZero(t, n.Stats().Unfinished)
			if lost {
				c.Leave()
				synctest.Wait()
				require.Zero(t, n.Stats().Unfinished)
				require.ErrorIs(t, c.Conn.FeedFor(c, b[len(b)-3:]), gateway.Replaced)
			}
			c, err := c.ReturnNumbered(gatewaytest.Options{})
			require.NoError(t, err)
			require.NoError(t, c.Feed([]byte("{\"type\":7}\x1e")), "C93 nothing counts before a Sequence")
			require.NoError(t, c.SaySequence(2))
			require.NoError(t, c.Feed(b[:5]))
			require.NoError(t, c.Feed(b[5:]))
			require.Equal(t, []string{"opened 1", "record 1 A", "record 1 B"}, n.backend.Events())
			n.balanced()
		})
	}
}

func TestC93ASequenceThatIsTooLargeEndsTheConnection(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		require.NoError(t, c.Feed(call("A")))
		c = n.redial(c, gatewaytest.Options{}, 2)
		require.Error(t, c.SaySequence(3))
		cause := c.WantEnd(t.Context())
		require.Equal(t, gateway.CloseBadRequest, cause.Reason)
		require.Contains(t, cause.Text, "Sequence ID greater than amount of messages we've received.")
		_, err := c.ReturnNumbered(gatewaytest.Options{})
		require.ErrorIs(t, err, gateway.ErrConnectionEnded, "C96")
		n.balanced()
	})
}

func TestC96TheIdIsDeadBeforeTheCloseRecordLeaves(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{Stalled: true})
		c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrConnectionEnded)
		synctest.Wait()
		_, err := c.ReturnNumbered(gatewaytest.Options{})
		require.ErrorIs(t, err, gateway.ErrConnectionEnded)
		c.Unstall()
		c.WantEnd(t.Context())
		n.balanced()
	})
}

func TestC97AClientThatStaysAwayIsEnded(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.Away = 20 * time.Second })
		c := n.numbered("1", gatewaytest.Options{})
		c.Leave()
		time.Sleep(19 * time.Second)
		require.True(t, c.Conn.IsAway())
		n.texts("a")
		time.Sleep(3 * time.Second)
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrConnectionEnded)
		require.Equal(t, "DisconnectTimeout", strings.Split(strings.TrimPrefix(n.backend.Events()[1], "closed 1 "), ":")[0])
		n.balanced()
		require.Equal(t, uint64(1), n.Stats().Hubs[0].Dropped[gateway.DropConnectionClosed])
	})
}

func TestC97SilenceCostsTheTransportOnly(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		time.Sleep(32 * time.Second)
		require.True(t, c.Aborted())
		require.True(t, c.Conn.IsAway())
		c = n.redial(c, gatewaytest.Options{}, 1)
		n.texts("a")
		require.Equal(t, []string{"sequence 1", "a"}, heard(c))
	})
}

func TestC98AClientCannotComeBackAllTheTime(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		for range 100 {
			require.NoError(t, c.Conn.MayReturn())
		}
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrTooManyReturns)
		time.Sleep(time.Second)
		for range 10 {
			require.NoError(t, c.Conn.MayReturn())
		}
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrTooManyReturns)
	})
}

func TestC99UnacknowledgedBytesCountForTheBounds(t *testing.T) {
	big := strings.Repeat("x", 1000)
	for kind, o := range numberedKinds {
		bubble(t, "C99 D9 the hard bound, "+kind, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 10_000 })
			c := n.numbered("1", o)
			other := n.connect("2", "")
			for range 9 {
				n.texts(big)
			}
			require.False(t, c.Aborted())
			require.NoError(t, c.SayAck(5))
			for range 4 {
				n.texts(big)
			}
			require.False(t, c.Aborted())
			for range 3 {
				n.texts(big)
			}
			require.Equal(t, gateway.CloseSlowClient, c.WantEnd(t.Context()).Reason)
			require.False(t, other.Aborted(), "nobody waits for it")
			require.Len(t, other.Records(), 1+16)
			n.balanced()
		})
		bubble(t, "C99 D9 the soft bound, "+kind, func(t *testing.T) {
			n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxBytes = 5000 })
			c := n.numbered("1", o)
			for range 7 {
				n.texts(big)
			}
			require.True(t, c.Conn.Over())
			drained := c.Conn.Drained()
			time.Sleep(25 * time.Second)
			require.NoError(t, c.SayAck(1))
			require.True(t, c.Conn.Over())
			require.NoError(t, c.SayAck(3))
			require.False(t, c.Conn.Over())
			<-drained
			for range 3 {
				n.texts(big)
			}
			for range 3 { // of a client that lives
				time.Sleep(9 * time.Second)
				require.NoError(t, c.SayPing())
				n.texts("a") // what is written does not mean that it reads
			}
			require.False(t, c.Aborted())
			time.Sleep(6 * time.Second)
			require.Equal(t, gateway.CloseSlowClient, c.WantEnd(t.Context()).Reason)
			n.balanced()
		})
	}
	bubble(t, "while it is away", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.limits.OutboxMaxBytes = 10_000 })
		c := n.numbered("1", gatewaytest.Options{})
		for range 5 {
			n.texts(big)
		}
		c.Leave()
		synctest.Wait()
		for range 4 {
			n.texts(big)
		}
		require.True(t, c.Conn.IsAway())
		n.texts(big, big)
		require.False(t, c.Conn.IsOpen())
		require.Contains(t, n.backend.Events()[1], "SlowClient")
		n.balanced()
	})
}

func TestC100AllThatIsSentHasOneNumbering(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := n.numbered("1", gatewaytest.Options{})
		n.join("g", "1")
		n.texts("broadcast")
		c.Conn.Send(hubprotocol.AppendCompletion(nil, hubprotocol.JSON, "7"))
		n.send("group", groups("g"))
		both, err := hubprotocol.NewFrames(map[string][]byte{hubprotocol.JSON: slices.Concat(call("two"), call("in one"), []byte("{\"type\":6}\x1e"))})
		require.NoError(t, err)
		n.do(gateway.Command{Verb: gateway.VerbSend, Target: all(), Frames: both})
		c.Conn.SendControl(hubprotocol.AppendPing(nil, hubprotocol.JSON))
		synctest.Wait()
		require.NoError(t, c.SayAck(3))
		c = n.redial(c, gatewaytest.Options{}, 1)
		require.Equal(t, "sequence 4", heard(c)[0])
		require.Contains(t, c.Got()[1], "in one")
		require.NoError(t, c.SayAck(4))
		c = n.redial(c, gatewaytest.Options{}, 1)
		require.Equal(t, "sequence 4", heard(c)[0], "what came together is kept together")
		require.NoError(t, c.SayAck(5))
		c = n.redial(c, gatewaytest.Options{}, 1)
		require.Equal(t, []string{"sequence 6"}, heard(c))
		n.balanced()
	})
}

func TestC121NothingNumberedComesWithTheAnswer(t *testing.T) {
	for kind, o := range numberedKinds {
		bubble(t, "until the client's first word, "+kind, func(t *testing.T) {
			n := start(t, nil)
			c := n.silent("1", o)
			n.texts("a", "b")
			require.Equal(t, []string{"{}"}, heard(c))
			require.NoError(t, c.SayPing())
			synctest.Wait()
			require.Equal(t, []string{"{}", "a", "b"}, heard(c))
			n.balanced()
		})
		bubble(t, "or a second, "+kind, func(t *testing.T) {
			n := start(t, nil)
			c := n.silent("1", o)
			n.texts("a")
			require.Equal(t, []string{"{}"}, heard(c))
			time.Sleep(2100 * time.Millisecond)
			require.Equal(t, []string{"{}", "a"}, heard(c))
			n.balanced()
		})
		bubble(t, "or its end, "+kind, func(t *testing.T) {
			n := start(t, nil)
			c := n.silent("1", o)
			n.texts("a")
			c.Conn.Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer, Text: "bye"})
			c.WantEnd(t.Context())
			require.Equal(t, []string{"{}", "a", `{"type":7,"error":"bye"}`}, heard(c))
			n.balanced()
		})
	}
	bubble(t, "a client that says something before it is answered", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.backend.Speaker = gateway.ApplicationSpeaks })
		c := n.silent("1", gatewaytest.Options{})
		require.NoError(t, c.SayPing())
		c.Conn.Open([]byte("{}\x1e"))
		n.texts("a")
		require.Equal(t, []string{"{}", "a"}, heard(c))
	})
}

func TestC91AClientThatAsksForVersion1HasNoNumbers(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, nil)
		c := gatewaytest.Connect(t, n.Gateway, gatewaytest.Options{ID: "1", Hub: "chat", Numbers: true, Protocol: "-"})
		require.NoError(t, c.Feed(hubprotocol.AppendHandshakeRequest(nil, hubprotocol.JSON, 1)))
		n.texts("a")
		require.NoError(t, c.Feed(call("A")))
		time.Sleep(3 * time.Second)
		require.Equal(t, []string{"{}", "a"}, heard(c))
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrConnectionExists)
		_, err := c.ReturnNumbered(gatewaytest.Options{})
		require.ErrorIs(t, err, gateway.ErrConnectionExists)
		c.Leave()
		synctest.Wait()
		require.False(t, c.Conn.IsOpen())
		n.balanced()
	})
}

// versions is a Backend that notes the handshakes.
type versions struct {
	*gatewaytest.Backend
	seen *[]string
}

func (versions) Supports(string) bool { return true }

func (v versions) Accept(c *gateway.Conn, h gateway.Handshake) (gateway.Session, error) {
	*v.seen = append(*v.seen, fmt.Sprint(h.Version, " ", string(h.Raw)))
	return v.Backend.Accept(c, h)
}

func TestC92TheApplicationSeesVersion1(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var seen []string
		n := start(t, func(o *gateway.Options, n *node) { o.Backend = versions{n.backend, &seen} })
		n.numbered("1", gatewaytest.Options{})
		c := n.silent("2", gatewaytest.Options{Protocol: "custom"})
		require.Equal(t, gateway.CloseHandshakeError, c.WantEnd(t.Context()).Reason)
		require.Contains(t, c.Got()[0], "The server does not support version 2 of the 'custom' protocol.")
		require.Equal(t, []string{"1 {\"protocol\":\"json\",\"version\":1}\x1e"}, seen)
	})
}

func TestC93AClientWithoutAnAnswerCannotComeBack(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		n := start(t, func(_ *gateway.Options, n *node) { n.backend.Speaker = gateway.ApplicationSpeaks })
		c := n.silent("1", gatewaytest.Options{})
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrConnectionExists)
		_, err := c.ReturnNumbered(gatewaytest.Options{})
		require.ErrorIs(t, err, gateway.ErrConnectionExists)
		c.Leave()
		synctest.Wait()
		require.ErrorIs(t, c.Conn.MayReturn(), gateway.ErrConnectionEnded)
		n.balanced()
	})
}
