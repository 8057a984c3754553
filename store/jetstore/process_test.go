package jetstore

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/natsd"
	"github.com/hubgate/hubgate/natsd/natsdtest"
)

const childOptions = "HUBGATE_STORE_CHILD"

// voter is what a process of its own needs to be one.
type voter struct {
	Name, DataDir, Listen string
	Peers, Voters         []string
}

func (v voter) options() natsd.Options {
	return natsd.Options{Name: v.Name, DataDir: v.DataDir, Cluster: &natsd.Cluster{
		Listen: v.Listen, Peers: v.Peers, Voters: v.Voters, Secret: "a secret of a test cluster, 32 bytes or more",
	}}
}

// child runs a voter until its parent ends it, and reports whether it did.
func child() bool {
	text := os.Getenv(childOptions)
	if text == "" {
		return false
	}
	var v voter
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	opts := v.options()
	opts.Log = slog.New(slog.DiscardHandler)
	e, err := natsd.Start(context.Background(), opts)
	if err != nil {
		fmt.Println(err)
		return true
	}
	fmt.Println("started")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_ = natsdtest.Close(e)
	return true
}

// process is a voter in a process of its own.
type process struct {
	voter voter
	cmd   *exec.Cmd
}

func spawn(t *testing.T, v voter) *process {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	p := &process{voter: v, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), childOptions+"="+string(text))
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		p.kill()
		stdin.Close()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// processes are three voters that can be killed, and a node that cannot.
type processes struct {
	voters []*process
	plain  *natsd.Engine
}

func spawnThree(t *testing.T) *processes {
	t.Helper()
	names := []string{"a", "b", "c"}
	var addrs []string
	for range 4 {
		addrs = append(addrs, natsdtest.FreeAddress(t))
	}
	p := new(processes)
	for i, name := range names {
		p.voters = append(p.voters, spawn(t, voter{Name: name, DataDir: t.TempDir(), Listen: addrs[i], Peers: addrs, Voters: names}))
	}
	opts := voter{Name: "plain", Listen: addrs[3], Peers: addrs, Voters: names}.options()
	p.plain = natsdtest.Start(t, opts)
	t.Cleanup(func() { require.NoError(t, natsdtest.Close(p.plain)) })
	natsdtest.AwaitReady(t, p.plain)
	natsdtest.Await(t, "all voters", func() bool {
		s, err := p.plain.Status(context.Background())
		return err == nil && s.Leader != "" && s.VotersThere == 3 && s.Voters == 3
	})
	return p
}

// restart starts a voter again that was killed.
func (p *processes) restart(t *testing.T, i int) { p.voters[i] = spawn(t, p.voters[i].voter) }

// leaderOf is the voter that leads a stream.
func leaderOf(t *testing.T, p *processes, name string) int {
	t.Helper()
	found := -1
	natsdtest.Await(t, "a leader", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		stream, err := p.plain.JetStream().Stream(ctx, name)
		if err != nil || stream.CachedInfo().Cluster == nil {
			return false
		}
		found = slices.IndexFunc(p.voters, func(v *process) bool { return v.voter.Name == stream.CachedInfo().Cluster.Leader })
		return found >= 0
	})
	return found
}
