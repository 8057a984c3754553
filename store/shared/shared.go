// Package shared keeps one text that all nodes of a cluster share, in JetStream: each change says which
// one it follows, and every node hears of it.
//
// The text is sealed: it may hold what only nodes may read.
package shared

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store/stream"
)

// MaxText bounds the text, in bytes.
const MaxText = 48 << 10

// MaxHistory is how many texts are kept, the one in force among them. A store of an earlier version keeps fewer.
const MaxHistory = 32

// The errors of a Text. ErrConflict is that of a change that does not follow the text in force,
// ErrUnavailable that of a store that does not answer.
var (
	ErrConflict    = errors.New("somebody else has changed it since")
	ErrUnavailable = stream.ErrUnavailable
	ErrTooLarge    = fmt.Errorf("has more than %d bytes", MaxText)
	// ErrSealed is the error for a text that was sealed with another key.
	ErrSealed = errors.New("what the nodes share cannot be opened: it was sealed with another secret")
)

// Options describe a Text. JetStream and Keys are required.
type Options struct {
	JetStream jetstream.JetStream
	// Prefix begins the names in the store; "" means "hg".
	Prefix string
	// Replicas is how many voters keep a copy; 0 means 1. Storage is files or memory.
	Replicas int
	Storage  jetstream.StorageType
	// Keys seal the text, 32 bytes each: the first one seals, all open.
	Keys [][]byte
	// Logger takes what cannot be returned; nil discards.
	Logger *slog.Logger
}

// Version is a text and its number. Number 0 stands for no text: nobody has ever stored one.
type Version struct {
	Number uint64
	Text   []byte
}

// Text is what is shared. All methods may be called concurrently.
type Text struct {
	opts    Options
	stream  *stream.Stream
	subject string // of the text in the store
	news    string // of the word that there is a new one
	seals   []cipher.AEAD
}

// New returns a Text. Nothing is asked of the store.
func New(opts Options) (*Text, error) {
	if opts.Prefix == "" {
		opts.Prefix = "hg"
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	name := opts.Prefix + "_settings"
	const room = MaxHistory * (MaxText + 4<<10)
	config := stream.Bucket(name, room, MaxText+1<<10)
	config.MaxMsgsPerSubject = MaxHistory
	config.Replicas, config.Storage = opts.Replicas, opts.Storage
	t := &Text{
		opts: opts, stream: stream.New(opts.JetStream, config),
		subject: "$KV." + name + ".current", news: opts.Prefix + ".settings.changed",
	}
	for _, key := range opts.Keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		seal, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		t.seals = append(t.seals, seal)
	}
	if len(t.seals) == 0 {
		return nil, errors.New("shared: no key")
	}
	return t, nil
}

// Current returns the text in force, as the leader has it.
func (t *Text) Current(ctx context.Context) (Version, error) {
	m, err := t.stream.Last(ctx, t.subject)
	switch {
	case errors.Is(err, stream.ErrNoStream), errors.Is(err, stream.ErrNotFound):
		return Version{}, nil
	case err != nil:
		return Version{}, err
	}
	text, err := t.open(m.Data)
	return Version{m.Sequence, text}, err
}

// History returns the texts that are kept, the oldest first. One that cannot be opened is left out.
func (t *Text) History(ctx context.Context) (all []Version, err error) {
	for from := uint64(1); ; {
		m, err := t.stream.Next(ctx, t.subject, from)
		switch {
		case errors.Is(err, stream.ErrNoStream), errors.Is(err, stream.ErrNotFound):
			return all, nil
		case err != nil:
			return nil, err
		}
		if text, err := t.open(m.Data); err == nil {
			all = append(all, Version{m.Sequence, text})
		}
		from = m.Sequence + 1
	}
}

// attemptTime bounds one question to the store.
const attemptTime = 2 * time.Second

// Change stores a text that follows the version with the number after, 0 for the first one. The error is
// ErrConflict, ErrUnavailable, ErrTooLarge or stream.ErrFull. Behind ErrUnavailable it is not known whether
// the text was stored.
func (t *Text) Change(ctx context.Context, text []byte, after uint64) (Version, error) {
	if len(text) > MaxText {
		return Version{}, ErrTooLarge
	}
	sealed := t.seal(text)
	for {
		number, err := t.write(ctx, sealed, after)
		if err == nil {
			t.tell()
			return Version{number, text}, nil
		}
		if errors.Is(err, stream.ErrFull) {
			return Version{}, err
		}
		// A refusal is a question: somebody else may have written, or nobody, or this write has arrived.
		m, readErr := t.last(ctx)
		switch {
		case readErr == nil && string(m.Data) == string(sealed):
			t.tell()
			return Version{m.Sequence, text}, nil
		case readErr == nil && m.Sequence != after:
			return Version{}, ErrConflict
		case readErr != nil && ctx.Err() != nil:
			return Version{}, stream.Unavailable(err)
		}
		select {
		case <-ctx.Done():
			return Version{}, stream.Unavailable(err)
		case <-time.After(retryAfter):
		}
	}
}

// retryAfter is how soon a write that was refused is tried again.
const retryAfter = 100 * time.Millisecond

func (t *Text) write(ctx context.Context, sealed []byte, after uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	number, err := t.stream.Write(ctx, t.subject, sealed, after, 0)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrUnavailable) {
		if err := t.stream.Ensure(ctx); err != nil {
			return 0, err
		}
		return t.stream.Write(ctx, t.subject, sealed, after, 0)
	}
	return number, err
}

// last is the text in force, sealed; the zero Message if there is none.
func (t *Text) last(ctx context.Context) (stream.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	m, err := t.stream.Last(ctx, t.subject)
	if errors.Is(err, stream.ErrNoStream) || errors.Is(err, stream.ErrNotFound) {
		return stream.Message{}, nil
	}
	return m, err
}

// tell says that there is a new text. It may get lost: then the others see it at their next look.
func (t *Text) tell() { _ = t.opts.JetStream.Conn().Publish(t.news, nil) }

func (t *Text) seal(text []byte) []byte {
	seal := t.seals[0]
	nonce := make([]byte, seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return seal.Seal(nonce, nonce, text, []byte(t.subject))
}

func (t *Text) open(sealed []byte) ([]byte, error) {
	for _, seal := range t.seals {
		n := seal.NonceSize()
		if len(sealed) < n {
			break
		}
		if text, err := seal.Open(nil, sealed[:n], sealed[n:], []byte(t.subject)); err == nil {
			return text, nil
		}
	}
	return nil, ErrSealed
}
