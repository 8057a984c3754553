package servermode_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// C116: the text of a refusal reaches the client, also one that has been opened, and one that does not
// fetch it at once.
func TestH84ALateRefusal(t *testing.T) {
	for _, c := range []struct{ error, text string }{
		{"'nosuch' Hub could not be resolved.", "'nosuch' Hub could not be resolved."},
		{"", "The hub server has closed the connection."},
	} {
		for _, polled := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.aspnetServer(dial{})
				client := w.aspnet(aspnetOptions{id: "1", hubs: []string{"nosuch"}, polled: polled})
				client.wantFrames(initFrame)
				client.hold()
				s.forget()
				s.send(&sp.CloseConnection{ConnectionID: "1", Error: c.error})
				synctest.Wait()
				client.wantFrames()
				client.release()
				client.wantFrames(`{"C":"0","E":"` + c.text + `","M":[]}`)
				client.wantEnd(gateway.CloseClosedByAppServer, c.text)
				require.Empty(t, s.take(sp.TypeCloseConnection), "it knows")
			})
		}
	}
}

// A hub server may refuse a client before the gateway has opened it.
func TestH84ARefusalAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.aspnetServer(dial{on: func(s *hubServer, m sp.Message) {
			if open, ok := m.(*sp.OpenConnection); ok {
				s.send(&sp.CloseConnection{ConnectionID: open.ConnectionID, Error: "Unable to authorize request"})
			}
		}})
		c := w.aspnet(aspnetOptions{id: "1"})
		c.wantEnd(gateway.CloseClosedByAppServer, "Unable to authorize request")
		frames := c.frames()
		require.Equal(t, `{"C":"0","E":"Unable to authorize request","M":[]}`, frames[len(frames)-1])
	})
}
