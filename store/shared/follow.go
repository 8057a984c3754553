package shared

import (
	"bytes"
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
// and then with each other one, until ctx ends. A text with the number of the one before may be another one:
// a store that begins anew counts from one. Some may be left out if they follow each other fast; the last one
// never is. A text that cannot be opened is an error for changed. One that changed does not take is given to it
// again at the next look, which is at most ten seconds later.
func (t *Text) Follow(ctx context.Context, changed func(Version, error) (taken bool)) {
	news := make(chan *nats.Msg, 1)
	sub, err := t.opts.JetStream.Conn().ChanSubscribe(t.news, news)
	if err != nil {
		t.opts.Logger.Warn("changes of what the nodes share are seen late: they are not told of", "error", err)
	} else {
		defer func() { _ = sub.Unsubscribe() }() // fails only with the connection
	}
	known, last := false, Version{}
	for {
		v, err := t.look(ctx)
		answered := err == nil || v.Number != 0 // it may not be to be opened
		if answered && (!known || v.Number != last.Number || !bytes.Equal(v.Text, last.Text)) && changed(v, err) {
			known, last = true, v
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
