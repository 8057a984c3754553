package life

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hubgate/hubgate/internal/counts"
	"github.com/hubgate/hubgate/store/stream"
)

const (
	// closedLasts is how long the server keeps the mark that a log is closed. It keeps away what its
	// writer may still have on the way.
	closedLasts = time.Hour
	// lostAtOnce is how many ends of clients are put into the outbox before that is noted.
	lostAtOnce = 64
	// lostRate is how many ends of one node's clients are put there in a second, at most; but all of
	// them within spreadOver.
	lostRate   = 500
	spreadOver = 10 * time.Second
	// settleTime is enough for the note of a client that has moved to be written by the node that has it:
	// an attempt that fails, and another one.
	settleTime = attemptTime + time.Second
	// askedAtOnce is how many clients are asked for at the same time.
	askedAtOnce = 16
)

// putter puts entries into the outbox.
type putter interface {
	Ensure(ctx context.Context) error
	Put(ctx context.Context, subject, id string, data []byte) error
}

// undertaker does what is to be done for nodes that died: what their clients' applications are still
// to be told goes into the outbox.
type undertaker struct {
	inc    func() string // of this node
	logs   storage
	prefix string // of the subjects of logs
	outbox putter
	// subject is what those of the outbox begin with.
	subject string
	lives   func(ctx context.Context, hub, id string) (bool, error)
	fence   fence
	counts  *counts.Counts[Event]
}

// errFenced says that this node may not go on.
var errFenced = errors.New("the node may not do it any more: it could not renew its own record")

// bury does what is to be done for one node. It may be called again, by this node or another, until it
// has succeeded: the log says how far the one before came, and the outbox knows what it has.
func (u *undertaker) bury(ctx context.Context, inc string) error {
	r, sequence, err := u.read(ctx, inc)
	if errors.Is(err, stream.ErrNoStream) {
		return nil // Nobody has ever had a log.
	}
	if err != nil {
		return err
	}
	if !r.closed {
		if sequence, err = u.note(ctx, inc, sequence, nil); err != nil {
			return err
		}
	}
	ids := slices.Sorted(maps.Keys(r.open))
	if len(ids) > 0 {
		if err := u.ensure(ctx); err != nil {
			return err
		}
	}
	pace := min(spreadOver/time.Duration(max(len(ids), 1)), time.Second/lostRate)
	var moved []string
	for some := range slices.Chunk(ids, lostAtOnce) {
		began := time.Now()
		alive, err := u.lose(ctx, r, some)
		if err != nil {
			return err
		}
		moved = append(moved, alive...)
		lost := slices.DeleteFunc(slices.Clone(some), func(id string) bool { return slices.Contains(alive, id) })
		if sequence, err = u.note(ctx, inc, sequence, lost); err != nil {
			return err
		}
		stream.Pause(ctx, time.Duration(len(some))*pace-time.Since(began))
	}
	if len(moved) > 0 {
		// The nodes that have them note them, or have just died themselves.
		stream.Pause(ctx, settleTime)
	}
	for some := range slices.Chunk(moved, lostAtOnce) {
		began := time.Now()
		alive, err := u.lose(ctx, r, some)
		if err != nil {
			return err
		}
		if sequence, err = u.note(ctx, inc, sequence, some); err != nil {
			return err
		}
		u.counts.Add(EventMoved, uint64(len(alive)))
		stream.Pause(ctx, time.Duration(len(some)-len(alive))*pace-time.Since(began))
	}
	return u.forget(ctx, inc, sequence)
}

// ensure sees to it that there is an outbox. A question that is lost, as when the voter that leads is cut off, has
// no answer ever: as everywhere it is waited for a moment, and asked again.
func (u *undertaker) ensure(ctx context.Context) error {
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := u.outbox.Ensure(attempt); err != nil {
		return fmt.Errorf("the outbox: %w", err)
	}
	return nil
}

// forget removes what the log of a node has before its last part.
func (u *undertaker) forget(ctx context.Context, inc string, sequence uint64) error {
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return u.logs.PurgeBefore(attempt, u.prefix+inc, sequence)
}

// read reads a log to its end.
func (u *undertaker) read(ctx context.Context, inc string) (*reading, uint64, error) {
	r := newReading()
	last, err := stream.Whole(ctx, u.logs, u.prefix+inc, attemptTime, func(m stream.Message) { r.take(m.Data) })
	if err != nil {
		return nil, 0, err
	}
	u.counts.Add(EventDamaged, uint64(r.damaged))
	return r, last, nil
}

// note writes into a dead node's log that it is closed, and whose ends are in the outbox. If anybody
// else has written since, it fails.
func (u *undertaker) note(ctx context.Context, inc string, sequence uint64, lost []string) (uint64, error) {
	if u.fence.Fenced() {
		return 0, errFenced
	}
	b := batch{entries: []entry{{kind: kindClosed, id: u.inc()}}}
	for _, id := range lost {
		b.entries = append(b.entries, entry{kind: kindEnded, id: id})
	}
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	written, err := u.logs.Write(attempt, u.prefix+inc, b.append(nil), sequence, closedLasts)
	if err != nil {
		return 0, fmt.Errorf("closing the log of a dead node: %w", err)
	}
	return written, nil
}

// lose puts the ends of some clients into the outbox, and returns those that live on another node.
func (u *undertaker) lose(ctx context.Context, r *reading, ids []string) (alive []string, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askedAtOnce)
	lives := make([]bool, len(ids))
	for i, id := range ids {
		group.Go(func() (err error) {
			lives[i], err = u.loseOne(ctx, r.open[id], r.ending[id])
			return err
		})
	}
	err = group.Wait()
	for i, id := range ids {
		if lives[i] {
			alive = append(alive, id)
		}
	}
	return alive, err
}

func (u *undertaker) loseOne(ctx context.Context, e entry, ending bool) (lives bool, err error) {
	if u.lives != nil {
		if lives, err = u.lives(ctx, e.hub, e.id); err != nil {
			return false, fmt.Errorf("asking whether a client lives on another node: %w", err)
		}
		if lives {
			return true, nil
		}
	}
	if len(e.record) == 0 {
		u.counts.Add(EventDamaged, 1)
		return false, nil
	}
	if u.fence.Fenced() {
		return false, errFenced
	}
	if err := u.putEnd(ctx, e.hub, e.id, e.record); err != nil {
		return false, err
	}
	u.counts.Add(EventLost, 1)
	if ending {
		u.counts.Add(EventDoubtful, 1)
	}
	return false, nil
}

// putEnd puts the end of a client into the outbox. Put there again it counts as one.
func (u *undertaker) putEnd(ctx context.Context, hub, id string, record []byte) error {
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if err := u.outbox.Put(attempt, u.subject+subjectOf(hub), "d/"+id, record); err != nil {
		return fmt.Errorf("the outbox: %w", err)
	}
	return nil
}

// subjectOf names a hub in a subject, which has few letters.
func subjectOf(hub string) string {
	sum := sha256.Sum256([]byte(hub))
	return hex.EncodeToString(sum[:10])
}
