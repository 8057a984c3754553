package batchlog

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"github.com/hubgate/hubgate/internal/packed"
	"github.com/hubgate/hubgate/store/stream"
	"github.com/hubgate/hubgate/store/stream/streamtest"
)

// words is a log of words. "closed" closes a log.
type words struct {
	mu      sync.Mutex
	inc     string
	waiting []string
	failed  []error
	lost    int
	done    []string // what is written, as far as the log knows
	given   bool     // up
}

type word struct{ text, inc string }

func (p *word) Append(dst []byte, number uint64) []byte {
	if p.text == "" {
		return nil
	}
	return appendWord(dst, number, p.text)
}

func appendWord(dst []byte, number uint64, text string) []byte {
	dst = AppendHeader(dst, number, 1)
	return msgp.AppendString(msgp.AppendArrayHeader(dst, 1), text)
}

func parseWord(text []byte) (number uint64, word string, err error) {
	number, err = Parse(text, 1, func(p *packed.Reader) { word = packed.Read(p, msgp.ReadStringBytes) })
	return number, word, err
}

func (l *words) Enough() bool { return true }
func (l *words) Failed(_ context.Context, _ *word, attempt int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed = append(l.failed, err); attempt > 20 {
		l.given = true
	}
}

func (l *words) GivenUp(p *word) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.given || p.inc != l.inc
}
func (l *words) Lost(*word) { l.lost++ }

func (l *words) Finish(_ context.Context, p *word, size int, sequence uint64, written bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if written && (size > 0) == (p.text != "") && (sequence > 0 || size == 0) {
		l.done = append(l.done, p.text)
	}
}

func (l *words) Parse(text []byte) (number uint64, closed bool, err error) {
	number, word, err := parseWord(text)
	return number, word == "closed", err
}

// taker gives the writer its words one by one.
type taker struct {
	*words
	writer *Writer[*word]
}

func (t *taker) Take(context.Context) (*word, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer.Begin(t.inc)
	if len(t.waiting) == 0 {
		return nil, false
	}
	p := &word{t.waiting[0], t.inc}
	t.waiting = t.waiting[1:]
	return p, true
}

// memory is a stream whose next writes may go wrong.
type memory struct {
	mu sync.Mutex // guards what follows
	streamtest.Messages
	faults []string // of the next writes: "", lost, refused, full, deaf
	deaf   bool     // what is read has no answer
}

func (m *memory) Ensure(context.Context) error { return nil }

func (m *memory) Last(_ context.Context, subject string) (stream.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		m.deaf = false
		return stream.Message{}, stream.Unavailable(errors.New("deaf"))
	}
	return m.Messages.Last(subject)
}

func (m *memory) Write(_ context.Context, subject string, data []byte, sequence uint64, _ time.Duration) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fault := ""
	if len(m.faults) > 0 {
		fault, m.faults = m.faults[0], m.faults[1:]
	}
	switch {
	case fault == "full":
		return 0, stream.ErrFull
	case m.Follows(subject, sequence) != nil, fault == "refused":
		return 0, stream.ErrConflict
	}
	written := m.Put(subject, data)
	if fault == "lost" || fault == "deaf" {
		m.deaf = fault == "deaf"
		return 0, stream.Unavailable(errors.New("lost"))
	}
	return written, nil
}

func (m *memory) PurgeBefore(_ context.Context, subject string, sequence uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Messages.PurgeBefore(subject, sequence)
	return nil
}

