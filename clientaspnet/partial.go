package clientaspnet

import (
	"bytes"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/transport"
)

var causeSize = gateway.Cause{Reason: gateway.CloseBadRequest, Text: "A message is too large."}

// partial is a message that comes in pieces and has not ended. The core counts its bytes (Conn.Hold).
type partial struct {
	conn *gateway.Conn
	text *bytes.Buffer
}

func beginPartial(conn *gateway.Conn) *partial {
	return &partial{conn: conn, text: transport.BorrowBody()}
}

// add adds a piece. An error is why the connection is closed.
func (p *partial) add(piece []byte, limits Limits) error {
	if p.text.Len()+len(piece) > limits.MessageBytes {
		p.conn.Close(causeSize)
		return causeSize
	}
	if err := p.conn.Hold(len(piece)); err != nil {
		return err
	}
	p.text.Write(piece)
	return nil
}

// end is called for a message that is whole, or whose WebSocket has ended. An error is why its connection
// was closed.
func (p *partial) end() error { return p.conn.Hold(-p.text.Len()) }
