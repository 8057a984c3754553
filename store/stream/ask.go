package stream

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A question to JetStream goes to all voters, and the one that leads answers. But one that knows no leader
// answers too, with an error: after a partition that may be one that is not current yet, while all others
// are. It is the fastest, since it has nothing to look for. So such an error is no answer as long as
// another one may come.

// othersTime is how long after such an error the answer of another voter is waited for.
const othersTime = 500 * time.Millisecond

// codeNoLeader is the code of that error.
const codeNoLeader = 10008

// info returns what the leader says of the stream. Errors: ErrNoStream, and those that are unavailable.
func (s *Stream) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	info := new(jetstream.StreamInfo)
	if err := s.ask(ctx, "STREAM.INFO."+s.config.Name, nil, info); err != nil {
		return nil, err
	}
	return info, nil
}

// ask asks the voters, and reads the answer.
func (s *Stream) ask(ctx context.Context, subject string, question []byte, answer any) error {
	msg, err := s.request(ctx, subject, question)
	if err != nil {
		return err
	}
	failure, err := failureOf(msg)
	if err == nil && failure != nil && failure.ErrorCode == codeNoLeader {
		if msg, err = s.askAll(ctx, subject, question); err != nil {
			return err
		}
		failure, err = failureOf(msg)
	}
	switch {
	case err != nil:
		return err
	case failure != nil:
		return classify(failure)
	}
	if err := json.Unmarshal(msg.Data, answer); err != nil {
		return Unavailable(err)
	}
	return nil
}

// failureOf is the error that an answer says, nil if it says none.
func failureOf(msg *nats.Msg) (*jetstream.APIError, error) {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, Unavailable(err)
	}
	return answer.Error, nil
}

// askAll asks once more, and returns the first answer that is not of a voter without a leader; if there is
// none in time, that of one.
func (s *Stream) askAll(ctx context.Context, subject string, question []byte) (*nats.Msg, error) {
	conn := s.js.Conn()
	sub, err := conn.SubscribeSync(conn.NewRespInbox())
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only with the connection
	if err := conn.PublishRequest(s.api+subject, sub.Subject, question); err != nil {
		return nil, classify(err)
	}
	var last *nats.Msg
	wait := ctx
	for {
		msg, err := sub.NextMsgWithContext(wait)
		if err != nil {
			if last != nil && ctx.Err() == nil {
				return last, nil
			}
			return nil, classify(err)
		}
		failure, err := failureOf(msg)
		if err != nil || failure == nil || failure.ErrorCode != codeNoLeader {
			return msg, nil
		}
		if last == nil {
			var cancel context.CancelFunc
			wait, cancel = context.WithTimeout(ctx, othersTime)
			defer cancel()
		}
		last = msg
	}
}
