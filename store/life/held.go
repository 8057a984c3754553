package life

import "time"

// maxHeld bounds the records of clients whose end is held back, in bytes.
const maxHeld = 64 << 20

const (
	// releaseEvery is how often a node looks whether it may tell what it holds back; releaseAtOnce how
	// many ends it tells at the same time.
	releaseEvery  = 250 * time.Millisecond
	releaseAtOnce = 32
)

// held are clients whose end must not be told now, because the node is fenced.
type held struct {
	order []string
	bytes int
}

// kept is a record that was made.
type kept []byte

// AppendRecord implements Recorder.
func (k kept) AppendRecord(dst []byte) []byte { return append(dst, k...) }

// holdLocked keeps the end of a client until it may be told.
func (l *lifeLog) holdLocked(id string, c *client, record Recorder) {
	text := record.AppendRecord(nil)
	if l.held.bytes+len(text) > maxHeld {
		l.counts.Add(EventHeldFull, 1)
		return // It stays in the log: it is told when the node ends.
	}
	if _, before := c.record.(kept); !before {
		l.counts.Add(EventHeld, 1)
	}
	c.record, c.held = kept(text), true
	l.held.order = append(l.held.order, id)
	l.held.bytes += len(text)
}

// keepHeldLocked forgets the ends of clients that are not this node's any more.
func (l *lifeLog) keepHeldLocked() {
	before := l.held.order
	l.held = held{}
	for _, id := range before {
		if c := l.open[id]; c != nil && c.held {
			l.held.order = append(l.held.order, id)
			l.held.bytes += len(c.record.AppendRecord(nil))
		}
	}
}

// nextHeld takes the oldest client whose end was held back.
func (l *lifeLog) nextHeld() (id string, record kept, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.held.order) > 0 {
		id = l.held.order[0]
		l.held.order = l.held.order[1:]
		c := l.open[id]
		if c == nil || !c.held {
			continue
		}
		record, ok = c.record.(kept)
		if !ok {
			continue
		}
		c.held = false
		l.held.bytes -= len(record)
		return id, record, true
	}
	l.held = held{}
	return "", nil, false
}

// holds reports whether the end of a client is held back.
func (l *lifeLog) holds(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.open[id]
	return c != nil && c.held
}

// heldNow is how many ends are held back.
func (l *lifeLog) heldNow() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held.order)
}
