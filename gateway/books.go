package gateway

import "sync/atomic"

// shardBooks count what became of deliveries to the connections of one hub
// shard: attempted = written + dropped + queued (rule 5). The fan-out adds to
// them once per command, pumps once per batch.
type shardBooks struct {
	attempted, written atomic.Uint64
	dropped            [dropReasons]atomic.Uint64
	// queuedBytes is what waits in outboxes, control records and framing included.
	queuedBytes atomic.Int64
	bytesOut    atomic.Uint64
	messagesIn  atomic.Uint64
	bytesIn     atomic.Uint64
}

// tally collects a worker's counts for one shard in plain integers.
type tally struct {
	shard              *hubShard
	attempted, written int
	dropped            [dropReasons]int
	queuedBytes, bytes int
}

func (t *tally) begin(s *hubShard) { *t = tally{shard: s} }

func (t *tally) drop(r OutRecord, why DropReason) {
	if !r.control {
		t.dropped[why]++
	}
}

func (t *tally) end() {
	b := &t.shard.books
	b.attempted.Add(uint64(t.attempted))
	b.written.Add(uint64(t.written))
	for why, n := range t.dropped {
		if n > 0 {
			b.dropped[why].Add(uint64(n))
		}
	}
	if t.queuedBytes != 0 {
		b.queuedBytes.Add(int64(t.queuedBytes))
	}
	b.bytesOut.Add(uint64(t.bytes))
}

// lose counts deliveries that were given up outside the fan-out.
func (s *hubShard) lose(why DropReason, deliveries, bytes int) {
	s.books.dropped[why].Add(uint64(deliveries))
	s.books.queuedBytes.Add(-int64(bytes))
}
