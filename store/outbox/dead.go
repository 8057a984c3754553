package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
)

// MaxLetter bounds a dead letter, in bytes: the engine takes no more.
const MaxLetter = 960 << 10

// ErrNoLetter is the error for a dead letter that is not there: it was delivered, or was forgotten.
var ErrNoLetter = errors.New("there is no such dead letter")

// Letter is a dead letter.
type Letter struct {
	Number uint64
	Text   []byte
}

// deadLetters is the stream of dead letters, which all nodes share.
type deadLetters struct {
	js      jetstream.JetStream
	stream  *stream.Stream
	config  jetstream.StreamConfig
	subject string
	counts  *counts.Counts[Event]
	ensured chan bool // holds whether there is a stream
}

func newDeadLetters(o Options, counted *counts.Counts[Event]) *deadLetters {
	subject := o.Store.Prefix + ".dead"
	config := jetstream.StreamConfig{
		Name: o.Store.Prefix + "_deadletters", Subjects: []string{subject}, Discard: jetstream.DiscardOld,
		MaxMsgs: int64(o.Dead.Count), MaxAge: o.Dead.Age, MaxBytes: min(maxDeadBytes, o.Store.MaxBytes/4), MaxMsgSize: maxBatch,
		Storage: o.Store.Storage, Replicas: max(o.Store.Replicas, 1), AllowDirect: true,
	}
	d := &deadLetters{js: o.Store.JetStream, stream: stream.New(o.Store.JetStream, config), config: config, subject: subject, counts: counted, ensured: make(chan bool, 1)}
	d.ensured <- false
	return d
}

// ensure makes the stream if it is not there, and gives it the bounds of this node.
func (d *deadLetters) ensure(ctx context.Context) error {
	if ok := <-d.ensured; ok {
		d.ensured <- true
		return nil
	}
	err := d.make(ctx)
	d.ensured <- err == nil
	return err
}

func (d *deadLetters) make(ctx context.Context) error {
	if err := d.stream.Ensure(ctx); err != nil {
		return err
	}
	have, err := d.js.Stream(ctx, d.config.Name)
	if err != nil {
		return err
	}
	want := have.CachedInfo().Config
	if want.MaxMsgs == d.config.MaxMsgs && want.MaxAge == d.config.MaxAge {
		return nil
	}
	want.MaxMsgs, want.MaxAge = d.config.MaxMsgs, d.config.MaxAge
	_, err = d.js.UpdateStream(ctx, want)
	return err
}

// Die stores the text of a dead letter for a delivery, and then calls the delivery done. It tries until ctx
// ends. The text has at most MaxLetter bytes.
func (o *Outbox) Die(ctx context.Context, number uint64, text []byte) error {
	id := fmt.Sprint(o.opts.Inc, "/", number) // repeating it does no harm
	for {
		err := o.dead.put(ctx, id, text)
		switch {
		case err == nil:
			o.counts.Add(EventDead, 1)
			o.Done(number)
			return nil
		case !stream.Pause(ctx, retryPause*5):
			return err
		}
	}
}

func (d *deadLetters) put(ctx context.Context, id string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := d.ensure(ctx); err != nil {
		return err
	}
	err := d.stream.Put(ctx, d.subject, id, text)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		<-d.ensured
		d.ensured <- false // it costs one question to find out
	}
	return err
}

// Letters returns dead letters with numbers from the given one on, the oldest first.
func (o *Outbox) Letters(ctx context.Context, from uint64, most int) ([]Letter, error) {
	var all []Letter
	for len(all) < most {
		m, err := o.dead.stream.Next(ctx, o.dead.subject, from)
		switch {
		case errors.Is(err, stream.ErrNotFound), errors.Is(err, stream.ErrNoStream):
			return all, nil
		case err != nil:
			return nil, err
		}
		all = append(all, Letter{Number: m.Sequence, Text: m.Data})
		from = m.Sequence + 1
	}
	return all, nil
}

// Letter returns the dead letter with a number, or ErrNoLetter.
func (o *Outbox) Letter(ctx context.Context, number uint64) (Letter, error) {
	all, err := o.Letters(ctx, number, 1)
	if err == nil && (len(all) == 0 || all[0].Number != number) {
		err = ErrNoLetter
	}
	if err != nil {
		return Letter{}, err
	}
	return all[0], nil
}

// Resend puts the delivery of a dead letter into the log of this node, and takes the letter away when it is
// there. If the node dies in between, there are both.
func (o *Outbox) Resend(ctx context.Context, letter uint64, record []byte) (number uint64, err error) {
	stored := make(chan struct{})
	number = o.log.put(&delivery{record: record, stored: func() { close(stored) }}, true)
	select {
	case <-stored:
	case <-ctx.Done():
		o.Done(number)
		return 0, context.Cause(ctx)
	}
	o.counts.Add(EventResent, 1)
	return number, o.Forget(ctx, letter)
}

// Forget takes a dead letter away.
func (o *Outbox) Forget(ctx context.Context, letter uint64) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	have, err := o.dead.js.Stream(ctx, o.dead.config.Name)
	if err != nil {
		return stream.Unavailable(err)
	}
	if err := have.DeleteMsg(ctx, letter); err != nil {
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil
		}
		return stream.Unavailable(err)
	}
	return nil
}

// Waiting is a delivery that a node has to make, as its log says.
type Waiting struct {
	Node     string // the name of the log
	Number   uint64
	Record   []byte
	Attempts int
}

// Waiting returns what all nodes have to deliver, as far as it is stored: at most so many, the oldest of each
// node first. It reads all logs, which can take as much memory as they have bytes: calls wait for each other.
func (o *Outbox) Waiting(ctx context.Context, most int) (list []Waiting, more bool, err error) {
	if err := o.looks.Acquire(ctx, 1); err != nil {
		return nil, false, err
	}
	defer o.looks.Release(1)
	readings := make(map[string]*reading)
	for last := uint64(0); ; {
		m, err := o.stream.Next(ctx, o.prefix+"*", last+1)
		if errors.Is(err, stream.ErrNotFound) || errors.Is(err, stream.ErrNoStream) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		last = m.Sequence
		inc := m.Subject[min(len(o.prefix), len(m.Subject)):]
		if readings[inc] == nil {
			readings[inc] = newReading()
		}
		readings[inc].take(m.Data)
	}
	for _, inc := range sortedKeys(readings) {
		open := readings[inc].open
		for _, number := range sortedKeys(open) {
			if len(list) == most {
				return list, true, nil
			}
			list = append(list, Waiting{Node: inc, Number: number, Record: open[number], Attempts: readings[inc].attempts[number]})
		}
	}
	return list, false, nil
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
