package clientws

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// withKeys makes the access keys of a fixture replaceable. Tokens have no leeway.
func withKeys(keys *atomic.Pointer[[]auth.Secret]) func(*fixture, *Options) {
	return func(_ *fixture, o *Options) {
		o.Verifier = auth.NewVerifier(auth.VerifierOptions{
			Keys: func() []auth.Secret { return *keys.Load() }, Leeway: func() time.Duration { return 0 },
		})
	}
}

// TestConnectionOutlivesItsToken: a live connection goes on with the token that
// it was opened with, whatever became of that.
func TestConnectionOutlivesItsToken(t *testing.T) {
	const otherKey = auth.Secret("another key of more than thirty-two bytes")
	brief := auth.ClientTokenSpec{UserID: "u", Lifetime: 10 * time.Second}
	for name, spoil := range map[string]func(keys *atomic.Pointer[[]auth.Secret]){
		"its token has expired": func(*atomic.Pointer[[]auth.Secret]) { time.Sleep(11 * time.Second) },
		"its key is replaced":   func(keys *atomic.Pointer[[]auth.Secret]) { keys.Store(&[]auth.Secret{otherKey}) },
	} {
		run := func(t *testing.T, test func(f *fixture, spoil func())) {
			synctest.Test(t, func(t *testing.T) {
				var keys atomic.Pointer[[]auth.Secret]
				keys.Store(&[]auth.Secret{testKey})
				f := newPipeFixture(t, withKeys(&keys))
				test(f, func() { spoil(&keys) })
			})
		}
		for version, query := range map[string]string{"": "negotiateVersion=1", " of version 0": ""} {
			t.Run(name+": a poll"+version, func(t *testing.T) {
				run(t, func(f *fixture, spoil func()) {
					token := f.token(brief)
					c := &pollClient{f: f, n: f.negotiateVersion(token, query), token: token}
					require.Equal(t, 200, c.poll().status)
					c.shake()
					spoil()
					held := f.async(c.get())
					f.send("still there")
					require.Equal(t, messageRecord("still there"), (<-held).body)
					require.Equal(t, 200, c.post(`{"type":6}`+"\x1e").status)

					other := *c
					other.token = f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: time.Second})
					time.Sleep(2 * time.Second)
					require.Equal(t, 401, other.poll().status, "a token that the connection never had")
					other.token = ""
					require.Equal(t, 401, other.poll().status)
					require.Equal(t, 202, c.delete().status)
					require.Equal(t, 401, c.poll().status, "an ended connection keeps nothing")
				})
			})
		}
		t.Run(name+": the posts of an event stream", func(t *testing.T) {
			run(t, func(f *fixture, spoil func()) {
				c := f.openEvents(f.token(brief), nil)
				c.shake()
				spoil()
				f.send("still there")
				c.wantEvent(messageRecord("still there"))
				require.Equal(t, 200, c.post(`{"type":6}`+"\x1e").status)
			})
		})
		t.Run(name+": no new connection", func(t *testing.T) {
			run(t, func(f *fixture, spoil func()) {
				token := f.token(brief)
				n := f.negotiate(token)
				spoil()
				for _, r := range []request{
					{method: "GET", query: n.query(), token: token},
					{method: "POST", query: n.query(), token: token},
					{method: "GET", query: n.query(), token: token, header: map[string]string{"Accept": "text/event-stream"}},
				} {
					require.Equal(t, 401, f.do(r).status)
				}
			})
		})
	}

	t.Run("a token of another user is refused while it is good", func(t *testing.T) {
		f := newFixture(t)
		c := f.openPoll(f.user("u"))
		other := *c
		other.token = f.user("v")
		require.Equal(t, 403, other.poll().status)
		c.delete()
	})

	t.Run("the newest tokens of a client stay good, older ones do not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var keys atomic.Pointer[[]auth.Secret]
			keys.Store(&[]auth.Secret{testKey})
			f := newPipeFixture(t, withKeys(&keys))
			c := f.openPoll(f.token(brief))
			c.shake()
			first := c.token
			var later []string
			for range 2 {
				time.Sleep(time.Second)
				c.token = f.token(brief)
				require.Equal(t, 200, c.post(`{"type":6}`+"\x1e").status)
				later = append(later, c.token)
			}
			keys.Store(&[]auth.Secret{otherKey})
			for _, token := range later {
				c.token = token
				require.Equal(t, 200, c.post(`{"type":6}`+"\x1e").status)
			}
			c.token = first
			require.Equal(t, 401, c.post(`{"type":6}`+"\x1e").status)
		})
	})

	t.Run("C79 R52 unless close on expiry is asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var keys atomic.Pointer[[]auth.Secret]
			keys.Store(&[]auth.Secret{testKey})
			f := newPipeFixture(t, withKeys(&keys))
			c := f.openPoll(f.token(auth.ClientTokenSpec{UserID: "u", Lifetime: 10 * time.Second, CloseOnExpiry: true}))
			c.shake()
			began := time.Now()
			res := c.poll()
			require.Contains(t, res.body, `"type":7`)
			require.InDelta(t, 10, time.Since(began).Seconds(), 1.5)
			require.Equal(t, 204, c.poll().status)
		})
	})
}
