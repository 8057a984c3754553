// Package stream is a stream of JetStream as the stores of a cluster use it: it is made when it is
// missing, reads that decide something are answered by the voter that leads, and who writes says what
// it has seen. It is not used through nats.go's KeyValue, which reads from any copy.
package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The version of what is in a stream stands in its metadata.
const (
	format    = "1"
	formatKey = "hubgate-format"
)

// Message is what is stored under a subject. Sequence 0 stands for nothing.
type Message struct {
	Subject  string
	Data     []byte
	Sequence uint64
}

// Stream reads and writes one stream. All methods may be called concurrently. Their errors are the
// Err variables and those of the context.
type Stream struct {
	js     jetstream.JetStream
	api    string // what the subjects of questions begin with
	config jetstream.StreamConfig
}

// New describes a stream. Nothing is asked of the engine.
func New(js jetstream.JetStream, config jetstream.StreamConfig) *Stream {
	api := js.Options().APIPrefix
	if api == "" {
		api = jetstream.DefaultAPIPrefix
	}
	config.Metadata = map[string]string{formatKey: format}
	config.Replicas = max(config.Replicas, 1)
	return &Stream{js: js, api: api, config: config}
}

// Bucket describes a stream that is a key-value bucket as nats.go and its tools know it, with one
// value for each key. It may get larger than maxBytes by an eighth: a store that is full must still be
// able to write less than it has.
func Bucket(name string, maxBytes int64, maxValue int32) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              "KV_" + name,
		Subjects:          []string{"$KV." + name + ".>"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxBytes + maxBytes/8,
		MaxMsgSize:        maxValue + 4<<10,
		Discard:           jetstream.DiscardNew,
		AllowDirect:       true,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowMsgTTL:       true,
	}
}

// Ensure makes the stream if it is not there, and gives it more copies, more room or more ways to read it if it has
// less than it should. It never takes any away: two nodes may be told differently for a while.
func (s *Stream) Ensure(ctx context.Context) error {
	info, err := s.info(ctx)
	if errors.Is(err, ErrNoStream) {
		_, err = s.js.CreateStream(ctx, s.config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return s.Ensure(ctx) // another node was faster, with other settings
		}
		return classify(err)
	}
	if err != nil {
		return err
	}
	have := info.Config
	if f := have.Metadata[formatKey]; f != format {
		return fmt.Errorf("%w: stream %s has format %q, and this program knows %q: it is of another version, or not ours",
			ErrFormat, s.config.Name, f, format)
	}
	want := have
	want.Replicas = max(have.Replicas, s.config.Replicas)
	want.MaxBytes = max(have.MaxBytes, s.config.MaxBytes)
	want.AllowDirect = have.AllowDirect || s.config.AllowDirect
	if want.Replicas == have.Replicas && want.MaxBytes == have.MaxBytes && want.AllowDirect == have.AllowDirect {
		return nil
	}
	_, err = s.js.UpdateStream(ctx, want)
	return classify(err)
}

// Bytes is how much the stream holds.
func (s *Stream) Bytes(ctx context.Context) (int64, error) {
	_, bytes, err := s.Size(ctx)
	return bytes, err
}

// Size is how many messages the stream holds, and their bytes.
func (s *Stream) Size(ctx context.Context) (messages, bytes int64, err error) {
	info, err := s.info(ctx)
	if err != nil {
		return 0, 0, err
	}
	return int64(info.State.Msgs), int64(info.State.Bytes), nil
}

// Exists tells a stream that is not there, for which the error is ErrNoStream, from one that does not
// answer.
func (s *Stream) Exists(ctx context.Context) error {
	_, err := s.info(ctx)
	return err
}

// Last returns what was written last under a subject: the leader is asked.
func (s *Stream) Last(ctx context.Context, subject string) (Message, error) {
	return s.leader(ctx, question{Last: subject})
}

// Next returns the first message from a sequence on whose subject the filter takes: the leader is
// asked.
func (s *Stream) Next(ctx context.Context, filter string, from uint64) (Message, error) {
	return s.leader(ctx, question{Sequence: max(from, 1), Next: filter})
}

// AnyLast is Last of the next best copy, which may be old.
func (s *Stream) AnyLast(ctx context.Context, subject string) (Message, error) {
	msg, err := s.request(ctx, "DIRECT.GET."+s.config.Name+"."+subject, nil)
	if err != nil {
		return Message{}, err
	}
	return direct(msg)
}

// AnyNext is Next of the next best copy.
func (s *Stream) AnyNext(ctx context.Context, filter string, from uint64) (Message, error) {
	text, err := json.Marshal(question{Sequence: max(from, 1), Next: filter})
	if err != nil {
		return Message{}, err
	}
	msg, err := s.request(ctx, "DIRECT.GET."+s.config.Name, text)
	if err != nil {
		return Message{}, err
	}
	return direct(msg)
}

