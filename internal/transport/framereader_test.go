package transport

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
)

// readFrames reads a stream in pieces of the given size and returns the data, the control frames in
// the form "9:payload " and how it ended, nil if it did not.
func readFrames(stream []byte, size int) (data, control string, end error) {
	var f frameReader
	stream = bytes.Clone(stream)
	for len(stream) > 0 && end == nil {
		b := stream[:min(size, len(stream))]
		stream = stream[len(b):]
		for len(b) > 0 && end == nil {
			var p piece
			var n int
			p, n, end = f.next(b)
			b = b[n:]
			switch {
			case end != nil:
			case p.opcode == opText || p.opcode == opBinary:
				data += string(p.payload)
			case p.opcode != 0:
				control += string('0'+rune(p.opcode)) + ":" + string(p.payload) + " "
			}
		}
	}
	return data, control, end
}

func TestFrameReader(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine reads everything, for which the race detector takes long")
	}
	const text, binary, cont = finalBit | opText, finalBit | opBinary, finalBit | opContinuation
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	long := strings.Repeat("0123456789", 7000)
	for name, c := range map[string]struct {
		stream        []byte
		data, control string
		end           error
	}{
		"text":                      {gatewaytest.ClientFrame(text, "hello"), "hello", "", nil},
		"empty messages":            {join(gatewaytest.ClientFrame(text, ""), gatewaytest.ClientFrame(binary, ""), gatewaytest.ClientFrame(text, "x")), "x", "", nil},
		"125 bytes":                 {gatewaytest.ClientFrame(text, long[:125]), long[:125], "", nil},
		"126 bytes":                 {gatewaytest.ClientFrame(text, long[:126]), long[:126], "", nil},
		"65535 bytes":               {gatewaytest.ClientFrame(text, long[:65535]), long[:65535], "", nil},
		"65536 bytes":               {gatewaytest.ClientFrame(text, long[:65536]), long[:65536], "", nil},
		"fragments":                 {join(gatewaytest.ClientFrame(opText, "a"), gatewaytest.ClientFrame(opContinuation, "b"), gatewaytest.ClientFrame(cont, "c"), gatewaytest.ClientFrame(text, "d")), "abcd", "", nil},
		"control between fragments": {join(gatewaytest.ClientFrame(opText, "a"), gatewaytest.ClientFrame(finalBit|opPing, "p"), gatewaytest.ClientFrame(cont, "b"), gatewaytest.ClientFrame(finalBit|opPong, "")), "ab", "9:p ::" + " ", nil},
		"125 bytes of ping":         {gatewaytest.ClientFrame(finalBit|opPing, long[:125]), "", "9:" + long[:125] + " ", nil},
		"binary need not be text":   {gatewaytest.ClientFrame(binary, "\xff\xfe"), "\xff\xfe", "", nil},
		"text in three alphabets":   {gatewaytest.ClientFrame(text, "κόσμε 世界 😀 \ufffd"), "κόσμε 世界 😀 \ufffd", "", nil},
		"a character in two frames": {join(gatewaytest.ClientFrame(opText, "\xf0\x9f"), gatewaytest.ClientFrame(cont, "\x98\x80")), "😀", "", nil},
		"close":                     {join(gatewaytest.ClientFrame(text, "a"), gatewaytest.ClientFrame(finalBit|opClose, ""), gatewaytest.ClientFrame(text, "b")), "a", "", peerClosed{}},
		"close with code":           {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xe8"), "", "", peerClosed{}},
		"close with reason":         {gatewaytest.ClientFrame(finalBit|opClose, "\x0f\xa0bye κ"), "", "", peerClosed{}},

		"not masked":                    {[]byte{0x81, 2, 'h', 'i'}, "", "", violation(1002)},
		"not masked, control":           {[]byte{0x89, 0}, "", "", violation(1002)},
		"reserved bit 1":                {gatewaytest.ClientFrame(text|0x40, "x"), "", "", violation(1002)},
		"reserved bit 2":                {gatewaytest.ClientFrame(text|0x20, "x"), "", "", violation(1002)},
		"reserved bit 3":                {gatewaytest.ClientFrame(finalBit|opPing|0x10, ""), "", "", violation(1002)},
		"opcode 3":                      {gatewaytest.ClientFrame(finalBit|3, "x"), "", "", violation(1002)},
		"opcode 7":                      {gatewaytest.ClientFrame(finalBit|7, "x"), "", "", violation(1002)},
		"opcode 11":                     {gatewaytest.ClientFrame(finalBit|11, ""), "", "", violation(1002)},
		"opcode 15":                     {gatewaytest.ClientFrame(finalBit|15, ""), "", "", violation(1002)},
		"long ping":                     {gatewaytest.ClientFrame(finalBit|opPing, long[:126]), "", "", violation(1002)},
		"fragmented ping":               {gatewaytest.ClientFrame(opPing, "x"), "", "", violation(1002)},
		"continuation of nothing":       {gatewaytest.ClientFrame(cont, "x"), "", "", violation(1002)},
		"continuation after the end":    {join(gatewaytest.ClientFrame(text, "a"), gatewaytest.ClientFrame(cont, "b")), "a", "", violation(1002)},
		"text within a message":         {join(gatewaytest.ClientFrame(opText, "a"), gatewaytest.ClientFrame(text, "b")), "a", "", violation(1002)},
		"a length of 64 bits":           {[]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, "", "", violation(1002)},
		"close with half a code":        {gatewaytest.ClientFrame(finalBit|opClose, "\x03"), "", "", violation(1002)},
		"close with 999":                {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xe7"), "", "", violation(1002)},
		"close with 1004":               {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xec"), "", "", violation(1002)},
		"close with 1005":               {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xed"), "", "", violation(1002)},
		"close with 1006":               {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xee"), "", "", violation(1002)},
		"close with 1015":               {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xf7"), "", "", violation(1002)},
		"close with 2999":               {gatewaytest.ClientFrame(finalBit|opClose, "\x0b\xb7"), "", "", violation(1002)},
		"close with 5000":               {gatewaytest.ClientFrame(finalBit|opClose, "\x13\x88"), "", "", violation(1002)},
		"close with bad text":           {gatewaytest.ClientFrame(finalBit|opClose, "\x03\xe8\xff"), "", "", violation(1007)},
		"not UTF-8":                     {gatewaytest.ClientFrame(text, "\xff"), "", "", violation(1007)},
		"a surrogate":                   {gatewaytest.ClientFrame(text, "\xed\xa0\x80"), "", "", violation(1007)},
		"an overlong form":              {gatewaytest.ClientFrame(text, "\xc0\xaf"), "", "", violation(1007)},
		"beyond Unicode":                {gatewaytest.ClientFrame(text, "\xf4\x90\x80\x80"), "", "", violation(1007)},
		"half a character at the end":   {gatewaytest.ClientFrame(text, "\xe2\x82"), "", "", violation(1007)},
		"half a character, then an end": {join(gatewaytest.ClientFrame(opText, "\xe2\x82"), gatewaytest.ClientFrame(cont, "")), "\xe2\x82", "", violation(1007)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{len(c.stream), 1, 3, 8, 1000} {
				data, control, end := readFrames(c.stream, size)
				require.Equal(t, c.end, end, size)
				require.Equal(t, c.control, control)
				if c.end == error(violation(closeInvalidText)) {
					require.Less(t, len(data), 4, "as far as it may be text")
				} else {
					require.Equal(t, c.data, data)
				}
			}
		})
	}
}

func TestFrameReaderAllocatesNothing(t *testing.T) {
	var f frameReader
	frame := gatewaytest.ClientFrame(finalBit|opBinary, strings.Repeat("x", 200))
	// A length is only a number: nothing is reserved for it.
	huge := []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for b := frame; len(b) > 0; {
			_, n, err := f.next(b)
			if err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		f = frameReader{}
		_, _, _ = f.next(huge)
		f = frameReader{}
	}))
}

// FuzzFrameReader compares with the reader of another library, which does not look into texts.
func FuzzFrameReader(f *testing.F) {
	f.Add(gatewaytest.ClientFrame(finalBit|opText, "hello"), uint8(3))
	f.Add(append(gatewaytest.ClientFrame(opText, "a"), gatewaytest.ClientFrame(finalBit|opContinuation, "b")...), uint8(1))
	f.Add(append(gatewaytest.ClientFrame(finalBit|opPing, "p"), gatewaytest.ClientFrame(finalBit|opClose, "\x03\xe8bye")...), uint8(200))
	f.Add([]byte{0x81, 2, 'h', 'i'}, uint8(9))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		if len(stream) > 4<<10 {
			t.Skip()
		}
		data, _, end := readFrames(stream, int(size)+1)
		want, wantEnd := otherReader(stream)
		switch {
		case errors.Is(wantEnd, websocket.ErrReadLimit):
			return // the other adds up lengths, beyond what its numbers hold
		case end == error(violation(closeInvalidText)):
			return // stricter
		case end != nil && wantEnd == nil:
			// Stricter: what a half header refuses, half a code in a Close frame.
			require.NotEqual(t, error(peerClosed{}), end)
		case end == error(peerClosed{}):
			require.ErrorAs(t, wantEnd, new(*websocket.CloseError))
		case end == nil:
			require.Nil(t, wantEnd)
		default:
			require.NotNil(t, wantEnd)
		}
		require.Equal(t, want, data)
	})
}

