package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// bodyGrace is how long a body may take whatever its size.
	bodyGrace = 15 * time.Second
	// bodyRate is how many bytes a second it must bring beyond that.
	bodyRate = 4 << 10
	// bodyChunk is how much of a body is read before its deadline moves.
	bodyChunk = 8 << 10
)

// BoundBody limits the time for a body that nobody asked for: the HTTP server
// reads what is left of a body when the request is done. A GET must not have a
// body: its answer may last, and the server would wait for the body before it
// sends the first byte of that. Errors are those of ReadBody.
func BoundBody(w *Answer, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyGrace))
	if r.Method != http.MethodGet {
		return nil
	}
	var none bytes.Buffer
	err := ReadBody(&none, w, r, 0)
	if err != nil {
		w.Header().Set("Connection", "close") // the refusal does not wait for the body either
	}
	return err
}

// ReadBody reads the request's body, at most limit bytes, and not slower than a body has to come:
// 4 KiB a second after the first 15 seconds. Errors: ErrBodySize, ErrBodySlow, ErrBodyRead.
func ReadBody(dst *bytes.Buffer, w *Answer, r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return ErrBodySize
	}
	if r.ContentLength == 0 {
		return nil
	}
	rc := http.NewResponseController(w)
	body := http.MaxBytesReader(w.ResponseWriter, r.Body, limit)
	deadline := time.Now().Add(bodyGrace)
	for {
		_ = rc.SetReadDeadline(deadline.Add(time.Duration(dst.Len()) * time.Second / bodyRate))
		dst.Grow(bodyChunk)
		n, err := body.Read(dst.AvailableBuffer()[:bodyChunk])
		dst.Write(dst.AvailableBuffer()[:n])
		if err == nil {
			continue
		}
		if err = bodyError(err); err == nil {
			// Left in place where reading failed: the server reads what remains.
			_ = rc.SetReadDeadline(time.Time{})
		}
		return err
	}
}

// bodyError is nil at the body's ordinary end.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case err == io.EOF:
		return nil
	case errors.As(err, &tooLarge):
		return ErrBodySize
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrBodySlow
	}
	return ErrBodyRead
}
