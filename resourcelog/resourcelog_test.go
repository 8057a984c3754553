package resourcelog

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/azurelog"
	"github.com/hubgate/hubgate/internal/flight"
)

func event(id string) *flight.Event {
	return &flight.Event{Kind: flight.KindConnection, What: flight.WhatOpened, Subject: flight.Subject{Connection: id}}
}

func every(azurelog.Category) bool { return true }

func lines(t *testing.T, path string) int {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var r azurelog.Record
		require.NoError(t, json.Unmarshal([]byte(line), &r))
	}
	return strings.Count(string(text), "\n")
}

func TestLogOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Options{Path: path, Wants: func(c azurelog.Category) bool { return c == azurelog.Connectivity }})
	require.NoError(t, err)
	l.Event(event("1"))
	l.Event(&flight.Event{Kind: flight.KindRequest, What: flight.WhatAnswered})
	l.Close()
	require.Equal(t, 1, lines(t, path), "the other category is off")
	written, dropped := l.Counts()
	require.Equal(t, []uint64{1, 0}, []uint64{written, dropped})
	_, err = Open(Options{Path: t.TempDir(), Wants: every})
	require.Error(t, err, "a directory")
}

func TestLogIsBoundedInSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Options{Path: path, Wants: every, MaxBytes: 1000, Keep: 2})
	require.NoError(t, err)
	for range 40 {
		l.Event(event("1"))
	}
	l.Close()
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(1000))
		require.Positive(t, lines(t, filepath.Join(filepath.Dir(path), f.Name())))
	}
}

func TestLogIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open(Options{Path: path, Wants: every})
	require.NoError(t, err)
	l.Event(event("1"))
	require.Eventually(t, func() bool { return lines(t, path) == 1 }, waiting, tick)
	require.NoError(t, os.Rename(path, path+".moved"))
	l.Reopen()
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, waiting, tick)
	l.Event(event("2"))
	l.Close()
	require.Equal(t, 1, lines(t, path))
	require.Equal(t, 1, lines(t, path+".moved"))
}

// stuck takes nothing until it is released.
type stuck struct {
	begun, release chan struct{}
	bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.release
	return s.Buffer.Write(p)
}

// Nobody waits for the writer: what it does not take is dropped and counted.
func TestLogNeverHoldsUp(t *testing.T) {
	out := &stuck{begun: make(chan struct{}, 1), release: make(chan struct{})}
	l, err := Open(Options{Path: "-", Stdout: out, Wants: every})
	require.NoError(t, err)
	l.Event(event("first"))
	<-out.begun
	for range maxWaiting + 7 {
		l.Event(event("1"))
	}
	_, dropped := l.Counts()
	require.EqualValues(t, 7, dropped)
	close(out.release)
	l.Close()
	require.Equal(t, maxWaiting+1, strings.Count(out.String(), "\n"))
}

const (
	waiting = 100 * time.Second
	tick    = 10 * time.Millisecond
)

// failing takes so many writes, and refuses all later ones.
type failing struct {
	left int
	got  bytes.Buffer
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("the disk is full")
	}
	return f.got.Write(p)
}

// A line that was in the buffer when it could not be written is counted as lost, not as written.
func TestLinesOfAFailedFlushAreLost(t *testing.T) {
	const events = 1000
	for _, writes := range []int{0, 1, 3} {
		out := &failing{left: writes}
		var failed atomic.Uint64
		l, err := Open(Options{Path: "-", Stdout: out, Wants: every, Failed: func(error) { failed.Add(1) }})
		require.NoError(t, err)
		for range events {
			l.Event(event("1"))
		}
		l.Close()
		written, dropped := l.Counts()
		require.EqualValues(t, bytes.Count(out.got.Bytes(), []byte("\n")), written)
		require.EqualValues(t, events, written+dropped)
		require.NotZero(t, failed.Load())
		require.Equal(t, writes == 0, written == 0)
	}
}
