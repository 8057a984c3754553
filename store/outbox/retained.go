package outbox

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store/stream"
)

// retained is a stream that forgets the oldest. It is made when something is put into it.
type retained struct {
	js      jetstream.JetStream
	stream  *stream.Stream
	config  jetstream.StreamConfig
	ensured chan bool // holds whether there is a stream
}

func newRetained(js jetstream.JetStream, config jetstream.StreamConfig) *retained {
	r := &retained{js: js, stream: stream.New(js, config), config: config, ensured: make(chan bool, 1)}
	r.ensured <- false
	return r
}

// ensure makes the stream if it is not there, and gives it the bounds of this node.
func (r *retained) ensure(ctx context.Context) error {
	if ok := <-r.ensured; ok {
		r.ensured <- true
		return nil
	}
	err := r.make(ctx)
	r.ensured <- err == nil
	return err
}

func (r *retained) make(ctx context.Context) error {
	if err := r.stream.Ensure(ctx); err != nil {
		return err
	}
	have, err := r.js.Stream(ctx, r.config.Name)
	if err != nil {
		return err
	}
	want := have.CachedInfo().Config
	if want.MaxMsgs == r.config.MaxMsgs && want.MaxAge == r.config.MaxAge {
		return nil
	}
	want.MaxMsgs, want.MaxAge = r.config.MaxMsgs, r.config.MaxAge
	_, err = r.js.UpdateStream(ctx, want)
	return err
}

// put stores data. Repeating it with the same id does no harm.
func (r *retained) put(ctx context.Context, subject, id string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := r.ensure(ctx); err != nil {
		return err
	}
	err := r.stream.Put(ctx, subject, id, data)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		<-r.ensured
		r.ensured <- false // it costs one question to find out
	}
	return err
}
