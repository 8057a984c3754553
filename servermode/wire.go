package servermode

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

var errTextFrame = errors.New("a WebSocket message that is not binary")

// byteStream is the content of the WebSocket messages, one after the other:
// where they begin and end means nothing (H14, H15, H16).
type byteStream struct {
	ws       *websocket.Conn
	message  io.Reader
	lastRead *atomic.Int64 // unix nanoseconds
	bytesIn  *atomic.Uint64
}

// Read implements io.Reader.
func (s *byteStream) Read(b []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errTextFrame
			}
			s.message = message
		}
		n, err := s.message.Read(b)
		if err == io.EOF {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			s.lastRead.Store(time.Now().UnixNano())
			s.bytesIn.Add(uint64(n))
			return n, err
		}
	}
}
