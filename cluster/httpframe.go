package cluster

import (
	"encoding/binary"
	"net/http"
)

// An HTTP frame is the number of a stream, what it is about, and the fields of that. A stream is one
// request that a node has another one answer; either of them may be the opener of streams, so that
// the first bit says whether the receiver of the frame is.
const httpOpenedByReceiver = 0x80

// httpOp is what an HTTP frame is about.
type httpOp byte

const (
	// httpRequest: the head of a request, which opens the stream.
	httpRequest httpOp = iota + 1
	// httpResponse: the head of the answer.
	httpResponse
	// httpPiece: bytes of the body, as they are.
	httpPiece
	// httpFlushed: bytes that are to leave at once; there may be none.
	httpFlushed
	// httpEnd: there are no more bytes in this direction.
	httpEnd
	// httpReset: the stream is over, for nothing more can be sent or taken.
	httpReset
	// httpCredit: so many bytes more may be sent.
	httpCredit
	// httpHijacked: the answer is whatever follows, up to the end, and so is the request.
	httpHijacked
	// httpHurry: who asks is about to end, and wants the answer to end with what there is.
	httpHurry
)

// Bounds of what heads hold.
const (
	maxHTTPText    = 1 << 20
	maxHTTPHeaders = 1 << 10
	maxHTTPMethod  = 64
)

// Flags of a request's head.
const (
	httpHasBody byte = 1 << iota
	httpOverTLS
	httpRequestFlags
)

// requestHead is what a request is but for its body.
type requestHead struct {
	method, uri, host, remote string
	flags                     byte
	major, minor              byte
	// length is the ContentLength of the request; -1 is unknown.
	length int64
	header http.Header
}

// responseHead is what an answer is but for its body.
type responseHead struct {
	status int
	header http.Header
}

func appendHTTP(dst []byte, id streamID, op httpOp) []byte {
	first := byte(op)
	if !id.mine {
		first |= httpOpenedByReceiver
	}
	return append(binary.AppendUvarint(dst, id.number), first)
}

// cutHTTP reads what an HTTP frame begins with. The stream is named as the receiver names it.
func cutHTTP(body []byte) (id streamID, op httpOp, r wireReader, err error) {
	r = *newReader(body)
	id.number = r.Number()
	first := r.Byte()
	id.mine = first&httpOpenedByReceiver != 0
	op = httpOp(first &^ httpOpenedByReceiver)
	if r.Failed || op < httpRequest || op > httpHurry {
		return streamID{}, 0, wireReader{}, errMalformed
	}
	return id, op, r, nil
}

func appendHeader(dst []byte, header http.Header) []byte {
	count := 0
	for _, values := range header {
		count += len(values)
	}
	dst = binary.AppendUvarint(dst, uint64(count))
	for name, values := range header {
		for _, value := range values {
			dst = appendText(appendText(dst, name), value)
		}
	}
	return dst
}

// header reads fields. Names are those that http.Header has: what another node writes is canonical.
func (r *wireReader) header() http.Header {
	count := int(r.Uvarint(maxHTTPHeaders))
	header := make(http.Header, min(count, len(r.Rest)/2))
	for range count {
		name := r.Text(maxHTTPText)
		value := r.Text(maxHTTPText)
		if r.Failed {
			return nil
		}
		header[name] = append(header[name], value)
	}
	return header
}

func (h *requestHead) append(dst []byte) []byte {
	for _, text := range []string{h.method, h.uri, h.host, h.remote} {
		dst = appendText(dst, text)
	}
	dst = append(dst, h.flags, h.major, h.minor)
	return appendHeader(binary.AppendVarint(dst, h.length), h.header)
}

func (h *requestHead) read(r *wireReader) error {
	h.method = r.Text(maxHTTPMethod)
	for _, text := range []*string{&h.uri, &h.host, &h.remote} {
		*text = r.Text(maxHTTPText)
	}
	h.flags, h.major, h.minor = r.Byte(), r.Byte(), r.Byte()
	h.length = r.Varint()
	h.header = r.header()
	if h.flags >= httpRequestFlags || h.length < -1 {
		return errMalformed
	}
	return r.end()
}

func (h *responseHead) append(dst []byte) []byte {
	return appendHeader(binary.AppendUvarint(dst, uint64(h.status)), h.header)
}

func (h *responseHead) read(r *wireReader) error {
	h.status = int(r.Uvarint(999))
	h.header = r.header()
	if h.status < 200 {
		return errMalformed
	}
	return r.end()
}
