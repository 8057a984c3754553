package main

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/internal/logsum"
	"github.com/hubgate/hubgate/internal/transport"
	"github.com/hubgate/hubgate/restapi"
)

// Whoever floods the gateway with requests that it refuses does not flood its log.
func TestRefusalsAreSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		plain, err := newLogger(out, config.Log{Level: "info", Format: "text"})
		require.NoError(t, err)
		log, stop := sumRefusals(plain)
		clients := log.With("part", "clients")
		refuse := func(reason, remote string) { clients.Info(transport.LogRefused, "reason", reason, "remote", remote) }
		for range 1000 {
			refuse("TokenMissing", "10.0.0.1")
		}
		refuse("TokenExpired", "10.0.0.2")
		log.Warn(restapi.LogFailed, "operation", "Broadcast", "reason", "InvalidBody", "error", errors.New("no JSON"))
		log.Warn(restapi.LogFailed, "operation", "Send", "reason", "InvalidBody")
		for range 3 {
			log.Error(restapi.LogFailed, "operation", "Send", "reason", "Panic") // a fault is told each time
			log.Info("another line", "reason", "TokenMissing")
		}
		require.Equal(t, 1+1+2+3+3, strings.Count(out.String(), "\n"), out)
		require.Contains(t, out.String(), "reason=TokenMissing remote=10.0.0.1")
		time.Sleep(logsum.Every)
		synctest.Wait()
		require.Contains(t, out.String(), `msg="client request refused" part=clients reason=TokenMissing times=999 see=docs/errors.md#client-tokenmissing`+"\n")
		refuse("TokenMissing", "10.0.0.3")
		stop()
		require.Contains(t, out.String(), "reason=TokenMissing times=1 see=docs/errors.md#client-tokenmissing\n", "the end loses nothing")
	})
}

// An application that adds a connection to more groups than it may be in does so thousands of times.
func TestGroupsThatAreNotJoinedAreSummedUp(t *testing.T) {
	out := newOutput()
	plain, err := newLogger(out, config.Log{Level: "info", Format: "text"})
	require.NoError(t, err)
	log, stop := sumRefusals(plain)
	limits := gateway.DefaultLimits()
	limits.MaxGroups = 1
	g, err := gateway.New(gateway.Options{Backend: &gatewaytest.Backend{}, Logger: log, Limits: func() gateway.Limits { return limits }})
	require.NoError(t, err)
	defer g.Close()
	gatewaytest.Connect(t, g, gatewaytest.Options{ID: "1", Hub: "chat"})
	refused := 0
	for i := range 1001 {
		_, err := g.Do(t.Context(), &gateway.Command{Hub: "chat", Verb: gateway.VerbJoin, Group: strconv.Itoa(i),
			Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"1"}}})
		if errors.Is(err, gateway.ErrTooManyGroups) {
			refused++
		}
	}
	stop()
	require.Equal(t, 1000, refused)
	require.Equal(t, 2, strings.Count(out.String(), gateway.LogNotJoined), out)
	require.Contains(t, out.String(), "times=999\n")
}

// A client that sends faster than its webhooks answer does not flood the log.
func TestRefusedRecordsAreSummedUp(t *testing.T) {
	t.Parallel()
	h := newHook(t, hangs)
	p := start(t, append(h.upstream("--log-level", "info", "--drain-timeout", "50ms"), "--upstream-queue-per-connection", "1")...)
	c := p.connect("chat", "ann")
	<-h.calls // connected
	c.send(many(200, 1))
	for refused := range 198 { // one waits; the first may be under way
		require.Contains(t, c.next(), "too many invocations", refused)
	}
	p.stop()
	require.Equal(t, 2, strings.Count(p.logs.String(), gateway.LogRecordRefused), p.logs)
	require.Regexp(t, `times=19[78]\n`, p.logs.String())
}

func TestEveryRefusalAtDebug(t *testing.T) {
	t.Parallel()
	p := start(t) // at debug
	for range 2 {
		_, _ = p.get(p.URL + "/client/?hub=chat")
	}
	require.Equal(t, 2, strings.Count(p.logs.String(), transport.LogRefused))
}

func TestFloodOfRefusals(t *testing.T) {
	t.Parallel()
	p := start(t, "--log-level", "info")
	for range 50 {
		_, _ = p.get(p.URL + "/client/?hub=chat")
		_, _ = p.get(p.URL + "/api/hubs/chat/users/u")
		_, _ = p.get(p.URL + "/server/?hub=chat")
	}
	require.Zero(t, p.stop())
	for _, text := range []string{transport.LogRefused, restapi.LogFailed, "server connection refused"} {
		lines, times := 0, 0
		for line := range strings.Lines(p.logs.String()) {
			if !strings.Contains(line, text) {
				continue
			}
			lines++
			n, _ := strconv.Atoi(firstMatch(`times=(\d+)`, line))
			times += n
		}
		require.Equal(t, 49, times, p.logs) // the first one has a line of its own
		require.Less(t, lines, 10, p.logs)  // 2, and 1 for each minute that all this takes
	}
}
