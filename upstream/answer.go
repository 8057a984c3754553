package upstream

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hubgate/hubgate/hubprotocol"
)

const (
	// maxDrain is how much of an answer that nobody reads is read nevertheless,
	// to keep the connection, and drainTime how long that may take.
	maxDrain  = 64 << 10
	drainTime = time.Second
	// maxReason bounds what of a rejection's body becomes the close reason.
	maxReason = 256
)

// answer is what became of one webhook.
type answer struct {
	result Result
	status int    // zero when there was no answer
	detail string // for the log: what went wrong
	reason string // of a rejection, for the client
	// text is the error an invocation gets; else frame, which is empty for a
	// result without a value.
	text  string
	frame []byte
	// after is how long the upstream wants to be left alone, 0 if it did not say. works is closed when it may
	// be tried again before that.
	after time.Duration
	works <-chan struct{}
}

// failure is an answer that did not come: to the client it looks like status
// 500 (R71).
func failure(result Result, detail string) answer {
	return answer{result: result, detail: detail, text: statusText(http.StatusInternalServerError)}
}

// cutOff is an answer of which only the beginning came in time.
func cutOff(result Result) answer {
	return answer{result: result, detail: "the answer took too long", text: "Invocation failed, response cancelled."}
}

func statusText(status int) string { return fmt.Sprintf("Invocation failed, status code %d", status) }

// completion returns the framed Completion for the invocation that e is.
func (a *answer) completion(e *event) []byte {
	switch {
	case a.text != "":
		return hubprotocol.AppendCompletionError(nil, e.protocol, e.invocation, a.text)
	case len(a.frame) == 0:
		return hubprotocol.AppendCompletion(nil, e.protocol, e.invocation)
	}
	return a.frame
}

// isCompletion reports whether the client waits for the body of an answer.
func isCompletion(r *http.Response, e *event) bool {
	return e.invocation != "" && r.StatusCode == http.StatusOK
}

// judge decides what an upstream's answer means for the event.
func judge(r *http.Response, e *event, limit int64, at *endpoint) answer {
	ok := r.StatusCode == http.StatusOK || r.StatusCode == http.StatusNoContent
	switch {
	case isCompletion(r, e):
		return readCompletion(r, e, limit, at)
	case e.kind == kindConnected && (r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden):
		return answer{result: ResultRejected, reason: rejection(r)}
	case e.kind == kindMessage && e.invocation == "":
		// Nobody reads the answer to a send: any success is one (R73).
		ok = r.StatusCode/100 == 2
	}
	drain(r.Body)
	if !ok {
		return answer{result: ResultStatus, text: statusText(r.StatusCode)}
	}
	return answer{result: ResultOK}
}

// drain reads a body that nobody needs, so that the connection can be used again.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, maxDrain) }

// readCompletion reads the Completion that answers an invocation (R69, R70, R72).
func readCompletion(r *http.Response, e *event, limit int64, at *endpoint) answer {
	tooLarge := answer{result: ResultTooLarge, text: "Invocation failed, response too large."}
	if r.ContentLength > limit {
		return tooLarge
	}
	// What is announced is not yet there: a big buffer has to be earned.
	body := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), maxDrain)+bytes.MinRead))
	if _, err := body.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil {
		detail := errorText(err, at)
		return answer{result: ResultBroken, detail: detail, text: "Invocation failed, error: " + detail + "."}
	}
	switch {
	case int64(body.Len()) > limit:
		return tooLarge
	case body.Len() == 0:
		return answer{result: ResultOK}
	}
	frame, err := hubprotocol.FrameCompletion(e.protocol, e.invocation, body.Bytes())
	if err != nil {
		return answer{result: ResultMalformed, detail: err.Error(), text: "Invocation failed, error: " + err.Error()}
	}
	return answer{result: ResultOK, frame: frame}
}

// rejection returns why an upstream does not want a client: the text it
// answered with, or else the reason phrase of the status.
func rejection(r *http.Response) string {
	if media, _, _ := mime.ParseMediaType(r.Header.Get(headerContentType)); media == "text/plain" {
		start, _ := io.ReadAll(io.LimitReader(r.Body, maxReason))
		drain(r.Body)
		if text := printable(string(start)); text != "" {
			return text
		}
	} else {
		drain(r.Body)
	}
	_, phrase, _ := strings.Cut(r.Status, " ")
	if text := printable(phrase); text != "" {
		return text
	}
	return http.StatusText(r.StatusCode)
}

// printable returns text in one line without what does not belong in one; a
// rune that was cut in two at the end is left out.
func printable(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}
