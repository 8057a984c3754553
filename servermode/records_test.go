package servermode_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	sp "github.com/hubgate/hubgate/serviceprotocol"
)

func TestH37NothingOvertakesTheHandshakeAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		owner := w.server(dial{silent: true})
		c := w.connect("1", "ann")
		other := w.server(dial{id: "s2"})
		other.send(&sp.BroadcastData{Payloads: message("early")}, &sp.MultiConnectionData{Connections: []string{"1"}, Payloads: message("early")},
			&sp.UserData{User: "ann", Payloads: message("early")})
		synctest.Wait()
		require.Empty(t, c.Got())
		owner.data("1", "{")
		owner.data("1", "}")
		synctest.Wait()
		require.Empty(t, c.Got())
		owner.data("1", "\x1e"+call("", "with it"))
		synctest.Wait()
		other.send(&sp.BroadcastData{Payloads: message("later")})
		synctest.Wait()
		require.Equal(t, "{}\x1e", c.Got()[0])
		require.Equal(t, 1, count(c, "with it"))
		require.Equal(t, 1, count(c, "later"))
		require.Equal(t, 3, count(c, "early"), "what a hub sends while it accepts a client waits for the answer")
	})
}

func TestRecordsAreNeverSplit(t *testing.T) {
	t.Run("H48 records arrive whole however they were cut", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.server(dial{})
			c := w.connect("1", "")
			text := call("", "a") + call("", "b") + call("", "c")
			for _, b := range []byte(text) {
				s.data("1", string(b))
			}
			s.data("1", text[:50])
			s.data("1", text[50:])
			synctest.Wait()
			want := []string{"{}\x1e", call("", "a"), call("", "b"), call("", "c"), call("", "a"), call("", "b"), call("", "c")}
			require.Equal(t, want, c.Got(), "H48")
		})
	})
}
