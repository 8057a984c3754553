package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubgate/hubgate/store/batchlog"
	"github.com/hubgate/hubgate/store/stream"
)

// ErrNoLetter is the error for a dead letter that is not there: it was delivered, or was forgotten.
var ErrNoLetter = errors.New("there is no such dead letter")

// deadLetters are those of all nodes. The record of a large one is in parts, which are another stream: they do
// not count as letters.
type deadLetters struct {
	letters, parts *retained
	subject        string // of letters; what those of parts begin with is partPrefix
	partPrefix     string
}

func newDeadLetters(o Options) *deadLetters {
	d := &deadLetters{subject: o.Store.Prefix + ".dead", partPrefix: o.Store.Prefix + ".deadpart."}
	config := jetstream.StreamConfig{
		Name: o.Store.Prefix + "_deadletters", Subjects: []string{d.subject}, Discard: jetstream.DiscardOld,
		MaxMsgs: int64(o.Dead.Count), MaxAge: o.Dead.Age, MaxBytes: min(maxDeadBytes, o.Store.MaxBytes/4), MaxMsgSize: batchlog.MaxBatch,
		Storage: o.Store.Storage, Replicas: max(o.Store.Replicas, 1), AllowDirect: true,
	}
	d.letters = newRetained(o.Store.JetStream, config)
	config.Name, config.Subjects = o.Store.Prefix+"_deadparts", []string{d.partPrefix + ">"}
	config.MaxMsgs, config.MaxMsgsPerSubject, config.MaxBytes = -1, 1, min(maxPartBytes, o.Store.MaxBytes/8)
	d.parts = newRetained(o.Store.JetStream, config)
	return d
}

// mostRecord bounds a record that is kept: a single one takes no more than three quarters of the room.
func (d *deadLetters) mostRecord() int { return int(min(d.parts.config.MaxBytes/4*3, MaxRecord)) }

// Die stores a dead letter for a delivery, and then calls the delivery done. It tries until ctx ends. The text has
// at most MaxText bytes. Of a record that is too large only the text is kept: then whole is false.
func (o *Outbox) Die(ctx context.Context, number uint64, text, record []byte) (whole bool, err error) {
	id := fmt.Sprint(o.opts.Inc, "/", number) // repeating it does no harm
	l := Letter{Text: text}
	if whole = len(record) <= o.dead.mostRecord(); whole {
		l.Record, l.Size = record, len(record)
	}
	if len(text)+l.Size > MaxText {
		l.Record, l.key = nil, o.partKey(number)
	}
	for failed := 1; ; failed++ {
		err := o.dead.put(ctx, id, &l, record)
		if err == nil {
			o.counts.Add(EventDead, 1)
			o.Done(number)
			return whole, nil
		}
		if failed == tellAfter {
			o.opts.Logger.Error("a dead letter cannot be stored: what is behind it waits", "error", err)
		}
		if !stream.Pause(ctx, retryPause*5) {
			return whole, err
		}
	}
}

// partKey names the parts of a letter: no two nodes have the same log.
func (o *Outbox) partKey(number uint64) string { return fmt.Sprint(o.opts.Inc, ".", number) }

// put stores the parts of a record first: a letter says that there are some.
func (d *deadLetters) put(ctx context.Context, id string, l *Letter, record []byte) error {
	if l.key != "" && l.Size > 0 {
		n := 0
		for part := range slices.Chunk(record, partSize) {
			if err := d.parts.put(ctx, d.part(l.key, n), fmt.Sprint(id, "/", n), part); err != nil {
				return err
			}
			n++
		}
	}
	return d.letters.put(ctx, d.subject, id, l.append(nil))
}

func (d *deadLetters) part(key string, n int) string { return fmt.Sprint(d.partPrefix, key, ".", n) }

// whole reads the parts of a letter's record. If some are gone, it is not kept.
func (d *deadLetters) whole(ctx context.Context, l *Letter) error {
	if l.key == "" {
		return nil
	}
	var record []byte
	for n := 0; len(record) < l.Size; n++ {
		m, err := d.parts.stream.Last(ctx, d.part(l.key, n))
		switch {
		case err == nil && len(m.Data) > 0 && len(record)+len(m.Data) <= l.Size:
			record = append(record, m.Data...)
			continue
		case err != nil && !errors.Is(err, stream.ErrNotFound) && !errors.Is(err, stream.ErrNoStream):
			return err
		}
		l.Size = 0
		return nil
	}
	l.Record = record
	return nil
}

// Letters returns dead letters with numbers from the given one on, the oldest first.
func (o *Outbox) Letters(ctx context.Context, from uint64, most int) ([]Letter, error) {
	var all []Letter
	for len(all) < most {
		m, err := o.dead.letters.stream.Next(ctx, o.dead.subject, from)
		switch {
		case errors.Is(err, stream.ErrNotFound), errors.Is(err, stream.ErrNoStream):
			return all, nil
		case err != nil:
			return nil, err
		}
		l, err := parseLetter(m.Data)
		if err != nil {
			l.Text = []byte(err.Error())
		}
		l.Number = m.Sequence
		all = append(all, l)
		from = m.Sequence + 1
	}
	return all, nil
}

// Letter returns the dead letter with a number and its record, or ErrNoLetter.
func (o *Outbox) Letter(ctx context.Context, number uint64) (Letter, error) {
	all, err := o.Letters(ctx, number, 1)
	if err == nil && (len(all) == 0 || all[0].Number != number) {
		err = ErrNoLetter
	}
	if err != nil {
		return Letter{}, err
	}
	return all[0], o.dead.whole(ctx, &all[0])
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
	d := o.dead
	all, err := o.Letters(ctx, letter, 1)
	if err != nil {
		return err
	}
	if err := d.letters.stream.Remove(ctx, letter); err != nil && !errors.Is(err, stream.ErrNotFound) {
		return err
	}
	if len(all) == 1 && all[0].Number == letter && all[0].key != "" {
		// What fails to be removed is forgotten with its age.
		_ = d.parts.stream.Purge(ctx, d.partPrefix+all[0].key+".*")
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
