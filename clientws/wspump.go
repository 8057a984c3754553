package clientws

import "github.com/hubgate/hubgate/gateway"

// pump writes what waits until nothing does. It runs only while the socket was
// full, before the handshake's answer, or where workers cannot write themselves.
func (t *wsConn) pump() {
	defer t.pumps.Done()
	defer func() {
		if p := recover(); p != nil {
			t.h.panicked(p, t.conn.Logger())
			t.stop(internalCause)
		}
	}()
	buffer := borrowBuffer()
	defer returnBuffer(buffer)
	var batch gateway.Batch
	for {
		if !t.conn.Take(&batch, batchBytes) {
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
		t.conn.Wrote(&batch, err)
		switch {
		case err != nil:
			t.stop(writeFailed(err))
			return
		case batch.End != nil:
			t.saidGoodbye()
			return
		}
	}
}

// appendRecords frames a batch. One of control frames alone needs no protocol, which before
// the handshake there is not.
func (t *wsConn) appendRecords(dst []byte, records []gateway.OutRecord) []byte {
	for _, r := range records {
		if !r.Framed() {
			return t.Framing().AppendFrames(dst, records)
		}
	}
	return framing{opText}.AppendFrames(dst, records)
}
