package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// counted is a Turnstile that notes whose tokens are there.
type counted struct{ tokens map[string]int }

func (c *counted) Enter(who *gateway.Identity, _ bool) error { c.Seen(who); return nil }
func (c *counted) Seen(who *gateway.Identity)                { c.tokens[who.Token]++ }
func (c *counted) Leave(who *gateway.Identity)               { c.tokens[who.Token]-- }

// A client that is handed over is counted by its token at the next node as at the former one, and is closed when it has
// been connected for as long as the settings allow, to both together.
func TestN43R86RulesGoAlongWithAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lifetime = time.Minute
		s := newSlowMoveOf(t, gateway.Identity{Token: "the signature"}, func(o *gateway.Options) {
			limits := o.Limits
			o.Limits = func() gateway.Limits {
				l := limits()
				l.Lifetime = lifetime
				return l
			}
		})
		there := map[*moveNode]*counted{s.a: {make(map[string]int)}, s.b: {make(map[string]int)}}
		for n, c := range there {
			n.Turn(c)
		}
		there[s.a].tokens["the signature"] = 1 // it has entered before
		time.Sleep(lifetime - 10*time.Second)
		s.client.Leave()
		o := s.takes(30 * time.Second)
		require.NoError(t, o.err)
		require.Equal(t, "the signature", o.conn.Identity().Token)
		require.Equal(t, map[string]int{"the signature": 0}, there[s.a].tokens)
		require.Equal(t, map[string]int{"the signature": 1}, there[s.b].tokens)
		s.back(s.b, o.conn)
		require.Nil(t, o.conn.CloseRequested())
		for range 15 {
			time.Sleep(time.Second)
			s.settle()
		}
		require.NotNil(t, o.conn.CloseRequested(), "it has been connected for a minute")
		require.Equal(t, gateway.CloseUnauthorized, o.conn.CloseRequested().Reason)
	})
}
