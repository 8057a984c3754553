package restapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/hubprotocol"
)

var (
	errBodyTooLarge = errors.New("body too large")
	errBodyTooSlow  = errors.New("body too slow")
)

// codingError is a Content-Encoding that the gateway does not know.
type codingError struct{ name string }

func (e *codingError) Error() string { return "content coding " + strconv.Quote(e.name) }

// body is a request's body, decoded and within its bounds. It is used by one
// goroutine.
type body struct {
	wire bounded
	// coding is the Content-Encoding, "" if there is none to undo.
	coding string
	// decoded is what comes out of the decoder, nil before the first Read.
	decoded bounded
	zip     *gzip.Reader
}

// newBody gives the connection a deadline for reading; net/http lifts it when
// the body has ended. Where there is no connection to give it to, as in some
// tests, the bound is that of the server.
func newBody(w http.ResponseWriter, r *http.Request, limits Limits) body {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.BodyTimeout))
	b := body{wire: bounded{from: r.Body, left: limits.BodyBytes}, coding: contentCoding(r.Header)}
	b.decoded.left = limits.BodyBytes
	if r.ContentLength > b.wire.left {
		b.wire.left = -1
	}
	return b
}

// Read returns errBodyTooLarge and errBodyTooSlow where the bounds are met. Both
// sides of a decoder have the same bound, and no more is decoded than fits into p.
func (b *body) Read(p []byte) (int, error) {
	if b.coding == "" {
		return b.wire.Read(p)
	}
	if b.decoded.from == nil {
		if err := b.decode(); err != nil {
			return 0, err
		}
	}
	return b.decoded.Read(p)
}

// Close closes the body itself.
func (b *body) Close() error {
	b.release()
	return b.wire.from.Close()
}

// unzippers are decoders, which have 40 KB of tables each (BenchmarkUnzipper).
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

func (b *body) decode() error {
	if b.coding != codingGzip {
		return &codingError{b.coding}
	}
	b.zip = unzippers.Get().(*gzip.Reader)
	if err := b.zip.Reset(&b.wire); err != nil {
		b.release()
		return err
	}
	b.decoded.from = io.NopCloser(b.zip)
	return nil
}

// release gives the decoder back; nothing may be read from then on.
func (b *body) release() {
	if b.zip != nil {
		unzippers.Put(b.zip)
		b.zip, b.decoded.from = nil, http.NoBody
	}
}

const codingGzip = "gzip"

// contentCoding returns the coding that the headers name, in lower case, "" if
// there is nothing to undo.
func contentCoding(header http.Header) string {
	values := header["Content-Encoding"]
	if len(values) == 0 {
		return ""
	}
	switch coding := strings.ToLower(strings.TrimSpace(strings.Join(values, ", "))); coding {
	case "identity":
		return ""
	case "x-gzip":
		return codingGzip
	default:
		return coding
	}
}

// bounded reads so many bytes and no more.
type bounded struct {
	from io.ReadCloser
	left int64 // bytes that may still come; below 0 it is too large
}

// Read returns errBodyTooLarge and errBodyTooSlow where the bounds are met.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errBodyTooLarge
	}
	// One byte more than is left tells a body at the bound from one over it.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errBodyTooLarge
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return n, errBodyTooSlow
	}
	return n, err
}

const (
	jsonType    = "application/json"
	msgpackType = "application/x-msgpack"
	octetType   = "application/octet-stream"

	mediaTypes = jsonType + " (in UTF-8), " + msgpackType + " or " + octetType
)

// contentType returns which of the three types of the contract the header
// means, "" for any other.
func contentType(header string) string {
	media, parameters, _ := strings.Cut(header, ";")
	media = strings.TrimSpace(media)
	for _, known := range [...]string{jsonType, msgpackType, octetType} {
		if auth.EqualFoldASCII(media, known) {
			if known == jsonType && !isUTF8(parameters) {
				return ""
			}
			return known
		}
	}
	return ""
}

// isUTF8 reports whether the parameters of a JSON type name no other charset.
func isUTF8(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if auth.EqualFoldASCII(strings.TrimSpace(name), "charset") {
			value = strings.Trim(strings.TrimSpace(value), `"`)
			return auth.EqualFoldASCII(value, "utf-8") || auth.EqualFoldASCII(value, "utf8")
		}
	}
	return true
}

