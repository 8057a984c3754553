package transport

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

// deadlined is an answer that knows its write deadline.
type deadlined struct {
	http.ResponseWriter
	deadline time.Time
	flushing func()
}

func (d *deadlined) SetWriteDeadline(t time.Time) error {
	d.deadline = t
	return nil
}

func (d *deadlined) FlushError() error {
	d.flushing()
	return nil
}

// The connection of a request serves others: a transport that ends while its answer leaves must not take the
// deadline along to them.
func TestEndDuringTheLastBytes(t *testing.T) {
	var s Stream
	s.Init()
	cause := gateway.Cause{Reason: gateway.CloseNormal}
	w := &deadlined{ResponseWriter: httptest.NewRecorder()}
	w.flushing = func() {
		s.End(cause)
		require.Equal(t, time.Unix(1, 0), w.deadline, "what is under way is cut")
	}
	require.NoError(t, s.Write(w, []byte("x"), time.Minute))
	require.True(t, w.deadline.IsZero(), "%v", w.deadline)
	require.Equal(t, ErrGone, s.Write(w, []byte("x"), time.Minute))
}
