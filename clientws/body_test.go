package clientws

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
)

// The HTTP server waits for the body of a request before it begins the answer. So a GET that announces
// one and does not bring it is refused, and holds no connection.
func TestBodyOfAGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPipeFixture(t)
		token := f.token(auth.ClientTokenSpec{UserID: "u"})
		n := f.negotiate(token)
		conn, err := f.network.Dial(context.Background(), "tcp", "")
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "GET /client/?%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\nContent-Length: 5\r\n\r\n",
			n.query(), token)
		require.NoError(t, err)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		known, _ := f.gw.Lookup(n.ConnectionID)
		require.Nil(t, known)
	})
}
