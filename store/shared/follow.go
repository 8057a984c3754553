package shared

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// lookEvery is how often a node looks for a text of which it has not heard; lookSoon is how often
	// while it has none yet.
	lookEvery = 10 * time.Second
	lookSoon  = 250 * time.Millisecond
)

// Follow calls changed with each text: with the first one that the store gives, also if that is none,
// and then with each that has another number, until ctx ends. Some may be left out if they follow each
// other fast; the last one never is. A text that cannot be opened is an error for changed, once.
func (t *Text) Follow(ctx context.Context, changed func(Version, error)) {
	news := make(chan *nats.Msg, 1)
	sub, err := t.opts.JetStream.Conn().ChanSubscribe(t.news, news)
	if err != nil {
		t.opts.Logger.Warn("changes of what the nodes share are seen late: they are not told of", "error", err)
	} else {
		defer func() { _ = sub.Unsubscribe() }() // fails only with the connection
	}
	known, last := false, uint64(0)
	for {
		v, err := t.look(ctx)
		answered := err == nil || v.Number != 0 // it may not be to be opened
		if answered && (!known || v.Number != last) {
			known, last = true, v.Number
			changed(v, err)
		}
		wait := lookEvery
		if !answered {
			wait = lookSoon
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-news:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (t *Text) look(ctx context.Context) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return t.Current(ctx)
}
