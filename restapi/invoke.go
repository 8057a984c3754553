package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/gateway"
	"github.com/hubgate/hubgate/hubprotocol"
)

// InvokeConnection calls a method of one client and answers with its result (R42).
func (s *server) InvokeConnection(ctx context.Context, r InvokeConnectionRequestObject) (InvokeConnectionResponseObject, error) {
	to := at(r.Hub, r.Params.Application).connection(r.Connection)
	if to.err != nil {
		return nil, to.err
	}
	ask, err := readBody(r.ContentType, r.Body, parseQuestion)
	if err != nil {
		return nil, err
	}
	cmd := s.sending(ctx, to, nil)
	waiting, cancel := context.WithTimeoutCause(ctx, s.invokeWait(ctx), errNoAnswer)
	defer cancel()
	answer, err := s.Hubs.Invoke(waiting, *cmd, ask)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = errNoAnswer
		}
		return nil, err
	}
	return result(answer)
}

// invokeWait is how long the client may take to answer. A caller may prefer less, but not nothing: the client would
// be asked, and nobody would hear what it says.
func (s *server) invokeWait(ctx context.Context) time.Duration {
	wait := s.Limits().orDefaults().InvokeTimeout
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.wants.prefer.wait > 0 {
		wait = min(wait, c.wants.prefer.wait)
	}
	return wait
}

// question makes the message of an invocation that the client answers under an id.
type question = func(invocationID string) (*hubprotocol.Frames, error)

func parseQuestion(media string, content []byte) (question, error) {
	if media == octetType {
		payloads, err := hubprotocol.ParseOctetStreamBody(bytes.Clone(content))
		if err != nil {
			return nil, err
		}
		_, err = hubprotocol.Questions(payloads, "check")
		return func(id string) (*hubprotocol.Frames, error) { return hubprotocol.Questions(payloads, id) }, err
	}
	protocol, read := hubprotocol.JSON, hubprotocol.ParseJSONBody
	if media == msgpackType {
		protocol, read = hubprotocol.MessagePack, hubprotocol.ParseMessagePackBody
	}
	target, arguments, err := read(content)
	if err != nil {
		return nil, err
	}
	arguments = bytes.Clone(arguments)
	return func(id string) (*hubprotocol.Frames, error) {
		return hubprotocol.NewQuestion(protocol, id, target, arguments)
	}, nil
}

// errNoAnswer is what a caller is told whose client says nothing.
var errNoAnswer = &failure{
	status: http.StatusGatewayTimeout, reason: ReasonNoAnswer, code: "Error.Connection.Unknown", target: ErrorDetailTargetConnection,
	message: "The client did not answer in time.",
}

// clientFailure refuses what the client itself has refused or cannot do.
func clientFailure(message string) error {
	return &failure{status: http.StatusBadRequest, reason: ReasonClientError, code: "Error.Connection.Invalid", target: ErrorDetailTargetConnection, message: message}
}

// unanswered is the failure of a client that will not answer.
func unanswered(none *gateway.NoAnswer) *failure {
	switch none.Reason {
	case gateway.NotConvertible, gateway.Unable:
		return asFailure(clientFailure(none.Text))
	case gateway.TooManyInvocations:
		return unavailable(ReasonHubBusy, 1, none.Text, nil)
	}
	return asFailure(notExisted(codeNoConnectionToAdd, ErrorDetailTargetConnection, none.Text))
}

// invocationResult is the answer of a client, as JSON. The result is written as it is.
type invocationResult struct {
	Result   json.RawMessage `json:"result"`
	Protocol string          `json:"protocol,omitempty"`
}

// VisitInvokeConnectionResponse implements InvokeConnectionResponseObject.
func (r invocationResult) VisitInvokeConnectionResponse(w http.ResponseWriter) error {
	body := append([]byte(`{"result":`), r.Result...)
	body = append(append(append(body, `,"protocol":"`...), r.Protocol...), `"}`...) // a known name
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return err
}

// result reads a client's Completion. What MessagePack has and JSON has not is told as everywhere else:
// binary values are base64.
func result(answer gateway.Answer) (InvokeConnectionResponseObject, error) {
	malformed := clientFailure("The answer of the client is malformed.")
	_, body, _, err := hubprotocol.Cut(answer.Protocol, answer.Frame, len(answer.Frame))
	if err != nil {
		return nil, malformed
	}
	m, err := hubprotocol.Parse(answer.Protocol, body)
	if err != nil || m.Type != hubprotocol.Completion {
		return nil, malformed
	}
	if m.HasError {
		return nil, clientFailure(strings.ToValidUTF8(m.Error, "\uFFFD"))
	}
	r := invocationResult{Result: m.Result, Protocol: answer.Protocol}
	switch {
	case m.Result == nil:
		r.Result = []byte("null")
	case answer.Protocol != hubprotocol.JSON:
		if r.Result, err = hubprotocol.AppendMessagePackAsJSON(nil, m.Result); err != nil {
			return nil, malformed
		}
	}
	return r, nil
}