// question asks for a message.
type question struct {
	Sequence uint64   `json:"seq,omitempty"`
	Last     string   `json:"last_by_subj,omitempty"`
	Next     string   `json:"next_by_subj,omitempty"`
	LastOf   []string `json:"multi_last,omitempty"`
	// Batch and MaxBytes bound an answer of several messages.
	Batch    int `json:"batch,omitempty"`
	MaxBytes int `json:"max_bytes,omitempty"`
}

func (s *Stream) leader(ctx context.Context, q question) (Message, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return Message{}, err
	}
	var answer struct {
		Message *struct {
			Subject  string `json:"subject"`
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	switch err := s.ask(ctx, "STREAM.MSG.GET."+s.config.Name, text, &answer); {
	case err != nil:
		return Message{}, err
	case answer.Message == nil:
		return Message{}, Unavailable(errors.New("an answer without a record"))
	}
	m := answer.Message
	return Message{Subject: m.Subject, Data: m.Data, Sequence: m.Sequence}, nil
}

// direct reads the answer of a copy.
func direct(msg *nats.Msg) (Message, error) {
	switch status := msg.Header.Get("Status"); status {
	case "":
	case fmt.Sprint(http.StatusNotFound):
		return Message{}, ErrNotFound
	default:
		return Message{}, Unavailable(fmt.Errorf("status %s: %s", status, msg.Header.Get("Description")))
	}
	var sequence uint64
	if _, err := fmt.Sscan(msg.Header.Get("Nats-Sequence"), &sequence); err != nil {
		return Message{}, Unavailable(fmt.Errorf("an answer without a number: %w", err))
	}
	return Message{Subject: msg.Header.Get("Nats-Subject"), Data: msg.Data, Sequence: sequence}, nil
}

func (s *Stream) request(ctx context.Context, subject string, question []byte) (*nats.Msg, error) {
	msg, err := s.js.Conn().RequestWithContext(ctx, s.api+subject, question)
	if err != nil {
		return nil, classify(err)
	}
	return msg, nil
}

// Write stores data under a subject whose last message has the sequence, and has the server forget it
// after lasts, if that is not 0. An error other than ErrConflict and ErrFull leaves open whether it was
// stored. Even ErrConflict is a question and no answer: JetStream says so now and then although
// nobody else has written. Who must know reads, and finds its own data or not.
func (s *Stream) Write(ctx context.Context, subject string, data []byte, sequence uint64, lasts time.Duration) (uint64, error) {
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(sequence), jetstream.WithRetryAttempts(0)}
	if lasts > 0 {
		opts = append(opts, jetstream.WithMsgTTL(lasts.Round(time.Second)))
	}
	return s.publish(ctx, &nats.Msg{Subject: subject, Data: data}, opts)
}

// Put stores data under a subject, unless something with the same id was put within the stream's
// window for duplicates. An error leaves open whether it was stored; it does no harm to repeat it.
func (s *Stream) Put(ctx context.Context, subject, id string, data []byte) error {
	_, err := s.publish(ctx, &nats.Msg{Subject: subject, Data: data}, []jetstream.PublishOpt{jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0)})
	return err
}

func (s *Stream) publish(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) (uint64, error) {
	ack, err := s.js.PublishMsg(ctx, msg, opts...)
	if err != nil {
		return 0, classify(err)
	}
	return ack.Sequence, nil
}

// PurgeBefore removes what a subject has before a sequence.
func (s *Stream) PurgeBefore(ctx context.Context, subject string, sequence uint64) error {
	question, err := json.Marshal(purge{subject, sequence})
	if err != nil {
		return err
	}
	return s.ask(ctx, "STREAM.PURGE."+s.config.Name, question, new(struct{}))
}

// Remove removes what has a sequence. ErrNotFound says that it is not there.
func (s *Stream) Remove(ctx context.Context, sequence uint64) error {
	question, err := json.Marshal(question{Sequence: sequence})
	if err != nil {
		return err
	}
	return s.ask(ctx, "STREAM.MSG.DELETE."+s.config.Name, question, new(struct{}))
}

// Purge removes all whose subject the filter takes.
func (s *Stream) Purge(ctx context.Context, filter string) error {
	question, err := json.Marshal(purge{Subject: filter})
	if err != nil {
		return err
	}
	return s.ask(ctx, "STREAM.PURGE."+s.config.Name, question, new(struct{}))
}

// purge asks for the end of what a subject has, before a sequence if there is one.
type purge struct {
	Subject  string `json:"filter"`
	Sequence uint64 `json:"seq,omitempty"`
}
