package servermode

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/hubgate/hubgate/internal/fields"
)

// handedSession is all of a session that another node needs to go on with it.
type handedSession struct {
	// node is the tag of the node of the server connection, number what other nodes know that by, and
	// server the server id of the hub server.
	node   string
	number uint64
	server string
	// request is the client's handshake request.
	request string
	// unacknowledged are the bytes that no credit was given for.
	unacknowledged int
	// partial, repeats and closed are those of incoming.
	partial         []byte
	repeats, closed bool
	// calls are the client's open invocations, results those of it that hub servers wait for.
	calls   []string
	results []handedResult
}

// handedResult is an invocation of the client by a hub server.
type handedResult struct {
	id string
	// node is the tag of the caller's node, caller the server id that it asked for.
	node, caller string
	weak         bool
	// left is how long the client may still take.
	left time.Duration
}

const (
	// handedMark is the first byte of the state of a session of this package.
	handedMark    = 's'
	handedVersion = 1
)

const (
	handedRepeats = 1 << iota
	handedClosed
	handedFlags // the first that is none
)

var errHanded = errors.New("servermode: a malformed session of another node")

func (h *handedSession) append(dst []byte) []byte {
	dst = append(dst, handedMark, handedVersion, bit(h.repeats)*handedRepeats|bit(h.closed)*handedClosed)
	dst = binary.AppendUvarint(fields.AppendText(dst, h.node), h.number)
	dst = fields.AppendText(fields.AppendText(dst, h.server), h.request)
	dst = binary.AppendUvarint(dst, uint64(h.unacknowledged))
	dst = binary.AppendUvarint(fields.AppendText(dst, h.partial), uint64(len(h.calls)))
	for _, id := range h.calls {
		dst = fields.AppendText(dst, id)
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.results)))
	for i := range h.results {
		r := &h.results[i]
		dst = fields.AppendText(fields.AppendText(fields.AppendText(dst, r.id), r.node), r.caller)
		dst = binary.AppendUvarint(append(dst, bit(r.weak)), uint64(max(r.left, 0)))
	}
	return dst
}

// maxHandedText bounds the texts of a session: an id of a client's invocation may be as long as a record.
const maxHandedText = 1 << 30

// parseHanded reads what append wrote. Nothing of b is in the result.
func parseHanded(b []byte) (h *handedSession, err error) {
	if len(b) < 3 || b[0] != handedMark || b[1] != handedVersion || b[2] >= handedFlags {
		return nil, errHanded
	}
	h = &handedSession{repeats: b[2]&handedRepeats != 0, closed: b[2]&handedClosed != 0}
	r := fields.Reader{Rest: b[3:]}
	h.node, h.number = r.Text(maxPeerText), r.Number()
	h.server, h.request = r.Text(maxPeerText), r.Text(maxHandedText)
	h.unacknowledged = int(r.Uvarint(1 << 40))
	h.partial = []byte(r.Text(maxHandedText))
	for range r.Count(len(r.Rest), 1) {
		if h.calls = append(h.calls, r.Text(maxHandedText)); r.Failed {
			return nil, errHanded
		}
	}
	for range r.Count(len(r.Rest), 1) {
		one := handedResult{id: r.Text(maxPeerText), node: r.Text(maxPeerText), caller: r.Text(maxPeerText), weak: r.Uvarint(1) == 1}
		one.left = time.Duration(r.Uvarint(1<<63 - 1))
		if h.results = append(h.results, one); r.Failed {
			return nil, errHanded
		}
	}
	if r.Failed || len(r.Rest) > 0 {
		return nil, errHanded
	}
	return h, nil
}

// Resumes reports whether the state is that of a session of this Backend, for its node or another.
func (b *Backend) Resumes(state []byte) bool { return len(state) > 0 && state[0] == handedMark }
