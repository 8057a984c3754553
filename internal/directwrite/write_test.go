//go:build unix

package directwrite_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/directwrite"
)

// pair returns both ends of a connection, and the first one's socket.
func pair(t testing.TB) (a, b *net.TCPConn, raw syscall.RawConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	a, b = client.(*net.TCPConn), server.(*net.TCPConn)
	raw, err = a.SyscallConn()
	require.NoError(t, err)
	return a, b, raw
}

// Nobody reads. What the socket has no room for is left, and nothing waits.
func TestASocketTakesWhatItHasRoomFor(t *testing.T) {
	require.True(t, directwrite.Possible)
	a, b, raw := pair(t)
	w := directwrite.New()
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	total, full := 0, false
	for range 1000 {
		n, err := w.Write(raw, content[total%16:])
		require.NoError(t, err)
		if total += n; n == 0 {
			full = true
			break
		}
	}
	require.True(t, full)
	require.NoError(t, a.CloseWrite())
	got, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Len(t, got, total)
	for i, c := range got {
		if c != content[i%16] {
			t.Fatalf("byte %d is %q", i, c)
		}
	}
}

func TestAnEndedConnection(t *testing.T) {
	a, b, raw := pair(t)
	w := directwrite.New()
	n, err := w.Write(raw, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	require.NoError(t, b.SetLinger(0))
	require.NoError(t, b.Close()) // resets the connection
	_, err = a.Read(make([]byte, 1))
	require.Error(t, err)
	n, err = w.Write(raw, []byte("x"))
	require.Zero(t, n)
	require.True(t, errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET), err)
	require.NoError(t, a.Close())
	_, err = w.Write(raw, []byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	// The same writer goes on with another socket.
	_, b, raw = pair(t)
	n, err = w.Write(raw, []byte("hello"))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	got := make([]byte, 5)
	_, err = io.ReadFull(b, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

func TestWritingAllocatesNothing(t *testing.T) {
	_, b, raw := pair(t)
	w := directwrite.New()
	content, got := []byte("hello"), make([]byte, 5)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n, err := w.Write(raw, content)
		if n != 5 || err != nil {
			t.Fatal(n, err)
		}
		_, _ = io.ReadFull(b, got)
	}))
}

// BenchmarkWrite compares a write without telling the scheduler with one that does.
func BenchmarkWrite(b *testing.B) {
	content := bytes.Repeat([]byte("x"), 200)
	b.Run("direct", func(b *testing.B) {
		_, server, raw := pair(b)
		go io.Copy(io.Discard, server)
		w := directwrite.New()
		for b.Loop() {
			_, _ = w.Write(raw, content)
		}
	})
	b.Run("syscall.Write", func(b *testing.B) {
		_, server, raw := pair(b)
		go io.Copy(io.Discard, server)
		write := func(fd uintptr) bool { _, _ = syscall.Write(int(fd), content); return true }
		for b.Loop() {
			_ = raw.Write(write)
		}
	})
}
