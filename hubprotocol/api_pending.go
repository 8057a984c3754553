package hubprotocol

import "errors"

var errPending = errors.New("being written")

type HandshakeRequest struct {
	Protocol string
	Version  int
}

func CutHandshake(b []byte, max int) (record, rest []byte, err error) { return nil, nil, errPending }
func ParseHandshake(record []byte) (HandshakeRequest, error)         { return HandshakeRequest{}, errPending }
func (HandshakeRequest) Check(supported func(string) bool) error      { return errPending }
func AppendHandshakeResponse(dst []byte, errText string) []byte       { return dst }

func Cut(protocol string, b []byte, max int) (frame, body, rest []byte, err error) {
	return nil, nil, nil, errPending
}

// Peeked is what Peek finds.
type Peeked struct {
	Type         Type
	HasID        bool
	InvocationID []byte // raw, still escaped for JSON
	Target       []byte // raw, still escaped for JSON
}

func Peek(protocol string, body []byte) (Peeked, error) { return Peeked{}, errPending }

type Message struct {
	Type           Type
	InvocationID   string
	HasID          bool
	Target         string
	Arguments      []byte // raw array in the record's own encoding
	StreamIDs      []string
	Error          string
	HasError       bool
	Result         []byte // Completion: raw result; StreamItem: raw item; nil = none
	AllowReconnect bool
	SequenceID     uint64
}

func Parse(protocol string, body []byte) (Message, error) { return Message{}, errPending }

func AppendInvocation(dst []byte, protocol, invocationID, target string, arguments []byte) ([]byte, error) {
	return dst, errPending
}
func AppendPing(dst []byte, protocol string) []byte { return dst }
func AppendClose(dst []byte, protocol, errText string, allowReconnect bool) []byte {
	return dst
}
func AppendCompletion(dst []byte, protocol, invocationID string) []byte               { return dst }
func AppendCompletionError(dst []byte, protocol, invocationID, errText string) []byte { return dst }
func AppendCompletionResult(dst []byte, protocol, invocationID string, result []byte) []byte {
	return dst
}
func FrameCompletion(protocol, invocationID string, body []byte) ([]byte, error) {
	return nil, errPending
}

func AppendJSONAsMessagePack(dst, json []byte) ([]byte, error) { return dst, errPending }
func AppendMessagePackAsJSON(dst, mp []byte) ([]byte, error)   { return dst, errPending }

type Frames struct{}

func NewInvocation(protocol, target string, arguments []byte) (*Frames, error) { return nil, errPending }
func NewFrames(byProtocol map[string][]byte) (*Frames, error)                  { return nil, errPending }
func (f *Frames) For(protocol string) ([]byte, bool)                           { return nil, false }
func (f *Frames) Size() int                                                    { return 0 }

// Errors of the REST bodies; anything else is ErrMalformed.
var (
	ErrTargetMissing     = errors.New("the message needs a target")
	ErrTargetEmpty       = errors.New("the message's target must not be empty")
	ErrArgumentsNotArray = errors.New("the message's arguments must be an array")
)

func ParseJSONBody(body []byte) (target string, arguments []byte, err error) {
	return "", nil, errPending
}
func ParseMessagePackBody(body []byte) (target string, arguments []byte, err error) {
	return "", nil, errPending
}
func ParseOctetStreamBody(body []byte) (map[string][]byte, error) { return nil, errPending }
