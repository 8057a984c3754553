package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/hubgate/hubgate/internal/spawn"
)

// machine is what all scenarios share: the programs, and where files go.
type machine struct {
	root, dir string
	hubgate   string
	form
	official bool // there are Node.js and the packages of the official clients
	// founded has the stores of a cluster that was there before: the first start of one takes an election.
	founded string
}

// newMachine builds the gateway, unless HUBGATE_BIN names one.
func newMachine(ctx context.Context) (*machine, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "hubgate")); err != nil {
		return nil, errors.New("start this in the root of the repository")
	}
	m := &machine{root: root}
	if m.dir, err = os.MkdirTemp("", "hubgate-chaos-"); err != nil {
		return nil, err
	}
	_, noNode := exec.LookPath("node")
	_, noPackages := os.Stat(filepath.Join(root, "interop", "js", "node_modules", "signalr-8"))
	m.official = noNode == nil && noPackages == nil
	m.hubgate, err = spawn.Program(ctx, root, m.dir)
	return m, err
}

// found starts a cluster for the first time, with all users in its store, so that scenarios begin with one that
// has been there.
func (m *machine) found(ctx context.Context) error {
	start := time.Now()
	dir := filepath.Join(m.dir, "founded")
	c, err := newCluster(dir, m, shape{nodes: 3, mode: modeServerless})
	if err != nil {
		return err
	}
	err = c.start(ctx)
	served := time.Since(start)
	p := m.plan()
	users := slices.Concat(p.users(), (&plan{clients: statefulClients, official: statefulClients}).users())
	if err == nil {
		err = c.enroll(ctx, users[:1])
	}
	stored := time.Since(start)
	if err == nil {
		err = c.enroll(ctx, users[1:])
	}
	if err = errors.Join(err, c.close()); err != nil {
		return fmt.Errorf("a new cluster: %w", err)
	}
	fmt.Printf("a new cluster of three nodes was ready after %v, and its store took writes after %v\n", round(served), round(stored))
	m.founded = dir
	return nil
}

// build builds a program, with flags of go build.
func (m *machine) build(ctx context.Context, name, pkg string, flags ...string) (string, error) {
	file := filepath.Join(m.dir, name)
	text, err := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", file}, flags...), pkg)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, text)
	}
	return file, nil
}
