// Package spawn starts gateways as processes of their own, for tests, measurements and suites that stand outside: it
// makes the command, waits until the gateway serves, keeps its log, and ends it by its process.
package spawn

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Patience bounds the start of a gateway until it serves, and its end after Stop. It is a way out of a hang.
const Patience = time.Minute

// Program is the file of the gateway to start: HUBGATE_BIN, or one that is built from the source in root into dir.
func Program(ctx context.Context, root, dir string) (string, error) {
	if named := os.Getenv("HUBGATE_BIN"); named != "" {
		return filepath.Abs(named)
	}
	return Build(ctx, root, dir, "cmd/hubgate")
}

// Build builds a program of the source in root into dir, and returns its file. Flags are those of go build.
func Build(ctx context.Context, root, dir, pkg string, flags ...string) (string, error) {
	file := filepath.Join(dir, filepath.Base(pkg))
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", file}, flags...), "./"+pkg)...)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, text)
	}
	return file, nil
}

// Command is what starts the program with these arguments. It has the variables of this process but those for the
// gateway, and those in env.
func Command(program string, args, env []string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HUBGATE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// Where is where a gateway serves. Admin is empty if it has no admin address.
type Where struct{ URL, Admin string }

// Follow reads the log of a gateway to its end, and calls line with each line, its end included. The channel gets where
// the gateway serves, once it does, and is closed behind the last line.
func Follow(log io.Reader, line func(string)) <-chan Where {
	serves := make(chan Where, 1)
	go func() {
		defer close(serves)
		told := false
		for lines := bufio.NewReader(log); ; {
			text, err := lines.ReadString('\n')
			if text != "" {
				line(text)
			}
			if !told && strings.Contains(text, " msg=serving ") {
				told = true
				serves <- Where{Field(text, "url"), Field(text, "admin")}
			}
			if err != nil {
				return
			}
		}
	}()
	return serves
}

// Field is a value without spaces of a line of the log, or "".
func Field(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(value)
}

// Gateway is a process that serves, or has served. Its methods may be called at the same time.
type Gateway struct {
	Where
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and all of its log was read
	err   error         // how it ended

	mu  sync.Mutex
	log []byte
}

// kept is how much of a log Log returns at least.
const kept = 64 << 10

func (g *Gateway) keep(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.log = append(g.log, line...); len(g.log) > 2*kept {
		g.log = slices.Clone(g.log[len(g.log)-kept:])
	}
}

// Start starts a gateway and returns when it serves. line is called with each line of its log; nil: nobody is. Only the
// context of the start counts.
func Start(ctx context.Context, cmd *exec.Cmd, line func(string)) (*Gateway, error) {
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	g := &Gateway{cmd: cmd, ended: make(chan struct{})}
	serves := Follow(log, func(text string) {
		g.keep(text)
		if line != nil {
			line(text)
		}
	})
	served := make(chan Where, 1)
	go func() {
		if where, ok := <-serves; ok {
			served <- where
			<-serves
		}
		g.err = cmd.Wait() // which nobody may call before all was read
		close(g.ended)
	}()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case g.Where = <-served:
		return g, nil
	case <-g.ended:
		return nil, fmt.Errorf("the gateway ended before it served: %w\n%s", g.err, g.Log())
	case <-late.C:
		g.Kill()
		return nil, fmt.Errorf("the gateway does not serve within %v\n%s", Patience, g.Log())
	case <-ctx.Done():
		g.Kill()
		return nil, ctx.Err()
	}
}

// PID is the number of the process.
func (g *Gateway) PID() int { return g.cmd.Process.Pid }

// Log is the last of what it has logged so far, 64 KiB and more.
func (g *Gateway) Log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.log)
}

// Stop asks the gateway to end in order, and waits. One that does not end in time is killed. It returns how the gateway
// ended, also if that was before.
func (g *Gateway) Stop() error {
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case <-g.ended:
		return g.err
	case <-late.C:
		g.Kill()
		return fmt.Errorf("the gateway does not end within %v of SIGTERM", Patience)
	}
}

// Kill ends it at once, and waits for that.
func (g *Gateway) Kill() {
	_ = g.cmd.Process.Kill()
	<-g.ended
}
