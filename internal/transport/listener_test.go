package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
)

// patientPair is both ends of a connection in memory; the server's is a Listener's.
func patientPair(t *testing.T, timeout time.Duration) (server *patientConn, client net.Conn) {
	t.Helper()
	p := gatewaytest.NewPipes()
	l := Listener(p, func() time.Duration { return timeout })
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		accepted <- conn
	}()
	client, err := p.Dial(t.Context(), "", "")
	require.NoError(t, err)
	server = (<-accepted).(*patientConn)
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

func TestPatientWrites(t *testing.T) {
	write := func(c net.Conn, n int) <-chan error {
		done := make(chan error, 1)
		go func() {
			written, err := c.Write(make([]byte, n))
			if err == nil && written != n {
				err = io.ErrShortWrite
			}
			done <- err
		}()
		return done
	}
	run := func(name string, test func(t *testing.T, server *patientConn, client net.Conn)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := patientPair(t, 10*time.Second)
				test(t, server, client)
			})
		})
	}

	run("D12 no byte for the timeout ends it", func(t *testing.T, server *patientConn, _ net.Conn) {
		began := time.Now()
		require.True(t, isSlow(<-write(server, 100)))
		require.Equal(t, 10*time.Second, time.Since(began))
	})

	run("D12 one byte every nine seconds keeps it", func(t *testing.T, server *patientConn, client net.Conn) {
		done := write(server, 20)
		for range 20 {
			time.Sleep(9 * time.Second)
			_, err := client.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.NoError(t, <-done)
	})

	run("D12 a byte and then none", func(t *testing.T, server *patientConn, client net.Conn) {
		done := write(server, 20)
		time.Sleep(9 * time.Second)
		_, err := client.Read(make([]byte, 1))
		require.NoError(t, err)
		began := time.Now()
		require.True(t, isSlow(<-done))
		require.InDelta(t, 10.25, time.Since(began).Seconds(), 0.25)
	})

	run("a deadline is how long no byte may be taken", func(t *testing.T, server *patientConn, client net.Conn) {
		require.NoError(t, server.SetDeadline(time.Now().Add(4*time.Second)))
		done := write(server, 3)
		for range 3 {
			time.Sleep(3 * time.Second)
			_, err := client.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		require.NoError(t, <-done)
		began := time.Now()
		require.True(t, isSlow(<-write(server, 1)))
		require.Equal(t, 4*time.Second, time.Since(began))
		require.NoError(t, server.SetWriteDeadline(time.Time{}))
		began = time.Now()
		require.True(t, isSlow(<-write(server, 1)))
		require.Equal(t, 10*time.Second, time.Since(began))
	})

	run("a longer deadline does not help", func(t *testing.T, server *patientConn, _ net.Conn) {
		require.NoError(t, server.SetWriteDeadline(time.Now().Add(time.Hour)))
		began := time.Now()
		require.True(t, isSlow(<-write(server, 1)))
		require.Equal(t, 10*time.Second, time.Since(began))
	})

	run("a deadline in the past ends a write at once, until it is lifted", func(t *testing.T, server *patientConn, client net.Conn) {
		done := write(server, 20)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, server.SetWriteDeadline(time.Unix(1, 0)))
		require.True(t, isSlow(<-done))
		require.True(t, isSlow(<-write(server, 20)))
		require.Zero(t, time.Since(began))
		require.NoError(t, server.SetWriteDeadline(time.Time{}))
		done = write(server, 20)
		_, err := io.ReadFull(client, make([]byte, 20))
		require.NoError(t, err)
		require.NoError(t, <-done)
	})

	run("the peer's end is an error of its own", func(t *testing.T, server *patientConn, client net.Conn) {
		done := write(server, 20)
		synctest.Wait()
		require.NoError(t, client.Close())
		err := <-done
		require.Error(t, err)
		require.False(t, isSlow(err))
		require.True(t, errors.Is(server.CloseWrite(), errors.ErrUnsupported), "pipes have no half")
	})
}

func TestPatientTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	patient := Listener(l, func() time.Duration { return 10 * time.Second })
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := patient.Accept()
	require.NoError(t, err)
	defer server.Close()

	t.Run("the raw socket shows through", func(t *testing.T) {
		require.NotNil(t, patientUnder(server).raw)
		require.True(t, isPatient(server))
		over := tls.Server(server, &tls.Config{})
		require.True(t, isPatient(over))
		require.False(t, isPatient(client))
		require.False(t, isPatient(tls.Server(client, &tls.Config{})))
	})

	t.Run("more than the socket's buffer arrives whole", func(t *testing.T) {
		sent := strings.Repeat("0123456789abcdef", 1<<20)
		done := make(chan error, 1)
		go func() {
			_, err := io.WriteString(server, sent)
			done <- err
		}()
		got := make([]byte, len(sent))
		_, err := io.ReadFull(client, got)
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Equal(t, sent, string(got))
	})

	t.Run("writing allocates nothing", func(t *testing.T) {
		go func() { _, _ = io.Copy(io.Discard, client) }()
		b := []byte("0123456789")
		require.Zero(t, testing.AllocsPerRun(200, func() { _, _ = server.Write(b) }))
	})

	t.Run("a closed socket refuses", func(t *testing.T) {
		require.NoError(t, closeAtOnce(server))
		_, err := server.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}
