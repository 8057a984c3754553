package jetstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store"
)

// A bucket is a key-value bucket of JetStream as nats.go and its tools know it.
// It is not used through nats.go's KeyValue: that reads from any copy, and
// cannot give an end to what is written again.

// bucketFormat is the version of what a bucket is; it stands in the stream's metadata.
const (
	bucketFormat    = "1"
	bucketFormatKey = "hubgate-format"
)

var (
	// errConflict says that somebody else has written. JetStream says so now and
	// then although nobody has: the answer is to look, and to try again.
	errConflict = errors.New("somebody else wrote at the same time")
	// errNotFound says that there is nothing under a key.
	errNotFound = errors.New("not stored")
	// errNoBucket says that nobody has ever stored anything.
	errNoBucket = errors.New("there is no bucket")
)

// entry is what is stored under a key; revision 0 stands for nothing.
type entry struct {
	value    []byte
	revision uint64
}

// bucket reads and writes one bucket.
type bucket struct {
	js     jetstream.JetStream
	api    string // what the subjects of questions begin with
	name   string
	config jetstream.StreamConfig
}

// newBucket describes a bucket with one value per key. The stream may get larger
// than maxBytes by an eighth: a store that is full must still be able to write
// less than it has.
func newBucket(js jetstream.JetStream, name string, replicas int, storage jetstream.StorageType, maxBytes int64) *bucket {
	api := js.Options().APIPrefix
	if api == "" {
		api = jetstream.DefaultAPIPrefix
	}
	return &bucket{js: js, api: api, name: name, config: jetstream.StreamConfig{
		Name:              "KV_" + name,
		Subjects:          []string{"$KV." + name + ".>"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxBytes + maxBytes/8,
		MaxMsgSize:        MaxUserBytes + 4<<10,
		Discard:           jetstream.DiscardNew,
		Storage:           storage,
		Replicas:          max(replicas, 1),
		AllowDirect:       true,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowMsgTTL:       true,
		Metadata:          map[string]string{bucketFormatKey: bucketFormat},
	}}
}

func (b *bucket) subject(key string) string { return "$KV." + b.name + "." + key }

// ensure makes the bucket if it is not there, and gives it more copies or more
// room if it has less than it should. It never takes any away: two nodes may be
// told differently for a while.
func (b *bucket) ensure(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, b.config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = b.js.CreateStream(ctx, b.config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return b.ensure(ctx) // another node was faster, with other settings
		}
		return classify(err)
	}
	if err != nil {
		return classify(err)
	}
	have := stream.CachedInfo().Config
	if format := have.Metadata[bucketFormatKey]; format != bucketFormat {
		return fmt.Errorf("%w: bucket %s has format %q, and this program knows %q: it is of another version, or not ours",
			ErrDamaged, b.name, format, bucketFormat)
	}
	want := have
	want.Replicas = max(have.Replicas, b.config.Replicas)
	want.MaxBytes = max(have.MaxBytes, b.config.MaxBytes)
	if want.Replicas == have.Replicas && want.MaxBytes == have.MaxBytes {
		return nil
	}
	_, err = b.js.UpdateStream(ctx, want)
	return classify(err)
}

// bytes is how much the bucket holds.
func (b *bucket) bytes(ctx context.Context) (int64, error) {
	stream, err := b.js.Stream(ctx, b.config.Name)
	if err != nil {
		return 0, classify(err)
	}
	return int64(stream.CachedInfo().State.Bytes), nil
}