// text is what a reader of a log finds.
func (m *memory) text(t *testing.T, subject string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, one := range m.All {
		if one.Subject == subject {
			_, word, err := parseWord(one.Data)
			require.NoError(t, err)
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}

// writing runs a test with a writer that has begun.
func writing(t *testing.T, test func(t *testing.T, m *memory, l *taker)) {
	synctest.Test(t, func(t *testing.T) {
		m, l := new(memory), &taker{words: &words{inc: "a"}}
		l.writer = NewWriter[*word](m, "log.", l, time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.writer.Run(ctx)
		}()
		test(t, m, l)
		cancel()
		<-ended
	})
}

// write has words written, and waits for what becomes of them.
func (l *taker) write(all ...string) {
	l.mu.Lock()
	l.waiting = append(l.waiting, all...)
	l.mu.Unlock()
	l.writer.Rouse()
	time.Sleep(time.Minute)
	synctest.Wait()
}

// Whatever becomes of a write or its answer, each batch is in the log once and in order.
func TestEachBatchIsInTheLogOnce(t *testing.T) {
	for _, faults := range [][]string{
		nil, {"lost"}, {"deaf"}, {"refused"}, {"full"}, {"", "lost", "refused", "deaf", "full", "lost"}, {"deaf", "refused", "deaf", "lost"},
	} {
		t.Run(strings.Join(faults, " "), func(t *testing.T) {
			writing(t, func(t *testing.T, m *memory, l *taker) {
				m.faults = faults
				l.write("one", "two", "", "three", "four")
				require.Equal(t, "one two three four", m.text(t, "log.a"))
				require.Equal(t, []string{"one", "two", "", "three", "four"}, l.done)
				require.Zero(t, l.lost)
			})
		})
	}
}

// A log that is gone begins again.
func TestALogThatTheStoreHasLost(t *testing.T) {
	writing(t, func(t *testing.T, m *memory, l *taker) {
		l.write("one")
		m.mu.Lock()
		m.All = nil
		m.mu.Unlock()
		l.write("two")
		require.Equal(t, 1, l.lost)
		require.Equal(t, "two", m.text(t, "log.a"))
		l.write("three")
		require.Equal(t, "two three", m.text(t, "log.a"))
		require.Equal(t, 1, l.lost)
	})
}

// Nothing is written into a log that was closed. Whether the last batch is in it is known if it was refused.
func TestAClosedLog(t *testing.T) {
	for fault, refused := range map[string]bool{"": true, "deaf": false} {
		writing(t, func(t *testing.T, m *memory, l *taker) {
			l.write("one")
			m.mu.Lock()
			if fault == "" {
				m.Put("log.a", appendWord(nil, 0, "closed"))
			} else { // it is closed behind a batch whose answer was lost
				m.faults = []string{"deaf"}
				time.AfterFunc(RetryPause/2, func() {
					m.mu.Lock()
					defer m.mu.Unlock()
					m.Put("log.a", appendWord(nil, 0, "closed"))
				})
			}
			m.mu.Unlock()
			l.write("two")
			require.Equal(t, []string{"one"}, l.done)
			require.ErrorIs(t, l.failed[len(l.failed)-1], ErrClosed)
			require.Equal(t, refused, errors.Is(l.failed[0], stream.ErrConflict))
			before := m.text(t, "log.a")
			l.write("three")
			require.Equal(t, before, m.text(t, "log.a"))

			l.mu.Lock()
			l.inc, l.given = "a2", false
			l.mu.Unlock()
			l.write("four")
			require.Equal(t, "four", m.text(t, "log.a2"))
			require.NoError(t, l.writer.Remove(t.Context()))
			require.Empty(t, m.text(t, "log.a2"))
			require.Equal(t, before, m.text(t, "log.a"))
		})
	}
}

// What is no batch is refused, and nothing is made for what it only announces.
func FuzzParse(f *testing.F) {
	f.Add(appendWord(nil, 7, "word"))
	f.Add([]byte{0x93, 1, 1, 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x93, 2, 1, 0x90})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		entries := 0
		number, err := Parse(text, 1, func(p *packed.Reader) {
			packed.Read(p, msgp.ReadStringBytes)
			entries++
		})
		require.LessOrEqual(t, entries, len(text))
		if err != nil {
			require.ErrorIs(t, err, ErrBatch)
			return
		}
		again, err := Parse(text, 1, func(p *packed.Reader) { packed.Read(p, msgp.ReadStringBytes) })
		require.NoError(t, err)
		require.Equal(t, number, again)
	})
}
