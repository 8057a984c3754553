package gateway_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// A client that brings a new token while it is handed over is told whether that counts, at whatever moment.
func TestN43ARenewalIsNotLost(t *testing.T) {
	counts, moving := 0, 0
	for moment := range 60 {
		synctest.Test(t, func(t *testing.T) {
			m := &moveModel{t: t, rand: rand.New(rand.NewPCG(1, 7)), seen: movesSeen{}}
			m.build()
			from, to := m.at, m.net.others(m.at)[0]
			conn := m.client.Conn
			m.client.Leave()
			taken := make(chan *gateway.Conn, 1)
			go func() {
				c, _ := to.TakeOver(t.Context(), gateway.Taking{ID: moveID, Owner: from.tag, Transport: m.client})
				taken <- c
			}()
			end, renewed := time.Now().Add(time.Hour), false
			for i := 0; ; i++ {
				synctest.Wait()
				if i == moment {
					err := conn.Renew(gateway.Renewal{CloseAt: end})
					if renewed = err == nil; !renewed {
						require.ErrorIs(t, err, gateway.ErrMoving, "its connection lives")
						moving++
					}
				}
				if !m.net.deliver() {
					break
				}
			}
			c := <-taken
			require.NotNil(t, c)
			require.Equal(t, renewed, c.Identity().CloseAt.Equal(end), "at %d", moment)
			if renewed {
				counts++
			}
			c.Close(gateway.Cause{Reason: gateway.CloseNormal})
			m.settle()
		})
	}
	require.NotZero(t, counts)
	require.NotZero(t, moving)
}
