package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/internal/logsum"
)

// failingListener accepts nothing.
type failingListener struct {
	net.Listener
	err error
}

func (l failingListener) Accept() (net.Conn, error) { return nil, l.err }

func TestConnectionsThatCannotBeAcceptedAreToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, counted := newOutput(), 0
		log, err := newLogger(out, config.Log{Level: "info", Format: "text"})
		require.NoError(t, err)
		w := newAcceptWatch(log, func() { counted++ })
		full := w.listener(failingListener{err: fmt.Errorf("accept: %w", os.NewSyscallError("accept4", errNoDescriptor))})
		for range 30 {
			_, err := full.Accept()
			require.ErrorIs(t, err, errNoDescriptor)
		}
		_, err = w.listener(failingListener{err: fmt.Errorf("accept: %w", net.ErrClosed)}).Accept()
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, 30, counted, "a closed listener is no failure")
		require.Equal(t, 1, strings.Count(out.String(), `level=ERROR msg="connections cannot be accepted" error="no file descriptor is left" advice=`), out)
		time.Sleep(logsum.Every)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(out.String(), "\n"), out)
		require.Contains(t, out.String(), "times=29\n")
		w.lines.Close()
	})
}

func TestTooFewDescriptorsAreToldAtTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit   uint64
		clients int
		want    string
	}{
		{0, 0, ""}, {4096, 0, ""}, {1 << 20, 100_000, ""}, {1128, 1000, ""},
		{1127, 1000, "may have 1127 files and connections open: too few for the 1000 clients of limits.maxConnections; raise ulimit -n (LimitNOFILE) to 1128"},
		{1024, 0, "may have 1024 files and connections open, one for each client: raise ulimit -n"},
	} {
		text := descriptorWarning(tt.limit, tt.clients)
		require.Contains(t, text, tt.want)
		require.Equal(t, tt.want == "", text == "", text)
	}
	p := start(t, "--limits-max-connections", "99000000")
	if limit := descriptorLimit(); limit > 0 && limit < 99_000_000 {
		require.Contains(t, p.logs.String(), `msg="few file descriptors"`)
	}
	_, metrics := p.get(p.Admin + "/metrics")
	require.Contains(t, metrics, "\nhubgate_accept_failures_total 0\n")
}