// otherReader returns the data of a stream, and an error unless it just stopped.
func otherReader(stream []byte) (data string, end error) {
	conn := websocketServer(stream)
	conn.SetPingHandler(func(string) error { return nil })
	conn.SetCloseHandler(func(int, string) error { return nil })
	for {
		_, r, err := conn.NextReader()
		if err == nil {
			var b []byte
			b, err = io.ReadAll(r)
			data += string(b)
		}
		var closed *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &closed) && closed.Code == websocket.CloseAbnormalClosure, errors.Is(err, io.ErrUnexpectedEOF):
			return data, nil
		default:
			return data, err
		}
	}
}

// hijackable lends a connection to the other library.
type hijackable struct {
	http.ResponseWriter
	conn net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func websocketServer(stream []byte) *websocket.Conn {
	r := httptest.NewRequest("GET", "/", nil)
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(k, v)
	}
	conn, err := new(websocket.Upgrader).Upgrade(hijackable{httptest.NewRecorder(), deadEnd{r: bytes.NewReader(stream)}}, r, nil)
	if err != nil {
		panic(err)
	}
	return conn
}

// deadEnd is a connection that says what it is told to and takes everything.
type deadEnd struct {
	net.Conn
	r io.Reader
}

func (d deadEnd) Read(b []byte) (int, error)     { return d.r.Read(b) }
func (deadEnd) Write(b []byte) (int, error)      { return len(b), nil }
func (deadEnd) Close() error                     { return nil }
func (deadEnd) SetDeadline(time.Time) error      { return nil }
func (deadEnd) SetReadDeadline(time.Time) error  { return nil }
func (deadEnd) SetWriteDeadline(time.Time) error { return nil }
