package main

import (
	"os/exec"
	"sync"
	"time"
)

// child is a process that was started. It is ended with the harness, however that ends.
type child struct {
	cmd *exec.Cmd
	// ended is closed when the process has ended and was waited for.
	ended chan struct{}
	err   error
}

// children are all processes that run.
var children struct {
	mu   sync.Mutex
	over bool
	all  map[*child]struct{}
}

// startChild starts a process, unless the harness is ending. done is called when the process has ended.
func startChild(cmd *exec.Cmd, done func()) (*child, error) {
	c := &child{cmd: cmd, ended: make(chan struct{})}
	children.mu.Lock()
	defer children.mu.Unlock()
	if children.over {
		return nil, errEnding
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if children.all == nil {
		children.all = make(map[*child]struct{})
	}
	children.all[c] = struct{}{}
	go func() {
		done()
		c.err = cmd.Wait()
		children.mu.Lock()
		delete(children.all, c)
		children.mu.Unlock()
		close(c.ended)
	}()
	return c, nil
}

// kill ends the process at once and waits for that. A process that is stopped ends too.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// within waits for the end of the process. It reports false if that takes longer.
func (c *child) within(bound time.Duration) bool {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-c.ended:
		return true
	case <-timer.C:
		return false
	}
}

func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// killChildren ends all processes. None can be started after it.
func killChildren() {
	children.mu.Lock()
	children.over = true
	left := make([]*child, 0, len(children.all))
	for c := range children.all {
		left = append(left, c)
	}
	children.mu.Unlock()
	for _, c := range left {
		c.kill()
	}
}
