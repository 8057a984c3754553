package telemetry

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	protobuf = "application/x-protobuf"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
	// maxSaid bounds what of it comes into the log, in bytes.
	maxSaid = 500
)

// rejection says that the collector has taken a request without some of the spans, or points, that it held; or, with
// none, that it has something to say of it.
type rejection struct {
	items uint64
	said  string
}

func (r *rejection) Error() string {
	return fmt.Sprintf("the collector has not taken %d%s", r.items, clipped(r.said))
}

// readAnswer says what became of a request.
func readAnswer(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case answer.StatusCode/100 == 3:
		return fmt.Errorf("the collector answered %s: redirects are not followed, since headers may be keys, which are not for another host", status(answer))
	case answer.StatusCode/100 != 2:
		said := string(body)
		if of := new(numbered); kind == protobuf && of.decode(body) == nil { // google.rpc.Status
			said = of.text
		}
		return fmt.Errorf("the collector answered %s%s", status(answer), clipped(said))
	case err != nil:
		return fmt.Errorf("reading the collector's answer: %w", err)
	case len(body) > maxAnswer:
		return fmt.Errorf("the collector's answer has more than %d bytes", maxAnswer)
	case kind != protobuf:
		return nil
	}
	part, err := partialSuccess(body)
	if err != nil {
		return fmt.Errorf("the collector's answer: %w", err)
	}
	if part.number == 0 && part.text == "" {
		return nil
	}
	return &rejection{items: uint64(max(part.number, 0)), said: part.text}
}

// status is an answer's status without a text of the collector's own.
func status(answer *http.Response) string {
	return strings.TrimSpace(strconv.Itoa(answer.StatusCode) + " " + http.StatusText(answer.StatusCode))
}

// clipped is a text of somebody else as the end of an error, which is a log line.
func clipped(text string) string {
	if len(text) > maxSaid {
		text = text[:maxSaid]
	}
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "")))
	if text == "" {
		return ""
	}
	return ": " + text
}

// numbered is what a PartialSuccess of traces or of metrics and google.rpc.Status have in common: a number and a text.
type numbered struct {
	number int64
	text   string
}

var errNoOTLP = errors.New("not OTLP")

// partialSuccess decodes the answer to an export of traces or metrics. A message that is there several times is one,
// as always with protobuf.
func partialSuccess(answer []byte) (numbered, error) {
	var part numbered
	err := eachField(answer, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != 1 || kind != protowire.BytesType {
			return nil
		}
		text, _ := protowire.ConsumeBytes(value)
		return part.decode(text)
	})
	return part, err
}

// decode sets the fields that a message has.
func (n *numbered) decode(message []byte) error {
	return eachField(message, func(number protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case number == 1 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(value)
			n.number = int64(v)
		case number == 2 && kind == protowire.BytesType:
			text, _ := protowire.ConsumeBytes(value)
			n.text = string(text)
		}
		return nil
	})
}

// eachField calls take with the fields of a message; value is whole, with its length if it has one.
func eachField(message []byte, take func(number protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errNoOTLP
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return errNoOTLP
		}
		if err := take(number, kind, message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
