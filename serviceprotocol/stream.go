package serviceprotocol

import "io"

const (
	// firstBuffer is what a stream starts with: pings and acks are far smaller.
	firstBuffer = 4 << 10
	// keptBuffer is the largest buffer that an idle stream keeps.
	keptBuffer = 64 << 10
	// maxEmptyReads is how often in a row a source may say that it has read nothing.
	maxEmptyReads = 100
)

// Reader takes bodies off a byte stream whose chunks may begin and end anywhere (H14, H15).
// It never allocates for bytes that a length prefix announces and that have not arrived.
type Reader struct {
	source     io.Reader
	max        int
	buf        []byte
	start, end int   // what is buffered: buf[start:end]
	err        error // came with the last bytes of the source
}

// NewReader returns a reader of bodies of at most max bytes. The source is the content of
// the WebSocket messages, in sequence.
func NewReader(source io.Reader, max int) *Reader {
	return &Reader{source: source, max: max}
}

// Next returns the next body, which is valid until the next call. It blocks as the source
// does. At the end of the source the error is io.EOF, or io.ErrUnexpectedEOF within a
// message; otherwise ErrTooLarge, ErrMalformed or an error of the source. After an error
// there are no further bodies.
func (r *Reader) Next() ([]byte, error) {
	for {
		body, rest, err := Cut(r.buf[r.start:r.end], r.max)
		if err != nil {
			return nil, err
		}
		if body != nil {
			r.start = r.end - len(rest)
			return body, nil
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads once, behind what is buffered.
func (r *Reader) fill() error {
	r.makeRoom()
	for range maxEmptyReads {
		if r.err == io.EOF && r.start < r.end {
			return io.ErrUnexpectedEOF
		}
		if r.err != nil {
			return r.err
		}
		var n int
		n, r.err = r.source.Read(r.buf[r.end:])
		if r.end += n; n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// makeRoom leaves at least a quarter of the buffer free behind what it holds.
func (r *Reader) makeRoom() {
	held := r.buf[r.start:r.end]
	switch {
	case len(held) == 0 && (len(r.buf) == 0 || len(r.buf) > keptBuffer):
		r.buf = make([]byte, firstBuffer)
	case len(held) > 0 && len(r.buf)-r.end >= len(r.buf)/4:
		return
	case len(held) > len(r.buf)/2:
		r.buf = make([]byte, 2*len(r.buf))
	}
	r.end = copy(r.buf, held)
	r.start = 0
}
