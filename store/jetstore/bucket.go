package jetstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store/stream"
)

// The errors of streams, as this package knows them.
var (
	errConflict = stream.ErrConflict
	errNotFound = stream.ErrNotFound
	errNoBucket = stream.ErrNoStream
	unavailable = stream.Unavailable
)

// ErrUnavailable is the error of a store that does not answer now: voters choose
// a leader, or too many of them are gone. Whether a change was carried out is
// then unknown; it does no harm to ask for it again. Its method Unavailable tells
// those who do not know this package.
var ErrUnavailable = stream.ErrUnavailable

// entry is what is stored under a key; revision 0 stands for nothing.
type entry struct {
	value    []byte
	revision uint64
}

// bucket reads and writes one bucket of JetStream.
type bucket struct {
	stream *stream.Stream
	name   string
}

// newBucket describes a bucket with one value per key.
func newBucket(js jetstream.JetStream, name string, replicas int, storage jetstream.StorageType, maxBytes int64) *bucket {
	config := stream.Bucket(name, maxBytes, MaxUserBytes)
	config.Replicas, config.Storage = replicas, storage
	return &bucket{stream: stream.New(js, config), name: name}
}

func (b *bucket) subject(key string) string { return "$KV." + b.name + "." + key }

func (b *bucket) ensure(ctx context.Context) error {
	err := b.stream.Ensure(ctx)
	if errors.Is(err, stream.ErrFormat) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// bytes is how much the bucket holds.
func (b *bucket) bytes(ctx context.Context) (int64, error) { return b.stream.Bytes(ctx) }

// latest returns what the leader has, which is the last that was written.
func (b *bucket) latest(ctx context.Context, key string) (entry, error) {
	return entryOf(b.stream.Last(ctx, b.subject(key)))
}

// any returns what the next best copy has, which may be old.
func (b *bucket) any(ctx context.Context, key string) (entry, error) {
	return entryOf(b.stream.AnyLast(ctx, b.subject(key)))
}

func entryOf(m stream.Message, err error) (entry, error) {
	return entry{value: m.Data, revision: m.Sequence}, err
}

// write stores a value if the key still has the revision, and has the server
// forget it after lasts. An error other than errConflict and store.ErrFull leaves open
// whether it was stored.
func (b *bucket) write(ctx context.Context, key string, value []byte, revision uint64, lasts time.Duration) error {
	_, err := b.stream.Write(ctx, b.subject(key), value, revision, lasts)
	return err
}
