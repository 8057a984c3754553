package transport

import (
	"bytes"
	"sync"
)

const (
	// BatchBytes is how many bytes of records a pump takes at once.
	BatchBytes = 64 << 10
	// maxKeptBuffer is the largest buffer that goes back to a pool.
	maxKeptBuffer = 256 << 10
)

// writeBuffers hold what a pump is about to write.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// BorrowBuffer returns an empty buffer for what a pump is about to write.
func BorrowBuffer() *[]byte { return writeBuffers.Get().(*[]byte) }

// ReturnBuffer takes back a buffer of BorrowBuffer. Nobody may use its bytes afterwards.
func ReturnBuffer(b *[]byte) {
	if cap(*b) <= maxKeptBuffer {
		*b = (*b)[:0]
		writeBuffers.Put(b)
	}
}

// readBuffer is what bytes from a WebSocket are read into while they arrive.
type readBuffer struct {
	space []byte
	// rest has come and is not handled yet.
	rest []byte
}

var readBuffers = sync.Pool{New: func() any { return &readBuffer{space: make([]byte, 8<<10)} }}

// bodyBuffers hold bodies of requests.
var bodyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// BorrowBody returns an empty buffer for a request's body.
func BorrowBody() *bytes.Buffer { return bodyBuffers.Get().(*bytes.Buffer) }

// ReturnBody takes back a buffer of BorrowBody. Nobody may use its bytes afterwards.
func ReturnBody(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBuffer {
		b.Reset()
		bodyBuffers.Put(b)
	}
}
