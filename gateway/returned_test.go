package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/hubprotocol"
)

// leaver is a transport that may be replaced.
type leaver struct {
	silent
	_ byte // so that each has an address of its own
}

func (*leaver) Abilities() Abilities { return Abilities{Returns: true} }
func (*leaver) Manner() Manner       { return plainManner{} }

type plainManner struct{ Manner }

func (plainManner) Marked([]byte) bool { return true }

// diary is a session that writes down what it is told.
type diary struct{ told []string }

func (*diary) Supports(string) bool                       { return true }
func (d *diary) Accept(*Conn, Handshake) (Session, error) { return d, nil }
func (*diary) Speaker() Speaker                           { return ApplicationSpeaks }
func (d *diary) Opened()                                  { d.told = append(d.told, "opened") }
func (d *diary) Closed(Cause)                             { d.told = append(d.told, "closed") }
func (d *diary) Returned()                                { d.told = append(d.told, "returned") }
func (d *diary) Received(r Record) bool {
	d.told = append(d.told, string(r.Body))
	return true
}

// Another reader was inside when the client came back, and a record of the new transport is handed over
// before that reader comes to telling the session of the return.
func TestAReturnIsToldBeforeTheNextRecord(t *testing.T) {
	var d diary
	g, err := build(Options{Backend: &d, Workers: 1})
	require.NoError(t, err)
	c, err := g.Attach(Identity{ID: "1", Hub: "chat"}, new(leaver))
	require.NoError(t, err)
	require.NoError(t, c.Start(Handshake{HandshakeRequest: hubprotocol.HandshakeRequest{Protocol: "plain"}}))
	c.Open([]byte("hello"))
	workAll(g)
	c.reader.mu.Lock()
	o := &replaceOp{conn: c, by: new(leaver), from: behind(fromTheStart), done: make(chan error, 1)}
	o.apply(g.workers[0])
	require.NoError(t, <-o.done)
	c.tellReturns()
	c.reader.mu.Unlock()
	require.Equal(t, []string{"opened"}, d.told)
	require.NoError(t, c.Record([]byte("call")))
	require.Equal(t, []string{"opened", "returned", "call"}, d.told)
	c.Ended(Cause{Reason: CloseNormal})
	workAll(g)
	require.NoError(t, g.Check())
}
