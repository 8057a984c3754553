package transport

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gateway"
)

func recordsOf(parts ...[]byte) (records []gateway.OutRecord) {
	for _, p := range parts {
		records = append(records, gateway.OutRecord{Bytes: p})
	}
	return records
}

func TestAppendFrames(t *testing.T) {
	x := func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }
	frame := func(opcode byte, header []byte, n int) []byte {
		return append(append([]byte{0x80 | opcode}, header...), x(n)...)
	}
	for name, c := range map[string]struct {
		f       framing
		records []gateway.OutRecord
		want    []byte
	}{
		"nothing":       {framing{opText}, nil, nil},
		"empty record":  {framing{opText}, recordsOf(nil), nil},
		"C29 text":      {framing{opText}, recordsOf(x(2)), frame(1, []byte{2}, 2)},
		"C30 binary":    {framing{opBinary}, recordsOf(x(2)), frame(2, []byte{2}, 2)},
		"125 bytes":     {framing{opText}, recordsOf(x(125)), frame(1, []byte{125}, 125)},
		"126 bytes":     {framing{opText}, recordsOf(x(126)), frame(1, []byte{126, 0, 126}, 126)},
		"65535 bytes":   {framing{opText}, recordsOf(x(65535)), frame(1, []byte{126, 0xff, 0xff}, 65535)},
		"D16 64 KB":     {framing{opText}, recordsOf(x(65536)), frame(1, []byte{127, 0, 0, 0, 0, 0, 1, 0, 0}, 65536)},
		"C34 1 MB":      {framing{opText}, recordsOf(x(1 << 20)), frame(1, []byte{127, 0, 0, 0, 0, 0, 0x10, 0, 0}, 1<<20)},
		"D16 joined":    {framing{opText}, recordsOf(x(1), x(2), x(3)), frame(1, []byte{6}, 6)},
		"D16 two parts": {framing{opText}, recordsOf(x(65535), x(2), x(1)), append(frame(1, []byte{126, 0xff, 0xff}, 65535), frame(1, []byte{3}, 3)...)},
		"D16 small behind large": {framing{opText}, recordsOf(x(100_000), x(1)),
			append(frame(1, []byte{127, 0, 0, 0, 0, 0, 1, 0x86, 0xa0}, 100_000), frame(1, []byte{1}, 1)...)},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, c.f.AppendFrames(nil, c.records))
			require.Equal(t, append([]byte("before"), c.want...), c.f.AppendFrames([]byte("before"), c.records))
		})
	}
	require.True(t, gateway.Framing(framing{opText}) == gateway.Framing(framing{opText}), "comparable")
	require.Equal(t, []byte{0x88, 2, 0x03, 0xe8}, appendCloseFrame(nil, closeNormal))
}

func TestAppendFramesAllocatesNothing(t *testing.T) {
	records := recordsOf([]byte(`{"type":1,"target":"a"}`), []byte(`{"type":1,"target":"b"}`))
	dst := make([]byte, 0, 1<<10)
	var f gateway.Framing = framing{opText}
	require.Zero(t, testing.AllocsPerRun(100, func() { dst = f.AppendFrames(dst[:0], records) }))
}

// readBack reads frames with the WebSocket library, as a client.
func readBack(t *testing.T, frames []byte) (messages [][]byte) {
	t.Helper()
	server, client := net.Pipe()
	defer server.Close()
	go func() {
		defer server.Close()
		req, err := http.ReadRequest(bufio.NewReader(server))
		if err != nil {
			return
		}
		accept := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		_, _ = server.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			base64.StdEncoding.EncodeToString(accept[:]) + "\r\n\r\n"))
		_, _ = server.Write(frames)
	}()
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return client, nil }}
	conn, _, err := dialer.Dial("ws://x/", nil)
	require.NoError(t, err)
	defer conn.Close()
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure), "%v", err)
			return messages
		}
		messages = append(messages, message)
	}
}

func FuzzAppendFrames(f *testing.F) {
	f.Add([]byte("{}\x1e"), uint16(1), uint16(3))
	f.Add([]byte("0123456789"), uint16(7000), uint16(13000))
	f.Add([]byte{}, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, repeat, cut uint16) {
		if len(data)*int(repeat) > 1<<20 {
			t.Skip()
		}
		all := bytes.Repeat(data, int(repeat))
		var parts [][]byte
		for rest := all; len(rest) > 0; {
			n := min(len(rest), int(cut)+1)
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		messages := readBack(t, framing{opBinary}.AppendFrames(nil, recordsOf(parts...)))
		require.Equal(t, string(all), string(bytes.Join(messages, nil)))
		at := 0
		for _, m := range messages {
			require.NotEmpty(t, m)
			size := 0
			for n := 0; size < len(m); n++ {
				size += len(parts[at])
				at++
				require.True(t, n == 0 || size <= maxMessageBytes, "joined too far")
			}
			require.Equal(t, size, len(m), "a record was split")
		}
	})
}
