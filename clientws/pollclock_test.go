package clientws

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

func TestPollClocks(t *testing.T) {
	t.Run("C52 the second poll waits for the handshake answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.token(auth.ClientTokenSpec{UserID: "u", LongPollInterval: time.Second}))
			held := f.async(c.get())
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Empty(t, held, "not answered empty, though asrs.s.ttl has passed")
			require.Equal(t, 200, c.post(jsonHandshake).status)
			require.Equal(t, "{}\x1e", (<-held).body)
			c.delete()
		})
	})

	t.Run("C65 without a handshake the poll brings the refusal, then 204", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			c.wantData(`{"error":"Handshake was canceled."}` + "\x1e")
			require.Equal(t, 204, c.poll().status)
			requireDead(t, c.poll())
		})
	})

	for row, ttl := range map[string]time.Duration{"C54 C62 an idle poll is answered after 90 s, empty": 0, "C54 asrs.s.ttl changes that": 20 * time.Second} {
		t.Run(row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPipeFixture(t)
				c := f.openPoll(f.token(auth.ClientTokenSpec{UserID: "u", LongPollInterval: ttl}))
				c.shake()
				began := time.Now()
				res := c.poll()
				require.Equal(t, 200, res.status)
				require.Equal(t, "0", res.header.Get("Content-Length"))
				require.Equal(t, "text/plain", res.header.Get("Content-Type"))
				want := ttl
				if want == 0 {
					want = 90 * time.Second
				}
				require.Equal(t, want, time.Since(began))
				require.Empty(t, res.body, "no pings meanwhile")
				c.delete()
			})
		})
	}

	t.Run("C58 no poll for 15 s ends the connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			c.shake()
			time.Sleep(14 * time.Second)
			f.send("x")
			c.wantData(messageRecord("x"))
			time.Sleep(17 * time.Second)
			requireDead(t, c.poll())
			require.Contains(t, strings.Join(f.backend.Events(), "\n"), "closed "+c.n.ConnectionID+" PingTimeout")
		})
	})

	t.Run("C55 C58 a client that never fetches its Close record is forgotten", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			c.shake()
			f.live(c.n.ConnectionID).Close(gateway.Cause{Reason: gateway.CloseClosedByAppServer})
			time.Sleep(20 * time.Second)
			requireDead(t, c.poll())
			require.Nil(t, f.h.posted.get(c.n.ConnectionToken))
		})
	})

	t.Run("C58 a poll that the client drops counts as none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			c.shake()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_, err := f.begin(ctx, c.get())
			require.Error(t, err)
			time.Sleep(5 * time.Second)
			f.send("kept")
			c.wantData(messageRecord("kept"))
			c.delete()
		})
	})

	t.Run("a body that trickles is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newPipeFixture(t)
			c := f.openPoll(f.user("u"))
			slow, feed := io.Pipe()
			answered := f.async(request{method: "POST", query: c.n.query(), token: c.token, reader: slow})
			began := time.Now()
			go func() {
				for {
					if _, err := feed.Write([]byte("x")); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
			held := f.async(c.get()) // keeps the connection
			require.Equal(t, 408, (<-answered).status)
			require.InDelta(t, 15, time.Since(began).Seconds(), 1.5)
			_ = slow.Close()
			<-held
			require.EqualValues(t, 1, f.h.Refused()[transport.RefusedBodySlow])
		})
	})
}
