package gateway

// What leaves by a transport's pump.

// Take fills a batch with what waits, at most limit bytes but at least one
// record. It returns false when there is nothing: then Wake will be called
// when something comes. Only one pump may be between Take and Wrote. Transports
// that may be replaced call TakeFor instead.
func (c *Conn) Take(b *Batch, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.reset()
	return c.take(b, limit)
}

// TakeFor is Take for a transport with Abilities.Returns. It returns false if t
// is not, or no more, the connection's transport. Behind a batch that was not
// written (Wrote with an error) nothing more is taken for t, which then calls Lost.
func (c *Conn) TakeFor(t Transport, b *Batch, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.reset()
	return c.transport == t && c.take(b, limit)
}

// take is Take. Called with c.mu held.
func (c *Conn) take(b *Batch, limit int) bool {
	o, s := &c.out, c.life.state()
	ready := len(o.records)
	if s.may(holds) {
		ready = o.framed()
	}
	switch {
	case o.writer == writerWorker, c.back.failed():
		return false
	case !s.may(mayTake), ready == 0 && o.tail == nil && s != closing:
		o.writer = writerNone
		return false
	}
	o.writer = writerPump
	o.fill(b, ready, limit)
	if c.back != nil {
		c.back.lend(b)
		c.keep(b.Records, c.g.now(), false)
	}
	if s == closing && o.empty() {
		c.life.step(closed, 0)
		b.End = c.life.cause
	}
	return true
}

func (o *outbox) fill(b *Batch, ready, limit int) {
	if o.tail != nil {
		// Its deliveries are those that no record stands for any more.
		b.Tail, o.tail = o.tail, nil
		b.taken = waiting{len(b.Tail), o.queued.deliveries - sumOf(o.records).deliveries}
	}
	n, size := 0, len(b.Tail)
	for n < ready && (b.Empty() || size+len(o.records[n].Bytes) <= limit) {
		r := o.records[n]
		b.Records = append(b.Records, r)
		b.taken.add(r)
		size += len(r.Bytes)
		n++
	}
	if o.records = o.records[n:]; len(o.records) == 0 {
		o.records = nil
	}
}

// Wrote reports that the batch was written, or with an error that it was not: then
// it is lost, or kept for a client that may come back. Of a batch that was taken
// for a former transport it does nothing.
func (c *Conn) Wrote(b *Batch, err error) {
	soft := c.g.opts.Limits().OutboxBytes
	c.mu.Lock()
	if c.back != nil && !c.back.settle(b, err != nil && c.life.state().may(idAlive)) {
		c.mu.Unlock()
		return
	}
	if c.numbersOf() != nil {
		c.trim(0) // numbers have no time
	}
	c.out.sub(b.taken, soft)
	c.mu.Unlock()
	books := &c.shard.books
	books.queuedBytes.Add(-int64(b.taken.bytes))
	if err != nil {
		books.dropped.Add(DropConnectionClosed, uint64(b.taken.deliveries))
		return
	}
	books.written.Add(uint64(b.taken.deliveries))
	books.bytesOut.Add(uint64(b.taken.bytes))
	if !b.framesAlone() {
		c.spoke(c.g.now())
	}
}
