// Package claims keeps short values under keys for a short time, in JetStream, for all nodes of a cluster. Who comes
// first with a key has it: others are given what is stored there. Nothing is forgotten before its time; when there
// is no room, new keys are refused. A node that is alone has store.Claims.
package claims

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store"
	"github.com/hubgate/hubgate/store/stream"
)

const (
	// DefaultMaxBytes is the default of Options.MaxBytes.
	DefaultMaxBytes = 128 << 20
	// MaxValue bounds one value, in bytes.
	MaxValue = 2 << 10
)

// Options describe a Bucket. JetStream is required.
type Options struct {
	JetStream jetstream.JetStream
	// Prefix begins the names in the store; "" means "hg".
	Prefix string
	// Replicas is how many voters keep a copy; 0 means 1. Storage is files or memory.
	Replicas int
	Storage  jetstream.StorageType
	// MaxBytes and MaxKeys bound what is stored, by about what comes in a second; 0 means DefaultMaxBytes and store.DefaultMaxClaims.
	MaxBytes int64
	MaxKeys  int64
}

// Bucket keeps claims in JetStream, for all nodes. Its methods may be called concurrently. The stream is made
// when it is needed.
type Bucket struct {
	opts   Options
	stream *stream.Stream
	name   string
	size   size
}

// NewBucket returns a Bucket. Nothing is asked of the store.
func NewBucket(opts Options) *Bucket {
	if opts.Prefix == "" {
		opts.Prefix = "hg"
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	if opts.MaxKeys <= 0 {
		opts.MaxKeys = store.DefaultMaxClaims
	}
	name := opts.Prefix + "_claims"
	config := stream.Bucket(name, opts.MaxBytes, MaxValue)
	config.Replicas, config.Storage = opts.Replicas, opts.Storage
	return &Bucket{opts: opts, stream: stream.New(opts.JetStream, config), name: name}
}

const (
	// attemptTime bounds one question to the store, retryAfter is how soon it is asked again.
	attemptTime = 2 * time.Second
	retryAfter  = 50 * time.Millisecond
)

func (b *Bucket) subject(key string) string { return "$KV." + b.name + "." + key }

// Claim stores the value under the key for so long, in whole seconds, if nothing is there. If something is, it is
// held, and nothing is changed. No two claims may have the same value. The key is one token of a NATS subject. The
// number is for Keep and Free. The error is stream.ErrFull or stream.ErrUnavailable; after the latter the key may
// be claimed until the claim ends.
func (b *Bucket) Claim(ctx context.Context, key string, value []byte, lasts time.Duration) (number uint64, held []byte, err error) {
	if b.full(ctx) {
		// Also a full store answers repeats.
		switch m, err := b.last(ctx, key); {
		case err != nil:
			return 0, nil, err
		case m.Sequence == 0:
			return 0, nil, stream.ErrFull
		default:
			return 0, m.Data, nil
		}
	}
	m, err := b.put(ctx, key, value, 0, lasts)
	if err != nil || bytes.Equal(m.Data, value) {
		return m.Sequence, nil, err
	}
	return 0, m.Data, nil
}

// Keep stores another value for so long in the place of that with the number. The error is store.ErrLost,
// stream.ErrFull or stream.ErrUnavailable.
func (b *Bucket) Keep(ctx context.Context, key string, number uint64, value []byte, lasts time.Duration) error {
	m, err := b.put(ctx, key, value, number, lasts)
	if err == nil && !bytes.Equal(m.Data, value) {
		return store.ErrLost
	}
	return err
}

// Free forgets the key, if what is stored there still has the number.
func (b *Bucket) Free(ctx context.Context, key string, number uint64) error {
	return b.stream.PurgeBefore(ctx, b.subject(key), number+1)
}

// put stores the value in the place of the one with the number, and returns what is there then: the value, or
// what somebody else stored. It asks until ctx ends. Nothing there is the zero Message.
func (b *Bucket) put(ctx context.Context, key string, value []byte, number uint64, lasts time.Duration) (stream.Message, error) {
	if len(value) > MaxValue {
		return stream.Message{}, fmt.Errorf("a claim of %d bytes, more than %d", len(value), MaxValue)
	}
	for {
		sequence, err := b.write(ctx, key, value, number, lasts)
		if err == nil {
			return stream.Message{Data: value, Sequence: sequence}, nil
		}
		if errors.Is(err, stream.ErrFull) || errors.Is(err, stream.ErrFormat) {
			return stream.Message{}, err
		}
		// A refusal is a question: somebody else may have written, or nobody, or this write has arrived.
		m, readErr := b.last(ctx, key)
		if readErr == nil && (m.Sequence != number || bytes.Equal(m.Data, value)) {
			return m, nil
		}
		timer := time.NewTimer(retryAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return stream.Message{}, stream.Unavailable(errors.Join(err, readErr))
		case <-timer.C:
		}
	}
}

func (b *Bucket) write(ctx context.Context, key string, value []byte, number uint64, lasts time.Duration) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	sequence, err := b.stream.Write(ctx, b.subject(key), value, number, lasts)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		if err := b.stream.Ensure(ctx); err != nil {
			return 0, err
		}
		return b.stream.Write(ctx, b.subject(key), value, number, lasts)
	}
	return sequence, err
}

func (b *Bucket) last(ctx context.Context, key string) (stream.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	m, err := b.stream.Last(ctx, b.subject(key))
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrNotFound) {
		return stream.Message{}, nil
	}
	return m, err
}