// message reads the message of a send. The error is a *failure.
func message(header string, from io.Reader) (*hubprotocol.Frames, error) {
	return readBody(header, from, parse)
}

// readBody reads a body and has it parsed; the content is only valid during that. The error is a *failure.
func readBody[T any](header string, from io.Reader, parse func(media string, content []byte) (T, error)) (parsed T, err error) {
	media := contentType(header)
	if media == "" && header != "" {
		return parsed, refused(http.StatusUnsupportedMediaType, ReasonContentType, "The Content-Type of the message must be "+mediaTypes+".")
	}
	buffer := buffers.Get().(*[]byte)
	content, err := readAll((*buffer)[:0], from)
	*buffer = content
	if cap(content) <= maxPooledBuffer {
		defer buffers.Put(buffer)
	}
	switch {
	case err != nil:
		return parsed, bodyFailure(err)
	case len(content) == 0:
		return parsed, refused(http.StatusBadRequest, ReasonBody, "The request needs a message as its body.")
	case media == "":
		return parsed, refused(http.StatusUnsupportedMediaType, ReasonContentType, "The message needs a Content-Type: "+mediaTypes+".")
	}
	parsed, err = parse(media, content)
	if err != nil {
		f := refused(http.StatusBadRequest, ReasonBody, invalidText(err))
		f.cause = err
		return parsed, f
	}
	return parsed, nil
}

// invalidText is what the caller is told of an invalid message. The texts of
// hubprotocol's errors are made for that; others are not.
func invalidText(err error) string {
	switch {
	case errors.Is(err, hubprotocol.ErrTargetMissing):
		return "The message needs a target."
	case errors.Is(err, hubprotocol.ErrTargetEmpty):
		return "The target of the message is empty."
	case errors.Is(err, hubprotocol.ErrArgumentsNotArray):
		return "The arguments of the message are not an array."
	case errors.Is(err, hubprotocol.ErrMalformed):
		return err.Error()
	}
	return "The message is not valid."
}

// buffers are for bodies; nothing in them outlives the request.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, firstBuffer); return &b }}

const (
	firstBuffer     = 4 << 10
	maxPooledBuffer = 64 << 10
)

// readAll appends everything to dst. What grows is what has come, not what a
// header announces.
func readAll(dst []byte, from io.Reader) ([]byte, error) {
	if from == nil {
		return dst, nil
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := from.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

func bodyFailure(err error) error {
	switch {
	case errors.Is(err, errBodyTooLarge):
		return refused(http.StatusRequestEntityTooLarge, ReasonBodyTooLarge, "The message is too large.")
	case errors.Is(err, errBodyTooSlow):
		return refused(http.StatusRequestTimeout, ReasonBodyTooSlow, "The message did not arrive in time.")
	}
	if unknown, ok := errors.AsType[*codingError](err); ok {
		f := refused(http.StatusUnsupportedMediaType, ReasonContentEncoding,
			"The Content-Encoding "+strconv.QuoteToASCII(clip(unknown.name))+" is not supported. Send gzip, or none.")
		f.encodings = codingGzip
		return f
	}
	text := "The message could not be read."
	if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		text = "The message is not what its Content-Encoding says."
	}
	f := refused(http.StatusBadRequest, ReasonBody, text)
	f.cause = err
	return f
}

// maxCoding bounds how much of a caller's own words is told back.
const maxCoding = 64

func clip(s string) string { return s[:min(len(s), maxCoding)] }

func parse(media string, content []byte) (*hubprotocol.Frames, error) {
	switch media {
	case octetType:
		// The frames stay pieces of the body for as long as clients wait for them.
		payloads, err := hubprotocol.ParseOctetStreamBody(bytes.Clone(content))
		if err != nil {
			return nil, err
		}
		return hubprotocol.NewFrames(payloads)
	case msgpackType:
		target, arguments, err := hubprotocol.ParseMessagePackBody(content)
		if err != nil {
			return nil, err
		}
		return hubprotocol.NewInvocation(hubprotocol.MessagePack, target, arguments)
	}
	target, arguments, err := hubprotocol.ParseJSONBody(content)
	if err != nil {
		return nil, err
	}
	return hubprotocol.NewInvocation(hubprotocol.JSON, target, arguments)
}
