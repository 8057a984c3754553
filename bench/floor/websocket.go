package main

import (
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
)

const (
	recordSeparator = 0x1e
	acceptGUID      = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3
)

var handshakeAnswer = appendTextFrame(nil, []byte{'{', '}', recordSeparator})

// appendTextFrame appends one unmasked, final text frame.
func appendTextFrame(dst, payload []byte) []byte {
	dst = append(dst, 0x81)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// serveClient upgrades without asking and leaves the connection to a small
// goroutine, so that net/http's buffers are gone.
func (f *floor) serveClient(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	hj, ok := w.(http.Hijacker)
	if key == "" || !ok {
		http.Error(w, "a WebSocket upgrade is expected here", http.StatusBadRequest)
		return
	}
	conn, _, err := hj.Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha1.Sum([]byte(key + acceptGUID))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	if _, err := conn.Write([]byte(answer)); err != nil {
		conn.Close()
		return
	}
	f.wg.Go(func() { f.drain(conn) })
}

// drain answers the first bytes, whatever they are, as the handshake and then
// throws away what the client sends, until it leaves.
func (f *floor) drain(conn net.Conn) {
	defer conn.Close()
	var fd uintptr
	if tcp, ok := conn.(*net.TCPConn); ok {
		if fd, ok = descriptor(tcp); !ok {
			return
		}
	}
	var buf [64]byte
	var m *member
	for {
		if _, err := conn.Read(buf[:]); err != nil {
			break
		}
		if m == nil {
			m = f.admit(conn, fd)
		}
	}
	if m != nil {
		m.remove()
	}
}

// socketOf returns the TCP socket of a client, with TLS or without.
func socketOf(conn net.Conn) *net.TCPConn {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	return conn.(*net.TCPConn)
}

// descriptor returns the socket's number, which stays valid until conn is closed.
func descriptor(conn *net.TCPConn) (fd uintptr, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	return fd, raw.Control(func(v uintptr) { fd = v }) == nil
}
