package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smallDisk is a file system of so many bytes, if the test may mount one. It has a place in the tree for a moment only: who
// wants it goes through this process, and with the last one that has it open it is gone, also if the test is killed.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	at := t.TempDir()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("no file system can be mounted here:", err)
	}
	root, err := os.Open(at)
	err = errors.Join(err, syscall.Unmount(at, syscall.MNT_DETACH))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root.Fd())
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 4<<10); err == nil; {
		_, err = f.Write(block)
	}
	require.True(t, errors.Is(err, syscall.ENOSPC), "%v", err)
}

// A disk that is full stops clients and loses nothing: what was acknowledged is delivered, and when there is room
// again all goes on; also if the program is killed meanwhile.
func TestOutboxOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "48m")
	filler := filepath.Join(dir, "filler")
	l := newLedger(t)
	args := serveArgs(kept(l, "--data-dir", filepath.Join(dir, "store"))...)
	p := startProcess(t, args, nil)
	w := startTalker(t, p)
	// goesOn waits until what is stored from now on is acknowledged, beyond what was stored and is acknowledged late.
	goesOn := func() {
		t.Helper()
		stored := int64(p.metric(`hubgate_outbox_events_total{event="Stored"}`))
		require.Eventually(t, func() bool { return w.acked.Load() > stored || w.hasEnded() }, slowPatience, 10*time.Millisecond, "%s", p.logs)
		if w.hasEnded() {
			require.Fail(t, "the client was cut off", "%v\n%s", w.err, p.logs)
		}
	}
	stops := func() {
		t.Helper()
		failed := p.metric(`hubgate_outbox_events_total{event="BatchFailed"}`)
		fillDisk(t, filler)
		require.Eventually(t, func() bool {
			return p.metric(`hubgate_outbox_unstored`) > 0 && p.metric(`hubgate_outbox_events_total{event="BatchFailed"}`) > failed
		}, slowPatience, 10*time.Millisecond)
	}
	goesOn()
	p.isReady()
	stops()
	var why string
	require.Eventually(t, func() bool {
		var status int
		status, why = p.get(p.Admin + "/readyz")
		return status == http.StatusServiceUnavailable
	}, slowPatience, 10*time.Millisecond, "it takes clients though it stores nothing")
	require.Contains(t, why, "the outbox cannot be stored: ")
	acked := int(w.acked.Load())
	require.Eventually(t, func() bool { return len(l.of(w.id)) > acked }, slowPatience, 10*time.Millisecond, "what was stored is delivered meanwhile")
	require.NoError(t, os.Remove(filler))
	goesOn()
	p.isReady()

	// From now on the webhook fails. No more than 256 events of a client wait for it, so this one gets slow first.
	w.pause.Store(250)
	require.Eventually(t, func() bool { return p.metric(`hubgate_upstream_queued_events`) < 10 }, slowPatience, 10*time.Millisecond)
	l.failing.Store(200)
	goesOn()
	stops()
	p.kill()
	<-p.ended
	<-w.ended
	require.NoError(t, os.Remove(filler))
	l.failing.Store(0)
	startProcess(t, args, nil)
	require.Eventually(t, func() bool {
		got := l.of(w.id)
		return len(got) > 0 && got[len(got)-1] == "disconnected"
	}, slowPatience, 10*time.Millisecond, "the end is not told")
	w.check(t, l)
	require.Empty(t, l.unmarked, "a repeat says that it may be one")
}
