package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// machine is what all scenarios share: the programs, and where files go.
type machine struct {
	root, dir string
	hubgate   string
	long      bool
	seed      uint64
	official  bool // there are Node.js and the packages of the official clients
	kept      bool
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
	m := &machine{root: root, hubgate: os.Getenv("HUBGATE_BIN")}
	if m.dir, err = os.MkdirTemp("", "hubgate-chaos-"); err != nil {
		return nil, err
	}
	_, noNode := exec.LookPath("node")
	_, noPackages := os.Stat(filepath.Join(root, "interop", "js", "node_modules", "signalr-8"))
	m.official = noNode == nil && noPackages == nil
	if m.hubgate == "" {
		m.hubgate, err = m.build(ctx, "hubgate", "./cmd/hubgate")
	}
	return m, err
}

// build builds a program.
func (m *machine) build(ctx context.Context, name, pkg string) (string, error) {
	file := filepath.Join(m.dir, name)
	text, err := exec.CommandContext(ctx, "go", "build", "-o", file, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", pkg, err, text)
	}
	return file, nil
}