// latest returns what the leader has, which is the last that was written.
func (b *bucket) latest(ctx context.Context, key string) (entry, error) {
	question, err := json.Marshal(map[string]string{"last_by_subj": b.subject(key)})
	if err != nil {
		return entry{}, err
	}
	msg, err := b.request(ctx, "STREAM.MSG.GET."+b.config.Name, question)
	if err != nil {
		return entry{}, err
	}
	var answer struct {
		Message *struct {
			Sequence uint64 `json:"seq"`
			Data     []byte `json:"data"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	switch err := json.Unmarshal(msg.Data, &answer); {
	case err != nil:
		return entry{}, unavailable(err)
	case answer.Error != nil:
		return entry{}, classify(answer.Error)
	case answer.Message == nil:
		return entry{}, unavailable(errors.New("an answer without a record"))
	}
	return entry{value: answer.Message.Data, revision: answer.Message.Sequence}, nil
}

// any returns what the next best copy has, which may be old.
func (b *bucket) any(ctx context.Context, key string) (entry, error) {
	msg, err := b.request(ctx, "DIRECT.GET."+b.config.Name+"."+b.subject(key), nil)
	if err != nil {
		return entry{}, err
	}
	return direct(msg)
}

// direct reads the answer of a copy.
func direct(msg *nats.Msg) (entry, error) {
	switch status := msg.Header.Get("Status"); status {
	case "":
	case fmt.Sprint(http.StatusNotFound):
		return entry{}, errNotFound
	default:
		return entry{}, unavailable(fmt.Errorf("status %s: %s", status, msg.Header.Get("Description")))
	}
	var revision uint64
	if _, err := fmt.Sscan(msg.Header.Get("Nats-Sequence"), &revision); err != nil {
		return entry{}, unavailable(fmt.Errorf("an answer without a number: %w", err))
	}
	return entry{value: msg.Data, revision: revision}, nil
}

func (b *bucket) request(ctx context.Context, subject string, question []byte) (*nats.Msg, error) {
	msg, err := b.js.Conn().RequestWithContext(ctx, b.api+subject, question)
	if err != nil {
		return nil, classify(err)
	}
	return msg, nil
}

// write stores a value if the key still has the revision, and has the server
// forget it after lasts. An error other than errConflict and store.ErrFull leaves open
// whether it was stored.
func (b *bucket) write(ctx context.Context, key string, value []byte, revision uint64, lasts time.Duration) error {
	msg := nats.NewMsg(b.subject(key))
	msg.Data = value
	_, err := b.js.PublishMsg(ctx, msg,
		jetstream.WithExpectLastSequencePerSubject(revision),
		jetstream.WithMsgTTL(lasts.Round(time.Second)),
		jetstream.WithRetryAttempts(0))
	return classify(err)
}

// Codes of JetStream that nats.go has no names for.
const (
	codeMessageNotFound   = 10037
	codeInsufficient      = 10047
	codeStreamNotFound    = 10059
	codeWrongLast         = 10071
	codeStoreFailed       = 10077
	codeWrongLastConstant = 10164
)

// classify sorts the errors of JetStream: nothing there, somebody else wrote,
// full, or not to be had now.
func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return errNoBucket
	case !errors.As(err, &api):
		return unavailable(err)
	}
	switch int(api.ErrorCode) {
	case codeMessageNotFound:
		return errNotFound
	case codeStreamNotFound:
		return errNoBucket
	case codeWrongLast, codeWrongLastConstant:
		return errConflict
	case codeInsufficient:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case codeStoreFailed:
		if strings.Contains(api.Description, "maximum") {
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		}
	}
	return unavailable(err)
}

// ErrUnavailable is the error of a store that does not answer now: voters choose
// a leader, or too many of them are gone. Whether a change was carried out is
// then unknown; it does no harm to ask for it again. Its method Unavailable tells
// those who do not know this package.
var ErrUnavailable error = unavailableError{}

type unavailableError struct{ cause error }

func (e unavailableError) Error() string {
	if e.cause == nil {
		return "the store does not answer"
	}
	return "the store does not answer: " + e.cause.Error()
}
func (e unavailableError) Unavailable() bool    { return true }
func (e unavailableError) Unwrap() error        { return e.cause }
func (e unavailableError) Is(target error) bool { return target == ErrUnavailable }

func unavailable(cause error) error { return unavailableError{cause} }
