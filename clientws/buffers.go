package clientws

import (
	"bytes"
	"sync"
)

const (
	// batchBytes is how many bytes of records a pump takes at once.
	batchBytes = 64 << 10
	// maxKeptBuffer is the largest buffer that goes back to a pool.
	maxKeptBuffer = 256 << 10
)

// writeBuffers hold what a pump is about to write.
var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func borrowBuffer() *[]byte { return writeBuffers.Get().(*[]byte) }

func returnBuffer(b *[]byte) {
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

// postBuffers hold bodies of POST requests.
var postBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func returnPostBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBuffer {
		b.Reset()
		postBuffers.Put(b)
	}
}
