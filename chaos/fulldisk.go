package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// diskSize is a disk that the store of these scenarios fits on, but not much more.
const diskSize = 48 << 20

// mountScript mounts a disk that only this process sees, and becomes the gateway.
const mountScript = `mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"`

// onSmallDisk has the next process of a node keep its store on a disk of its own, which is empty at first.
func (n *node) onSmallDisk() {
	n.files.wrap = func(cmd *exec.Cmd) *exec.Cmd {
		args := append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", mountScript, "sh", fmt.Sprint(diskSize), n.data()}, cmd.Args...)
		return exec.Command("unshare", args...)
	}
}

// mayMount says whether processes may have disks of their own here.
func mayMount(ctx context.Context) error {
	text, err := exec.CommandContext(ctx, "unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt").CombinedOutput()
	if err != nil {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// fullDisk fills the disk of one voter. Its store stops; the other two go on, and everything that needs no store does
// on this node too. When there is room the voter goes on by itself.
func fullDisk(ctx context.Context, s *stage) error {
	if err := mayMount(ctx); err != nil {
		s.report.note("skipped: no disk can be mounted here: %v", err)
		return nil
	}
	n := s.cluster.nodes[1]
	f := s.fault("restart of "+n.name, nothing)
	if err := n.stop(drainTime); err != nil {
		return err
	}
	n.onSmallDisk()
	if err := s.restart(ctx, n); err != nil {
		return err
	}
	f.over()
	if err := errors.Join(s.stored(ctx), s.flow(ctx, 2)); err != nil {
		return err
	}
	// The disk is seen by the process only, and by who looks through it.
	filler := filepath.Join("/proc", fmt.Sprint(n.process().cmd.Process.Pid), "root", n.data(), "filler")
	f = s.fault("the disk of "+n.name+" is full", nothing)
	size, err := fill(filler)
	if err != nil {
		return err
	}
	s.report.note("the disk of %s is full behind %d KiB", n.name, size>>10)
	if err := errors.Join(s.crowded(ctx), s.flow(ctx, 3)); err != nil {
		return err
	}
	s.report.note("%s says that it is ready: %v", n.name, n.isReady(ctx))
	if err := os.Remove(filler); err != nil {
		return err
	}
	f.over()
	start := time.Now()
	if err := until(ctx, readyTime, func() bool { return s.store(ctx, n) == http.StatusOK }); err != nil {
		return fmt.Errorf("the store takes no writes of %s when there is room: %w", n.name, err)
	}
	s.report.note("the store takes writes of %s %v after there was room", n.name, time.Since(start).Round(time.Millisecond))
	// It has what it has missed: with it and one other voter everything is there.
	if _, err := n.awaitReady(ctx); err != nil {
		return err
	}
	return s.without(ctx, s.cluster.nodes[0])
}

// fill writes until there is no room, and returns how much it wrote.
func fill(path string) (size int, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for block := make([]byte, 64<<10); len(block) > 0; {
		n, err := file.Write(block)
		size += n
		if err != nil {
			block = block[:len(block)/2] // down to the last byte
		}
	}
	return size, nil
}

// crowded writes to the store by all nodes while the disk of one of its voters is full: the others take it.
func (s *stage) crowded(ctx context.Context) error {
	const writes = 200
	refused := 0
	for i := range writes {
		if s.store(ctx, s.cluster.nodes[i%len(s.cluster.nodes)]) != http.StatusOK {
			refused++
		}
	}
	s.report.note("of %d writes while it was full %d were refused", writes, refused)
	return s.stored(ctx, s.cluster.nodes[0], s.cluster.nodes[2])
}
