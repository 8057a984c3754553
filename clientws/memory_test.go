package clientws

import (
	"bufio"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
)

// An idle client with stateful reconnect costs little more than one without, also after messages both ways.
func TestAnIdleStatefulClientTakesLittleMemoryMore(t *testing.T) {
	const clients = 400
	each := map[bool]int64{}
	for _, stateful := range []bool{false, true} {
		f := newFixture(t)
		token := f.user("u")
		ask, version := "negotiateVersion=1", 1
		if stateful {
			ask, version = askStateful, 2
		}
		var readers []*bufio.Reader
		open := func() {
			conn, err := f.network.Dial(t.Context(), "", "")
			require.NoError(t, err)
			t.Cleanup(func() { conn.Close() })
			_, err = fmt.Fprintf(conn, "GET /client/?%s&access_token=%s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", f.negotiateVersion(token, ask).query(), token)
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			readers = append(readers, r)
			res, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			require.Equal(t, 101, res.StatusCode)
			say := func(record []byte) {
				frame := append([]byte{0x81, 0x80 | byte(len(record)), 0, 0, 0, 0}, record...) // masked with zeros
				_, err := conn.Write(frame)
				require.NoError(t, err)
			}
			say(hubprotocol.AppendHandshakeRequest(nil, hubprotocol.JSON, version))
			skip(t, r)
			say([]byte(`{"type":1,"target":"A","arguments":[]}` + "\x1e"))
			if stateful {
				say(hubprotocol.AppendAck(nil, hubprotocol.JSON, 1)) // of the message to come
			}
		}
		for range 20 {
			open() // whatever is made once
		}
		before := memory()
		for range clients {
			open()
		}
		f.send("a")
		for _, r := range readers {
			skip(t, r)
		}
		// Two sweeps later nothing is kept for those who are idle, and what they said is acknowledged.
		require.Eventually(t, func() bool { return len(f.backend.Events()) == 2*len(readers) }, time.Minute, 10*time.Millisecond)
		if stateful {
			for _, r := range readers {
				skip(t, r)
			}
		}
		least := func() bool {
			each[stateful] = (memory() - before) / clients
			return !stateful || each[true]-each[false] < 1<<10
		}
		if !least() {
			require.Eventually(t, least, time.Minute, time.Second, "%d bytes for each, %d with stateful reconnect", each[false], each[true])
		}
	}
	t.Logf("%d bytes for each, %d with stateful reconnect", each[false], each[true])
}

// skip reads one frame.
func skip(t *testing.T, r *bufio.Reader) {
	t.Helper()
	_, err := r.ReadByte()
	require.NoError(t, err)
	size, err := r.ReadByte()
	require.NoError(t, err)
	_, err = r.Discard(int(size))
	require.NoError(t, err)
}

func memory() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
