package clientaspnet

import (
	"bufio"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// An idle client with a WebSocket costs no buffer and one small goroutine: at most 10 KB, of which this
// counts all but the kernel's share, and the socket of the client's side too.
func TestIdleClientMemory(t *testing.T) {
	const clients = 500
	f := newFixture(t)
	used := func() int64 {
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	open := func() {
		c := f.negotiate(f.user("u"))
		conn, err := f.network.Dial(t.Context(), "", "")
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = fmt.Fprintf(conn, "GET /aspnetclient/connect?%s&access_token=%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", c.query("webSockets", ""), c.token)
		require.NoError(t, err)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		require.Equal(t, 101, res.StatusCode)
		frame := make([]byte, 2+len(`{"C":"0","S":1,"M":[]}`))
		_, err = r.Read(frame)
		require.NoError(t, err)
	}
	for range 20 {
		open() // whatever is made once
	}
	goroutines, before := runtime.NumGoroutine(), used()
	for range clients {
		open()
	}
	each := (used() - before) / clients
	t.Logf("%d bytes, %d goroutines for each of %d clients", each, (runtime.NumGoroutine()-goroutines)/clients, clients)
	require.LessOrEqual(t, runtime.NumGoroutine()-goroutines, clients+20)
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	require.Less(t, each, int64(10<<10))
}
