package gatewaytest

import (
	"bytes"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// Marked is a protocol that the core does not know, for clients that may lose their transport and come
// back. A record is "CURSOR|TEXT" and the separator of JSON records; one without a cursor is "|TEXT".
const Marked = "marked"

// Init is the first record that a client of Marked gets.
var Init = MarkedRecord("", "init")

// MarkedRecord makes a record. The cursor may be empty.
func MarkedRecord(cursor, text string) []byte {
	return append([]byte(cursor+"|"+text), hubprotocol.RecordSeparator)
}

// Manner is that of Marked.
type Manner struct{}

// Periods of Manner.
const (
	MarkedKeepAlive = 10 * time.Second
	MarkedAway      = 30 * time.Second
)

var markedPing = MarkedRecord("", "ping")

// Ping implements gateway.Manner.
func (Manner) Ping() []byte { return markedPing }

// First implements gateway.Manner.
func (Manner) First() []byte { return Init }

// Close implements gateway.Manner: the record names the reason.
func (Manner) Close(cause gateway.Cause, polled bool) []byte {
	if polled {
		return MarkedRecord("", "close a poll "+string(cause.Reason))
	}
	return MarkedRecord("", "close "+string(cause.Reason))
}

// HasCursor implements gateway.Manner.
func (Manner) HasCursor(record []byte, cursor string) bool {
	have, _, _ := bytes.Cut(record, []byte("|"))
	return string(have) == cursor
}

// Marked implements gateway.Manner.
func (Manner) Marked(record []byte) bool { return record[0] != '|' }

// KeepAlive implements gateway.Manner.
func (Manner) KeepAlive() time.Duration { return MarkedKeepAlive }

// Away implements gateway.Manner.
func (Manner) Away() time.Duration { return MarkedAway }

// Manner implements gateway.MannerTransport; nil for clients that do not return.
func (c *Client) Manner() gateway.Manner { return c.manner }

// Cursor is that of the last record with one that the client has got whole, "0" if there was none.
func (c *Client) Cursor() string {
	cursor := c.cursor
	for _, r := range c.Got() {
		if have, _, _ := strings.Cut(r, "|"); have != "" && r[len(r)-1] == hubprotocol.RecordSeparator {
			cursor = have
		}
	}
	return cursor
}

// Texts are those of the records that the client has got whole on this transport, without what the
// gateway says of itself: Init and pings.
func (c *Client) Texts() (texts []string) {
	for _, r := range c.Got() {
		_, text, _ := strings.Cut(r, "|")
		if whole, ok := strings.CutSuffix(text, "\x1e"); ok && whole != "init" && whole != "ping" {
			texts = append(texts, whole)
		}
	}
	return texts
}

// Return is the client coming back on another transport, with the cursor of the last record that it has
// read. The transport before may still be there. Of o only what concerns the transport is looked at.
func (c *Client) Return(o Options, cursor string) (*Client, error) {
	return c.replace(o, cursor, nil)
}

// FallBack is the client trying another transport because it has not heard that it is connected.
func (c *Client) FallBack(o Options) (*Client, error) { return c.replace(o, "0", Init) }

func (c *Client) replace(o Options, cursor string, first []byte) (*Client, error) {
	o.Returns = true
	next := newClient(c.tb, o)
	next.cursor = cursor
	if err := c.Conn.Replace(next, cursor, first); err != nil {
		if next.raw != nil {
			next.raw.close()
		}
		return nil, err
	}
	next.begin(c.Conn)
	c.tb.Cleanup(next.cleanUp)
	return next, nil
}
