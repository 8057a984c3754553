package clientaspnet

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// texts are those of a frame's messages.
func texts(t *testing.T, frame string) (all []string) {
	t.Helper()
	parsed := parse[struct {
		E string
		M []struct{ A []string }
	}](t, frame)
	require.Empty(t, parsed.E)
	for _, m := range parsed.M {
		all = append(all, m.A...)
	}
	return all
}

// receive reads what comes over a transport that is cut after some frames, and returns it.
func (c *testClient) receive(way string, frames int) (got []string) {
	c.t.Helper()
	keep := func(frame string) {
		c.saw(frame)
		got = append(got, texts(c.t, frame)...)
	}
	switch way {
	case "webSockets":
		ws := c.dial("reconnect", c.cursorItem())
		for len(got) < frames {
			require.NoError(c.t, ws.SetReadDeadline(time.Now().Add(time.Minute)))
			_, text, err := ws.ReadMessage()
			require.NoError(c.t, err)
			keep(string(text))
		}
		ws.cut()
	case "serverSentEvents":
		s := c.events("reconnect", c.cursorItem())
		for len(got) < frames {
			keep(s.data())
		}
		s.cut()
	default:
		keep(c.do("POST", "reconnect", way, c.cursorItem(), "").body)
		for len(got) < frames {
			keep(c.do("POST", "poll", way, "", "messageId="+url.QueryEscape(c.cursor)).body)
		}
		// The next poll is cut while it is answered, or held: what it brings is not had.
		ctx, cancel := context.WithCancel(context.Background())
		lost := c.f.asyncUntil(ctx, c.request("POST", "poll", way, "", "messageId="+url.QueryEscape(c.cursor)))
		time.AfterFunc(time.Duration(rand.IntN(3))*time.Millisecond, cancel)
		<-lost
	}
	return got
}

// Clients lose their transports all the time while much is sent, and come back on any other: each message
// comes once, in order.
func TestReconnectStorm(t *testing.T) {
	const clients, messages = 6, 200
	f := newFixture(t)
	var all []*testClient
	for range clients {
		c := f.negotiate(f.user("u"))
		c.open(ways[rand.IntN(3)], "connect")
		all = append(all, c)
	}
	var wg sync.WaitGroup
	had := make([]chan struct{}, clients)
	for i, c := range all {
		had[i] = make(chan struct{}, messages)
		wg.Go(func() {
			defer close(had[i])
			next := 0
			for next < messages {
				way := ways[rand.IntN(3)]
				for _, text := range c.receive(way, min(1+rand.IntN(20), messages-next)) {
					if text != strconv.Itoa(next) {
						t.Errorf("%s by %s instead of %d", text, way, next)
						return
					}
					next++
					had[i] <- struct{}{}
				}
			}
		})
	}
	// No client may be further behind than what is kept for it.
	for i := range messages {
		if i >= 30 {
			for _, one := range had {
				<-one
			}
		}
		f.broadcast(strconv.Itoa(i))
	}
	wg.Wait()
	require.Empty(t, mustTold(f, "closed"))
}
