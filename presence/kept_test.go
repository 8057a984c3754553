package presence

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/store"
)

// many are names of a list that is worth keeping.
func many() *names {
	list := make([]string, keptFrom)
	for i := range list {
		list[i] = fmt.Sprintf("m%06d", i)
	}
	return order(list, func(int) {})
}

func (n *names) all() (list []string) {
	n.after("", func(name string) bool {
		list = append(list, name)
		return true
	})
	return list
}

// A client that was there when a listing began, at another node, is in the further pages of this one when it has
// been handed over: also if that was while the names were looked at, and in a list that is not kept.
func TestHandedOverDuringAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := gateway.New(gateway.Options{Node: "a", Backend: &gatewaytest.Backend{}, Workers: 1, UserGroups: store.NewMemory(store.MemoryOptions{}), Limits: gateway.DefaultLimits})
		require.NoError(t, err)
		defer g.Close()
		client := func(id, user string) *gateway.Conn {
			return gatewaytest.Connect(t, g, gatewaytest.Options{ID: id, Hub: "chat", User: user}).Conn
		}
		// They were connected elsewhere before: that is how a client looks that was handed over.
		early, middle, other := client("early", "ann"), client("middle", "ann"), client("x", "bob")
		time.Sleep(time.Second)
		var k kept
		of := listing{number: 1, kind: kindConnections, hub: "chat"}
		l := k.begin(of)
		k.arrived(early)
		n := k.end(of, l, many())
		require.Equal(t, "early", n.all()[0])
		k.arrived(middle)
		k.arrived(middle)
		k.arrived(client("new", "ann")) // it was not there when the listing began
		require.Len(t, k.get(of).all(), keptFrom+2)
		require.Equal(t, keptFrom, n.total, "they are counted at the node that they came from")
		require.Equal(t, keptFrom, k.get(of).total)
		require.Len(t, n.all(), keptFrom+1, "a page under way is not changed")

		users := listing{number: 2, kind: kindUsers, hub: "chat"}
		k.end(users, k.begin(users), many())
		ofAnn := listing{number: 3, kind: kindConnections, hub: "chat", user: "ann"}
		k.end(ofAnn, k.begin(ofAnn), many())
		inRed := listing{number: 4, kind: kindConnections, hub: "chat", group: "red"}
		k.end(inRed, k.begin(inRed), many())
		elsewhere := listing{number: 5, kind: kindConnections, hub: "news"}
		k.end(elsewhere, k.begin(elsewhere), many())
		few := listing{number: 6, kind: kindConnections, hub: "chat"}
		l = k.begin(few)
		require.EqualValues(t, 6, k.listed.Load())
		k.arrived(other)
		require.Equal(t, []string{"a", "x"}, k.end(few, l, order([]string{"a"}, func(int) {})).all())
		require.Contains(t, k.get(users).all(), "bob")
		require.NotContains(t, k.get(ofAnn).all(), "x")
		require.Nil(t, k.get(inRed), "whether it is in the group its worker knows: the next page looks again")
		require.Len(t, k.get(elsewhere).all(), keptFrom)

		time.Sleep(2 * keptFor)
		synctest.Wait()
		require.Zero(t, k.listed.Load())
	})
}

// A listing that cannot be looked at is not kept, and of many that can the oldest goes.
func TestWhatIsKeptIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept
		for i := range keptListings + 2 {
			of := listing{number: uint64(i), kind: kindConnections, hub: "chat"}
			k.end(of, k.begin(of), many())
			time.Sleep(time.Millisecond)
		}
		require.Nil(t, k.get(listing{number: 0, kind: kindConnections, hub: "chat"}))
		require.Nil(t, k.get(listing{number: 1, kind: kindConnections, hub: "chat"}))
		require.NotNil(t, k.get(listing{number: 2, kind: kindConnections, hub: "chat"}))
		require.EqualValues(t, keptListings, k.listed.Load())
		of := listing{number: 99, kind: kindConnections, hub: "chat"}
		require.Nil(t, k.end(of, k.begin(of), nil))
		require.EqualValues(t, keptListings, k.listed.Load())
	})
}

// Users and groups of a node are told to others up to a bound. A node alone needs none.
func TestTooManyNamesToTell(t *testing.T) {
	require.NoError(t, (&answer{Users: make([]byte, 8*maxHashed)}).fits())
	err := (&answer{Groups: make([]byte, 8*maxHashed+8)}).fits()
	require.Equal(t, http.StatusServiceUnavailable, asFailure(err).status)
}
