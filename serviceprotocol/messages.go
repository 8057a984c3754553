package serviceprotocol

import (
	"errors"
	"io"
)

// ErrTextMessage says that the peer sent a WebSocket message that is not binary.
var ErrTextMessage = errors.New("a WebSocket message that is not binary")

// binaryMessage is the type of binary messages, as in RFC 6455.
const binaryMessage = 2

// Messages are the messages of a WebSocket, as gorilla's websocket.Conn gives them.
type Messages interface {
	// NextReader returns the next message. What is left of the one before is passed over.
	NextReader() (messageType int, message io.Reader, err error)
}

// Content is the content of WebSocket messages, one after the other: where they begin and end
// means nothing (H14, H15, H16). It is the source of a Reader, and for one goroutine.
type Content struct {
	messages Messages
	message  io.Reader // being read; nil between two
}

// NewContent returns the content of the messages.
func NewContent(messages Messages) *Content { return &Content{messages: messages} }

// Read implements io.Reader. It blocks as NextReader does. Errors: ErrTextMessage, and those of
// the messages.
func (c *Content) Read(b []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.messages.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != binaryMessage {
				return 0, ErrTextMessage
			}
			c.message = message
		}
		n, err := c.message.Read(b)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
