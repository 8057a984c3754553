package transport

import "github.com/hubgate/hubgate/gateway"

// pump writes what waits until nothing does. It runs only while the socket was
// full, before the handshake's answer, or where workers cannot write themselves.
func (t *WebSocket) pump() {
	defer t.pumps.Done()
	defer func() {
		if p := recover(); p != nil {
			t.owner.Panicked(p)
			t.stop(InternalCause)
		}
	}()
	buffer := BorrowBuffer()
	defer ReturnBuffer(buffer)
	var batch gateway.Batch
	for {
		if !t.owner.Take(&batch, BatchBytes) {
			if t.pumped() {
				return
			}
			continue
		}
		bytes := append((*buffer)[:0], batch.Tail...)
		bytes = t.appendRecords(bytes, batch.Records)
		if batch.End != nil {
			bytes = appendCloseFrame(bytes, t.closeCode(batch.End))
		}
		*buffer = bytes
		_, err := t.sock.Conn.Write(bytes)
		t.owner.Wrote(&batch, err)
		switch {
		case err != nil:
			t.stop(WriteFailed(err))
			return
		case batch.End != nil:
			t.saidGoodbye()
			return
		}
	}
}

// appendRecords frames a batch. One of control frames alone needs no protocol, which before
// the handshake there is not.
func (t *WebSocket) appendRecords(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		if !r.Framed() {
			return t.owner.Framing().AppendFrames(dst, records)
		}
	}
	return Text.AppendFrames(dst, records)
}
