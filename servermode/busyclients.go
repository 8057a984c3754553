package servermode

// A hub server whose data for a client meets a full queue is not read from for a while (D17). If it is
// on another node, that node hears when a client begins to take less than it is sent, and when it has
// caught up.

// noteBusy tells the node of the hub server that the client is over its soft bound, unless it knows.
func (f *remoteSession) noteBusy() {
	if !f.s.conn.Over() || !f.s.dialect().waitsFor(f.s) {
		return
	}
	l := f.server.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.busy || f.unadopted || l.sessions[f.number] != f {
		return
	}
	f.busy = true
	l.busy = append(l.busy, f)
	l.Send(appendSession(nil, opBusy, false, f.number))
}

// noteIdle looks whether clients that were over their bound are not any more.
func (t *peerTable) noteIdle() {
	for _, l := range t.all() {
		l.noteIdle()
	}
}

func (l *peerLink) noteIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	still := l.busy[:0]
	for _, f := range l.busy {
		switch {
		case l.sessions[f.number] != f: // it has ended
		case f.s.conn.Over():
			still = append(still, f)
		default:
			f.busy = false
			l.Send(appendSession(nil, opIdle, false, f.number))
		}
	}
	clear(l.busy[len(still):])
	if l.busy = still; len(still) == 0 {
		l.busy = nil
	}
}
