package gateway

import (
	"sync/atomic"

	"github.com/hubgate/hubgate/internal/counts"
)

// shardBooks count what became of deliveries to the connections of one hub
// shard: attempted = written + dropped + queued (rule 5). The fan-out adds to
// them once per command, pumps once per batch.
type shardBooks struct {
	attempted, written atomic.Uint64
	dropped            *counts.Counts[DropReason]
	// queuedBytes is what waits in outboxes, control records and framing included.
	queuedBytes atomic.Int64
	bytesOut    atomic.Uint64
	unitsOut    atomic.Uint64
	messagesIn  atomic.Uint64
	bytesIn     atomic.Uint64
}

// tally collects a worker's counts for one shard in plain integers.
type tally struct {
	shard              *hubShard
	attempted, written int
	units              int
	queuedBytes, bytes int
}

func (t *tally) begin(s *hubShard) { *t = tally{shard: s} }

// drop counts deliveries that are given up. They are rare enough to be counted at once.
func (t *tally) drop(why DropReason, deliveries int) {
	if deliveries > 0 {
		t.shard.books.dropped.Add(why, uint64(deliveries))
	}
}

func (t *tally) dropRecord(r OutRecord, why DropReason) {
	if !r.control {
		t.drop(why, 1)
	}
}

func (t *tally) end() {
	b := &t.shard.books
	b.attempted.Add(uint64(t.attempted))
	b.written.Add(uint64(t.written))
	if t.queuedBytes != 0 {
		b.queuedBytes.Add(int64(t.queuedBytes))
	}
	if t.queuedBytes > 0 {
		t.shard.hub.crowd(t.shard.worker.g)
	}
	b.bytesOut.Add(uint64(t.bytes))
	b.unitsOut.Add(uint64(t.units))
}

// MessageUnit is the size in which messages to clients are counted, in bytes: one of 2049 counts twice.
const MessageUnit = 2 << 10

// units is what a record counts for in MessageUnits; control records count nothing.
func (r OutRecord) units() int {
	if r.control {
		return 0
	}
	return (len(r.Bytes) + MessageUnit - 1) / MessageUnit
}

// lose counts deliveries that were given up outside the fan-out.
func (s *hubShard) lose(why DropReason, lost waiting) {
	s.books.dropped.Add(why, uint64(lost.deliveries))
	s.books.queuedBytes.Add(-int64(lost.bytes))
}
