package restapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
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

// body is a request's body within its bounds. It is used by one goroutine.
type body struct {
	from io.ReadCloser
	left int64 // bytes that may still come; below 0 it is too large
}

// newBody gives the connection a deadline for reading; net/http lifts it when
// the body has ended. Where there is no connection to give it to, as in some
// tests, the bound is that of the server.
func newBody(w http.ResponseWriter, r *http.Request, limits Limits) body {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.BodyTimeout))
	b := body{from: r.Body, left: limits.BodyBytes}
	if r.ContentLength > b.left {
		b.left = -1
	}
	return b
}

// Read returns errBodyTooLarge and errBodyTooSlow where the bounds are met.
func (b *body) Read(p []byte) (int, error) {
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

// Close closes the body itself.
func (b *body) Close() error { return b.from.Close() }

const (
	jsonType    = "application/json"
	msgpackType = "application/x-msgpack"
	octetType   = "application/octet-stream"
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
	media := contentType(header)
	if media == "" && header != "" {
		return nil, refused(http.StatusUnsupportedMediaType, ReasonContentType, "The Content-Type of the message is not supported.")
	}
	buffer := buffers.Get().(*[]byte)
	content, err := readAll((*buffer)[:0], from)
	*buffer = content
	if cap(content) <= maxPooledBuffer {
		defer buffers.Put(buffer)
	}
	switch {
	case err != nil:
		return nil, bodyFailure(err)
	case len(content) == 0:
		return nil, refused(http.StatusBadRequest, ReasonBody, "The request needs a message as its body.")
	case media == "":
		return nil, refused(http.StatusUnsupportedMediaType, ReasonContentType, "The message needs a Content-Type.")
	}
	frames, err := parse(media, content)
	if err != nil {
		f := refused(http.StatusBadRequest, ReasonBody, invalidText(err))
		f.cause = err
		return nil, f
	}
	return frames, nil
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
	f := refused(http.StatusBadRequest, ReasonBody, "The message could not be read.")
	f.cause = err
	return f
}

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
