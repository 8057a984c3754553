package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// batchMessages and batchBytes bound what one question is answered with. The last message may go beyond the bytes.
	batchMessages = 1024
	batchBytes    = 1 << 20
)

// AllLast returns what was written last under each subject that the filter takes, as the next best copy
// has it.
func (s *Stream) AllLast(ctx context.Context, filter string) ([]Message, error) {
	all, err := s.many(ctx, question{LastOf: []string{filter}})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Following returns messages from a sequence on whose subject the filter takes, in their order: one or more, up to a
// thousand. ErrNotFound says that there is none, which only the leader can say. The others are from the next best
// copy, if the stream's AllowDirect permits: one that is behind has fewer, and what it has is right. It has half of the
// time of ctx: what has come by then is returned, and if that is nothing, the leader is asked.
func (s *Stream) Following(ctx context.Context, filter string, from uint64) ([]Message, error) {
	from = max(from, 1)
	short, cancel := halfOf(ctx)
	defer cancel()
	// An error matters no more than the end of the batch: nothing is missing in what came before it.
	if all, _ := s.many(short, question{Sequence: from, Next: filter, Batch: batchMessages, MaxBytes: batchBytes}); len(all) > 0 {
		return all, nil
	}
	m, err := s.Next(ctx, filter, from)
	if err != nil {
		return nil, err
	}
	return []Message{m}, nil
}

// halfOf is a context with half of the time that ctx has.
func halfOf(ctx context.Context) (context.Context, context.CancelFunc) {
	until, bounded := ctx.Deadline()
	if !bounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(until)/2)
}

// many asks the next best copy for several messages. Each comes by itself; behind them it says that there are no more.
// With an error there are those that had come before it, one behind the other.
func (s *Stream) many(ctx context.Context, q question) ([]Message, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	conn := s.js.Conn()
	sub, err := conn.SubscribeSync(conn.NewRespInbox())
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only with the connection
	if err := conn.PublishRequest(s.api+"DIRECT.GET."+s.config.Name, sub.Subject, text); err != nil {
		return nil, classify(err)
	}
	var all []Message
	for before := uint64(0); ; {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return all, classify(err)
		}
		if msg.Header.Get("Status") == fmt.Sprint(http.StatusNoContent) {
			return all, follows(msg, before)
		}
		m, err := direct(msg)
		if errors.Is(err, ErrNotFound) && len(all) == 0 {
			return nil, nil
		}
		if err == nil {
			err = follows(msg, before)
		}
		if err != nil {
			return all, err
		}
		all, before = append(all, m), m.Sequence
	}
}

// follows checks that no message was lost on the way: each says the number of the one before it.
func follows(msg *nats.Msg, before uint64) error {
	if said := msg.Header.Get("Nats-Last-Sequence"); said != fmt.Sprint(before) {
		return Unavailable(fmt.Errorf("an answer that follows number %q, and %d came before", said, before))
	}
	return nil
}
