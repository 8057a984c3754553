package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hubgate/hubgate/internal/spawn"
)

var errEnding = errors.New("the harness is ending")

// node is one place of the cluster: a gateway that may be killed and started again.
type node struct {
	name string
	// front is the way of clients and applications to the node, links are its ways to the others.
	front *valve
	links map[string]*valve
	// door leads to the node alone, whatever the balancer does.
	door  *proxy
	ready atomic.Bool
	args  []string // flags, the same at each start
	files nodeFiles
	run   nodeRun
}

// nodeFiles is where a node lives.
type nodeFiles struct {
	binary, dir string
	env         []string
	// wrap puts the command into another one; nil leaves it as it is.
	wrap func(*exec.Cmd) *exec.Cmd
}

// nodeRun is the present process of a node.
type nodeRun struct {
	mu          sync.Mutex
	child       *child
	url, admin  string
	incarnation int
	logged      chan struct{}  // closed when all of its log was read
	troubles    map[string]int // how often, by the line without what differs
}

// data is where the node's store is.
func (n *node) data() string { return filepath.Join(n.files.dir, "data") }

// startTime bounds the start of a gateway until it serves.
const startTime = 30 * time.Second

// start starts the process and returns when it serves. It need not be ready then: see awaitReady.
func (n *node) start(ctx context.Context) error {
	cmd := spawn.Command(n.files.binary, append([]string{"serve"}, n.args...), n.files.env)
	env := cmd.Env
	if n.files.wrap != nil {
		cmd = n.files.wrap(cmd)
	}
	cmd.Dir, cmd.Env = n.files.dir, env
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	kept, err := os.OpenFile(n.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	logged, serves := make(chan struct{}), make(chan spawn.Where, 1)
	one, err := startChild(cmd, func() { <-logged })
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	go func() {
		defer close(logged)
		defer kept.Close()
		defer close(serves)
		for where := range spawn.Follow(log, func(line string) { n.keep(kept, line) }) {
			serves <- where
		}
	}()
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case where, ok := <-serves:
		if !ok {
			<-one.ended
			return fmt.Errorf("%s does not start: %w: %s", n.name, one.err, n.lastLines())
		}
		n.run.mu.Lock()
		defer n.run.mu.Unlock()
		n.run.child, n.run.url, n.run.admin = one, where.URL, where.Admin
		n.run.incarnation++
		return nil
	case <-timer.C:
		one.kill()
		return fmt.Errorf("%s does not serve within %v", n.name, startTime)
	case <-ctx.Done():
		one.kill()
		return ctx.Err()
	}
}

// log is the file with what all processes of this node have logged.
func (n *node) log() string { return filepath.Join(n.files.dir, n.name+".log") }

// keep keeps a line of the log. Panics and errors are kept as troubles besides.
func (n *node) keep(kept io.Writer, line string) {
	_, _ = io.WriteString(kept, line) // the disk may be full: the scenario goes on
	if strings.Contains(line, " level=ERROR ") || strings.HasPrefix(line, "panic") || strings.HasPrefix(line, "fatal error") {
		n.trouble(strings.TrimSpace(line))
	}
}

// trouble counts a line by its message and error.
func (n *node) trouble(line string) {
	what := line
	if _, rest, found := strings.Cut(line, " msg="); found {
		what, _, _ = strings.Cut(rest, " connection=")
		if _, failure, found := strings.Cut(rest, " err="); found {
			what += " " + failure
		}
	}
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	if n.run.troubles == nil {
		n.run.troubles = make(map[string]int)
	}
	n.run.troubles[what]++
}

func (n *node) lastLines() string {
	text, _ := os.ReadFile(n.log())
	const tail = 800
	return string(text[max(0, len(text)-tail):])
}

// address is where the node serves, as host:port.
func (n *node) address() string {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return strings.TrimPrefix(n.run.url, "http://")
}

func (n *node) admin() string {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return n.run.admin
}

// origin names the present process as a sender of commands: its order is promised.
func (n *node) origin() string {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return fmt.Sprintf("%s.%d", n.name, n.run.incarnation)
}

func (n *node) process() *child {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return n.run.child
}

// kill is kill -9.
func (n *node) kill() {
	n.ready.Store(false)
	n.process().kill()
}

// hangUp asks the process to end in order.
func (n *node) hangUp() error { return n.process().cmd.Process.Signal(syscall.SIGTERM) }

// stop ends the process in order, within a bound.
func (n *node) stop(bound time.Duration) error {
	if err := n.hangUp(); err != nil {
		return err
	}
	return n.awaitEnd(bound)
}

// awaitEnd waits for the end of a process that was asked to end in order.
func (n *node) awaitEnd(bound time.Duration) error {
	one := n.process()
	if !one.within(bound) {
		one.kill()
		return fmt.Errorf("%s does not end within %v of SIGTERM", n.name, bound)
	}
	// Messages may wait for a client of long polling that does not come any more: a node says so by its exit code.
	if one.err != nil && !strings.Contains(n.lastLines(), cutOff) {
		return fmt.Errorf("%s ends with an error: %w", n.name, one.err)
	}
	return nil
}

// cutOff is what a node says of messages that clients have not taken when it ends.
const cutOff = "messages were cut off that waited for clients"

// hang makes the process stand still until resume.
func (n *node) hang() error   { return n.process().cmd.Process.Signal(stopSignal) }
func (n *node) resume() error { return n.process().cmd.Process.Signal(continueSignal) }

// lookTime bounds one look at the admin address. A node that is slower is not ready.
const lookTime = time.Second

// looks are for the admin addresses of nodes.
var looks = http.Client{Timeout: lookTime, Transport: &http.Transport{DisableKeepAlives: true}}

// isReady asks the node.
func (n *node) isReady(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.admin()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := looks.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
