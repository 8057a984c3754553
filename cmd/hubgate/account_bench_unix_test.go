//go:build unix

package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/admin"
	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/gatewaytest"
	"github.com/hubgate/hubgate/hubprotocol"
	"github.com/hubgate/hubgate/internal/flight"
)

// socketTransport is written to by workers, like a WebSocket.
type socketTransport struct {
	idleTransport
	raw syscall.RawConn
}

func (t socketTransport) Abilities() gateway.Abilities { return gateway.Abilities{} }
func (t socketTransport) Raw() syscall.RawConn         { return t.raw }
func (t socketTransport) Framing() gateway.Framing     { return plainly{} }

type plainly struct{}

func (plainly) AppendFrames(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		dst = append(dst, r.Bytes...)
	}
	return dst
}

// BenchmarkRecordedSend measures sends to sockets with the flight recorder and without. The CPU time of the whole
// process says more than the time that passes, where other programs run.
func BenchmarkRecordedSend(b *testing.B) {
	for _, receivers := range []int{1, 1000} {
		for _, size := range []int{0, 4 << 20} {
			b.Run(fmt.Sprintf("to %d, recorder of %d MiB", receivers, size>>20), func(b *testing.B) {
				o := newObserver(slog.New(slog.DiscardHandler), admin.New("test").Metrics)
				defer o.unheard.Close()
				if size > 0 {
					o.account = &account{ring: flight.New(size)}
				}
				g, err := gateway.New(gateway.Options{Backend: &gatewaytest.Backend{}, Observer: o, Recorder: o.account.forGateway(), Workers: 1})
				require.NoError(b, err)
				defer g.Close()
				o.gateway = g
				sockets(b, g, receivers)
				frames, err := hubprotocol.NewInvocation(hubprotocol.JSON, "news", []byte(`["hello"]`))
				require.NoError(b, err)
				target := gateway.Target{Kind: gateway.TargetAll}
				if receivers == 1 {
					target = gateway.Target{Kind: gateway.TargetUsers, IDs: []string{"ann"}}
				}
				cmd := &gateway.Command{Hub: "chat", Verb: gateway.VerbSend, Target: target, Frames: frames, By: gateway.SenderREST}
				barrier := &gateway.Command{Hub: "chat", Verb: gateway.VerbCount, Target: gateway.Target{Kind: gateway.TargetConnections, IDs: []string{"0"}}}
				b.ReportAllocs()
				before := cpuTime()
				for b.Loop() {
					_, _ = g.Do(b.Context(), cmd)
					_, _ = g.Do(b.Context(), barrier)
				}
				b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpuTime is what the process has used, in nanoseconds.
func cpuTime() int64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

func sockets(b *testing.B, g *gateway.Gateway, n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { l.Close() })
	for i := range n {
		client, err := net.Dial("tcp", l.Addr().String())
		require.NoError(b, err)
		server, err := l.Accept()
		require.NoError(b, err)
		b.Cleanup(func() { client.Close(); server.Close() })
		raw, err := server.(*net.TCPConn).SyscallConn()
		require.NoError(b, err)
		c, err := g.Attach(gateway.Identity{ID: fmt.Sprint(i), Hub: "chat", User: "ann"}, socketTransport{raw: raw})
		require.NoError(b, err)
		require.NoError(b, c.Feed([]byte(`{"protocol":"json","version":1}`+"\x1e")))
		go func() { _, _ = io.Copy(io.Discard, client) }()
	}
}
