package servermode

import (
	"encoding/binary"
	"slices"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/internal/fields"
	sp "github.com/hubgate/hubgate/serviceprotocol"
)

// Hub servers of ASP.NET SignalR use any connection of the application for any of its clients. Data
// from one that has not the client, for a client of another node, goes to the node that its id names.

// strayServer stands for a server connection that has not the client. A session's hub server is never
// this one.
var strayServer hubServer = (*remoteServer)(nil)

// stray sends data that the connection has got to the client's node. The client's hub must be one of
// those that the connection serves.
func (l *peerLink) stray(sc *serverConn) {
	hubs, body := sc.serves(), sc.reader.body
	frame := binary.AppendUvarint([]byte{byte(opStray)}, uint64(len(hubs)))
	for _, hub := range hubs {
		frame = fields.AppendText(frame, hub)
	}
	frame = append(frame, body...)
	if !sc.waitForLink(l, len(frame)) || !l.Send(frame) {
		sc.lose(LossPeerBehind, "node", l.Name())
	}
}

// heardStray takes such data for a client of this node.
func (l *peerLink) heardStray(r *fields.Reader) error {
	hubs := readTexts(r, maxPeerHubs)
	if err := malformed(r); err != nil {
		return err
	}
	m, err := l.decoder.Decode(r.Rest)
	data, ok := m.(*sp.ConnectionData)
	if err != nil || !ok {
		return errPeer
	}
	s, ended := l.b.sessionOf(data.ConnectionID)
	switch {
	case ended: // a moment ago
	case s == nil || !slices.Contains(hubs, s.hub()):
		l.b.counts.lose(LossUnknownConnection)
	default:
		if loss := s.dialect().deliver(s, strayServer, data); loss != "" {
			l.b.counts.lose(loss)
		}
	}
	return nil
}

// sessionOf returns the session of a client of this node, nil if it has none. ended is set for a
// client that has just ended.
func (b *Backend) sessionOf(id string) (s *session, ended bool) {
	var c *gateway.Conn
	if c, ended = b.gw.Lookup(id); c == nil || ended {
		return nil, ended
	}
	s, _ = c.Session().(*session)
	return s, false
}
