package hubprotocol

import (
	"strconv"
	"unicode/utf8"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// HandshakeRequest is the first record of every client, JSON whatever the hub
// protocol.
type HandshakeRequest struct {
	Protocol string // ASCII letters in lower case
	Version  int
}

// maxVersion is the highest version of the hub protocols: 2 has the records of
// stateful reconnect.
const maxVersion = 2

// maxEchoedName bounds how much of a client's own text an error text repeats, in bytes.
const maxEchoedName = 64

// CutHandshake cuts the handshake record, without its separator, off the bytes a
// client has sent so far. A nil record without error means that the record is not
// complete. ErrTooLarge is returned as soon as it is certain that the record has more
// than max bytes. The results share b's memory.
func CutHandshake(b []byte, max int) (record, rest []byte, err error) {
	_, record, rest, err = Cut(JSON, b, max)
	return record, rest, err
}

// handshakeError is a refusal with the text that the client is to be told.
type handshakeError string

func (e handshakeError) Error() string        { return string(e) }
func (e handshakeError) Is(target error) bool { return target == ErrMalformed }

func badHandshake(detail string) error {
	return handshakeError("An unexpected error occurred during connection handshake. " + detail)
}

// ParseHandshake reads the record that CutHandshake returned. Members other than
// protocol and version are ignored. The error's text is a sentence for
// AppendHandshakeResponse; it never repeats what the client sent.
func ParseHandshake(record []byte) (HandshakeRequest, error) {
	var request HandshakeRequest
	if !utf8.Valid(record) {
		return request, badHandshake(textNotUTF8)
	}
	var hasProtocol, hasVersion bool
	members, text := openObject(record)
	for text == "" && members.next() {
		switch string(members.name) {
		case "protocol":
			request.Protocol, text = stringMember("protocol", members.value)
			hasProtocol = true
		case "version":
			request.Version, text = int32Member("version", members.value)
			hasVersion = true
		}
	}
	switch {
	case text != "":
	case members.bad:
		text = textNotJSON
	case !hasProtocol:
		text = "Missing required property 'protocol'."
	case !hasVersion:
		text = "Missing required property 'version'."
	}
	if text != "" {
		return HandshakeRequest{}, badHandshake(text)
	}
	request.Protocol = lowerASCII(request.Protocol)
	return request, nil
}

// Check says why the request has to be refused, in a text for
// AppendHandshakeResponse, or returns nil (C64). Versions 0, 1 and 2 are accepted.
func (r HandshakeRequest) Check(supported func(protocol string) bool) error {
	if !supported(r.Protocol) {
		return handshakeError("The protocol '" + echoed(r.Protocol) + "' is not supported.")
	}
	if r.Version < 0 || r.Version > maxVersion {
		return handshakeError("The server does not support version " + strconv.Itoa(r.Version) +
			" of the '" + echoed(r.Protocol) + "' protocol.")
	}
	return nil
}

// AppendHandshakeResponse appends the answer to a handshake request with its
// separator: `{}` (C63), or `{"error":...}` (C64) if errText is not empty.
func AppendHandshakeResponse(dst []byte, errText string) []byte {
	dst = append(dst, '{')
	if errText != "" {
		dst = append(dst, `"error":`...)
		dst = jsontext.AppendString(dst, errText)
	}
	return append(dst, '}', RecordSeparator)
}

func echoed(name string) string {
	if len(name) <= maxEchoedName {
		return name
	}
	end := maxEchoedName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}

// lowerASCII leaves other letters alone: no Unicode folding may turn a name into
// another protocol's.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			lower := []byte(s)
			for k, c := range lower {
				if 'A' <= c && c <= 'Z' {
					lower[k] = c + 'a' - 'A'
				}
			}
			return string(lower)
		}
	}
	return s
}

// AppendHandshakeRequest appends a handshake request with its separator.
func AppendHandshakeRequest(dst []byte, protocol string, version int) []byte {
	dst = jsontext.AppendString(append(dst, `{"protocol":`...), protocol)
	dst = strconv.AppendInt(append(dst, `,"version":`...), int64(version), 10)
	return append(dst, '}', RecordSeparator)
}
