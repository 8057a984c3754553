package hubprotocol

import (
	"bytes"
	"math"
)

// FrameCompletion checks that body, an upstream's answer, is exactly one well-formed
// Completion with the id invocationID in the protocol, and returns it framed: body
// itself if it came so, a framed copy if the framing was missing. White space and a byte
// order mark around a JSON record are tolerated. Any error means that body must not reach the client, whom
// a wrong byte would disconnect.
func FrameCompletion(protocol, invocationID string, body []byte) ([]byte, error) {
	switch {
	case protocol == JSON:
		body = bytes.Trim(bytes.TrimPrefix(body, byteOrderMark), " \t\r\n")
		record, framed := bytes.CutSuffix(body, []byte{RecordSeparator})
		if err := checkCompletion(protocol, invocationID, record); err != nil {
			return nil, err
		}
		if framed {
			return body, nil
		}
		return append(append(make([]byte, 0, len(record)+1), record...), RecordSeparator), nil
	case packed(protocol):
		// No body is both: behind a length prefix stands an array, and in an unframed
		// Completion no array follows where its first bytes, read as a length, would end.
		frame, record, rest, err := Cut(protocol, body, math.MaxInt32)
		if err == nil && frame != nil && len(rest) == 0 && startsArray(record) {
			if err := checkCompletion(protocol, invocationID, record); err != nil {
				return nil, err
			}
			return body, nil
		}
		if err := checkCompletion(protocol, invocationID, body); err != nil {
			return nil, err
		}
		framed, at := openFrame(make([]byte, 0, len(body)+maxPrefix))
		return closeFrame(append(framed, body...), at), nil
	}
	return nil, ErrProtocol
}

func startsArray(record []byte) bool {
	kind, _, _ := packToken(record, 0)
	return kind == packArray
}

func checkCompletion(protocol, invocationID string, record []byte) error {
	m, err := Parse(protocol, record)
	switch {
	case err != nil:
		return err
	case m.Type != Completion:
		return recordError("The answer is not a Completion.")
	case m.InvocationID != invocationID:
		return recordError("The answer is the Completion of another invocation.")
	}
	return nil
}
