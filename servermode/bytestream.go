package servermode

import (
	"errors"
	"io"

	"github.com/gorilla/websocket"
)

var errTextFrame = errors.New("a WebSocket message that is not binary")

// byteStream reads the content of a WebSocket's messages as one stream. Where messages begin and end
// does not matter (H14, H15, H16).
type byteStream struct {
	ws      *websocket.Conn
	message io.Reader
	// read is called with the number of bytes that have come.
	read func(n int)
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
			s.read(n)
			return n, err
		}
	}
}
