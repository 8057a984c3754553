package gatewaytest

import (
	"strings"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// ReturnNumbered is a client with Options.Numbers coming back on another transport. The transport before
// may still be there. Of o only what concerns the transport is looked at.
func (c *Client) ReturnNumbered(o Options) (*Client, error) { return c.ReturnTo(c.Conn, o) }

// ReturnTo is ReturnNumbered for a client whose connection is another object now: that of another node.
func (c *Client) ReturnTo(conn *gateway.Conn, o Options) (*Client, error) {
	o.Numbers = true
	next := newClient(c.tb, o)
	if err := conn.Return(next); err != nil {
		if next.raw != nil {
			next.raw.close()
		}
		return nil, err
	}
	next.begin(conn)
	c.tb.Cleanup(next.cleanUp)
	return next, nil
}

// Records are the JSON records that the client has got whole on this transport, without pings.
func (c *Client) Records() (records []string) {
	for _, r := range c.Got() {
		if whole, ok := strings.CutSuffix(r, "\x1e"); ok && whole != `{"type":6}` {
			records = append(records, whole)
		}
	}
	return records
}

// SayPing, SayAck and SaySequence are the client saying one of the records that are about the
// connection. They return what Feed returns.
func (c *Client) SayPing() error { return c.Feed(hubprotocol.AppendPing(nil, hubprotocol.JSON)) }

// SayAck says that the client has read the records up to n.
func (c *Client) SayAck(n uint64) error {
	return c.Feed(hubprotocol.AppendAck(nil, hubprotocol.JSON, n))
}

// SaySequence says that the client's next record has number n.
func (c *Client) SaySequence(n uint64) error {
	return c.Feed(hubprotocol.AppendSequence(nil, hubprotocol.JSON, n))
}

var _ gateway.Transport = (*Client)(nil)
