package clientws

import (
	"bufio"
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
type readBuffer [8 << 10]byte

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// libraryBuffer is the size of the WebSocket library's read buffer while there
// is something to read. Less than 257 it would replace by a buffer of its own.
const libraryBuffer = 1 << 10

// libraryReaders are readers with a buffer for connections on which bytes
// arrive; see wsConn.in.
var libraryReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, libraryBuffer) }}

// emptyReaders are those whose buffer is lent.
var emptyReaders = sync.Pool{New: func() any { return new(bufio.Reader) }}

// postBuffers hold bodies of POST requests.
var postBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func returnPostBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBuffer {
		b.Reset()
		postBuffers.Put(b)
	}
}
