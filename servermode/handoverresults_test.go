package servermode_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/servermode"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// A client is asked on one node and answers on another one, wherever its hub server and the one that asks
// are. One that asks while it is handed over is answered too.
func TestN43AClientThatIsAskedIsHandedOver(t *testing.T) {
	for _, server := range []string{"a", "b", "c"} {
		for _, asker := range []string{"a", "b", "c"} {
			t.Run(fmt.Sprintf("a server on %s, asked on %s", server, asker), func(t *testing.T) {
				inNodes(t, []string{"a", "b", "c"}, func(t *testing.T, ns *nodes) {
					has := ns.list[server].server(dial{id: "server"})
					time.Sleep(time.Second)
					w := ns.wander(t, "a")
					asks := ns.list[asker].server(dial{id: "asker"})
					time.Sleep(time.Second)
					has.take(sp.TypeConnectionData)
					invoke := func(id string) {
						asks.send(&sp.ClientInvocation{InvocationID: id, ConnectionID: w.id, CallerServerID: "asker", Payloads: question(id)})
					}
					invoke("i")
					time.Sleep(10 * time.Millisecond)
					go func() {
						time.Sleep(time.Microsecond)
						invoke("j")
					}()
					require.NoError(t, w.goes("b"))
					time.Sleep(10 * time.Millisecond)
					for _, id := range []string{"i", "j"} {
						w.say(completion(id, "5"))
						time.Sleep(10 * time.Millisecond)
						require.Equal(t, completion(id, "5"), has.payloads(w.id))
						has.send(&sp.ClientCompletion{InvocationID: id, ConnectionID: w.id, CallerServerID: "server", Protocol: "json", Payload: []byte(completion(id, "5"))})
						time.Sleep(10 * time.Millisecond)
						require.Equal(t, completion(id, "5"), string(asks.next(sp.TypeClientCompletion).(*sp.ClientCompletion).Payload))
					}
					time.Sleep(time.Second)
					require.Empty(t, asks.take(sp.TypeErrorCompletion))
					for _, n := range ns.list {
						require.Zero(t, servermode.Waiting(n.Backend), "at %s", n.tag)
					}
				})
			})
		}
	}
}
