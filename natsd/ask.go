package natsd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// askTime bounds how long all servers of the cluster are waited for, and
	// askQuiet how long the next of them after one has answered.
	askTime  = 2 * time.Second
	askQuiet = 300 * time.Millisecond
	// maxNodes bounds the answers that are taken.
	maxNodes = 1024
)

// answer is what one server says of itself.
type answer[T any] struct {
	Server struct {
		Name     string            `json:"name"`
		ID       string            `json:"id"`
		Version  string            `json:"ver"`
		Metadata map[string]string `json:"metadata"`
	} `json:"server"`
	Data  T `json:"data"`
	Stats T `json:"statsz"`
}

// ask asks every server of the cluster. It returns the answers that came, this
// server's own among them: all of those that routes lead to, unless one is late.
func ask[T any](ctx context.Context, conn *nats.Conn, kind string, question any, servers int) ([]answer[T], error) {
	text, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }() // an answer that comes later is not missed
	if err := conn.PublishRequest("$SYS.REQ.SERVER.PING."+kind, inbox, text); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var list []answer[T]
	for len(list) < min(servers, maxNodes) {
		msg, err := nextOf(ctx, sub, len(list) > 0)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return list, nil
		case err != nil:
			return list, err
		}
		var one answer[T]
		if err := json.Unmarshal(msg.Data, &one); err != nil {
			return list, fmt.Errorf("the answer of a node cannot be read: %w", err)
		}
		list = append(list, one)
	}
	return list, nil
}

// nextOf waits for one more answer, for a shorter time if there was one already.
func nextOf(ctx context.Context, sub *nats.Subscription, more bool) (*nats.Msg, error) {
	if more {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askQuiet)
		defer cancel()
	}
	return sub.NextMsgWithContext(ctx)
}

// askAll opens a connection of the server's own account for one question.
func askAll[T any](ctx context.Context, e *Engine, kind string, question any) ([]answer[T], error) {
	conn, err := e.connect(ctx, e.users.system)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return ask[T](ctx, conn, kind, question, e.server().NumRemotes()+1)
}
