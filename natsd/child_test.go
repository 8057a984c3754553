package natsd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

const (
	childOptions = "HUBGATE_ENGINE_CHILD"
	childScript  = "HUBGATE_ENGINE_SCRIPT"
)

// spec is what a child process needs of its options.
type spec struct {
	Name, DataDir  string
	Listen, Secret string
	Peers, Voters  []string
}

func specOf(o Options) spec {
	s := spec{Name: o.Name, DataDir: o.DataDir}
	if c := o.Cluster; c != nil {
		s.Listen, s.Secret, s.Peers, s.Voters = c.Listen, c.Secret.Reveal(), c.Peers, c.Voters
	}
	return s
}

func (s spec) options() Options {
	o := Options{Name: s.Name, DataDir: s.DataDir}
	if s.Listen != "" {
		o.Cluster = &Cluster{Listen: s.Listen, Secret: secret.Text(s.Secret), Peers: s.Peers, Voters: s.Voters}
	}
	return o
}

// scripts are run by a child process of their own; what they return fails the test.
var scripts = map[string]func() error{"full disk": fullDisk}

// child runs what a test starts as a process of its own, and reports whether it did.
func child() bool {
	if name := os.Getenv(childScript); name != "" {
		if err := scripts[name](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return true
	}
	text := os.Getenv(childOptions)
	if text == "" {
		return false
	}
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	opts := s.options()
	opts.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	e, err := Start(context.Background(), opts)
	if err != nil {
		fmt.Println("error:", err)
		return true
	}
	fmt.Println("started")
	bufio.NewReader(os.Stdin).ReadString('\n') // until the parent closes it, or dies
	ctx, cancel := context.WithTimeout(context.Background(), longEnough)
	defer cancel()
	fmt.Println("ended:", e.Close(ctx))
	return true
}

// process is an engine in a process of its own.
type process struct {
	opts Options
	cmd  *exec.Cmd
	in   interface{ Close() error }
	out  *bufio.Reader
}

func spawn(t testing.TB, opts Options) *process {
	t.Helper()
	text, err := json.Marshal(specOf(opts))
	require.NoError(t, err)
	p := &process{opts: opts, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childOptions+"="+string(text))
	if os.Getenv("ENGINE_LOG") != "" {
		p.cmd.Stderr = os.Stderr
	}
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.in, p.out = stdin, bufio.NewReader(stdout)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.kill() })
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// end lets the engine leave in order.
func (p *process) end(t testing.TB) {
	t.Helper()
	require.NoError(t, p.in.Close())
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ended: <nil>\n", line)
	require.NoError(t, p.cmd.Wait())
}

// ports are the TCP addresses on which the process listens, as the kernel writes them.
func (p *process) ports(t testing.TB) []string {
	t.Helper()
	proc := filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid))
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Skip("no /proc on this system")
	}
	own := make(map[string]bool)
	for _, fd := range fds {
		if link, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil {
			own[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] = true
		}
	}
	var list []string
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(filepath.Join(proc, "net", table))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			const address, state, listens, inode = 1, 3, "0A", 9
			if field := strings.Fields(line); len(field) > inode && field[state] == listens && own[field[inode]] {
				list = append(list, field[address])
			}
		}
	}
	return list
}

// residentBytes is the memory that the process takes.
func (p *process) residentBytes(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "statm"))
	if err != nil {
		t.Skip("no /proc on this system")
	}
	var size, resident int
	_, err = fmt.Sscan(string(text), &size, &resident)
	require.NoError(t, err)
	return resident * os.Getpagesize()
}
