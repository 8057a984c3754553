package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
)

func TestWhatIsKept(t *testing.T) {
	many := func(n int) (texts []string) {
		for i := range n {
			texts = append(texts, fmt.Sprintf("%03d", i))
		}
		return texts
	}
	begin := func(t *testing.T) (*node, *gatewaytest.Client) {
		n := startReturning(t, nil)
		return n, n.returning("1", gatewaytest.Options{})
	}
	missed := func(t *testing.T, n *node, c *gatewaytest.Client, cursor string) {
		t.Helper()
		_, err := c.Return(gatewaytest.Options{}, cursor)
		require.ErrorIs(t, err, gateway.ErrMissed)
		synctest.Wait()
		require.Equal(t, gateway.CloseMissedMessages, c.Conn.CloseRequested().Reason)
		require.Equal(t, uint64(1), n.Stats().Closed[gateway.CloseMissedMessages])
		require.Zero(t, n.Connections("chat"))
		_, err = c.Return(gatewaytest.Options{}, cursor)
		require.ErrorIs(t, err, gateway.ErrConnectionEnded)
		n.balanced()
	}
	bubble(t, "so many records, and the cursor before them", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(129)...)
		require.Len(t, n.back(c, gatewaytest.Options{}, "000").Texts(), 128)
		n.balanced()
	})
	bubble(t, "what is no delivery takes no place", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		n.marks(many(127)...)
		c.Stall()
		for range 10 {
			c.Conn.SendControl(gatewaytest.MarkedRecord("", "ping"))
		}
		n.marks("last")
		c.Unstall()
		synctest.Wait()
		require.Len(t, n.back(c, gatewaytest.Options{}, "0").Texts(), 128)
	})
	bubble(t, "no more records", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(130)...)
		missed(t, n, c, "000")
	})
	bubble(t, "no more, and the client is away already", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(130)...)
		c.Leave()
		synctest.Wait()
		missed(t, n, c, "000")
	})
	bubble(t, "nothing is missing from the start", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(128)...)
		require.Len(t, n.back(c, gatewaytest.Options{}, "0").Texts(), 128)
	})
	bubble(t, "the start is not kept", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(129)...)
		missed(t, n, c, "0")
	})
	bubble(t, "a client that has not heard that it is connected misses nothing that it was promised", func(t *testing.T) {
		n, c := begin(t)
		n.marks(many(130)...)
		next, err := c.FallBack(gatewaytest.Options{})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, string(gatewaytest.Init), next.Got()[0])
		require.Equal(t, many(130)[2:], next.Texts())
		n.balanced()
	})
	bubble(t, "a cursor that nobody has given", func(t *testing.T) {
		n, c := begin(t)
		n.marks("a")
		missed(t, n, c, "z")
	})
	bubble(t, "so many bytes", func(t *testing.T) {
		n, c := begin(t)
		n.marks("a", "b"+strings.Repeat("x", 40<<10), "c"+strings.Repeat("x", 40<<10))
		require.Len(t, n.back(c, gatewaytest.Options{}, "bxxxxxxx").Texts(), 1)
		n, c = begin(t)
		n.marks("a", "b"+strings.Repeat("x", 40<<10), "c"+strings.Repeat("x", 40<<10))
		missed(t, n, c, "a")
	})
	bubble(t, "for so long, and the last for ever", func(t *testing.T) {
		n, c := begin(t)
		n.marks("a", "b")
		time.Sleep(42 * time.Second)
		require.Empty(t, n.back(c, gatewaytest.Options{}, "b").Texts())
		n, c = begin(t)
		n.marks("a", "b")
		time.Sleep(42 * time.Second)
		missed(t, n, c, "a")
	})
	bubble(t, "records without a cursor are not missed", func(t *testing.T) {
		n, c := begin(t)
		n.marks("a")
		for range 200 {
			c.Conn.Send(gatewaytest.MarkedRecord("", "answer"))
			synctest.Wait()
		}
		next := n.back(c, gatewaytest.Options{}, "a")
		require.Len(t, next.Texts(), 128)
		n.marks("b")
		require.Equal(t, "b", next.Texts()[128])
		n.balanced()
	})
	bubble(t, "what is not written is kept in any case", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{Stalled: true})
		n.marks(many(300)...)
		time.Sleep(time.Minute)
		c.Cut(0)
		c.Unstall()
		synctest.Wait()
		require.Len(t, n.back(c, gatewaytest.Options{}, "0").Texts(), 300)
		n.balanced()
	})
}

func TestALargeMessageDoesNotPushOutSmallOnes(t *testing.T) {
	bubble(t, "one", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		large := "large" + strings.Repeat("x", 200<<10)
		n.marks("a", "b", large, "c")
		require.Equal(t, []string{"b", large, "c"}, n.back(c, gatewaytest.Options{}, "a").Texts())
		n.balanced()
	})
	bubble(t, "of two, the second is kept", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		large := strings.Repeat("x", 200<<10)
		n.marks("a", "large1"+large, "b", "large2"+large, "c")
		require.Equal(t, []string{"b", "large2" + large, "c"}, n.back(c, gatewaytest.Options{}, "large1xx").Texts())
		n.balanced()
	})
	bubble(t, "not one of any size", func(t *testing.T) {
		n := startReturning(t, nil)
		c := n.returning("1", gatewaytest.Options{})
		n.marks("a", "huge"+strings.Repeat("x", 2<<20), "b")
		_, err := c.Return(gatewaytest.Options{}, "a")
		require.ErrorIs(t, err, gateway.ErrMissed)
	})
}
