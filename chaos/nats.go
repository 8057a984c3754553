package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hubgate/hubgate/internal/freeport"
)

// natsServer is a NATS server outside of the nodes. It keeps its port and its store over a restart.
type natsServer struct {
	binary, dir, address string
	child                *child
}

// natsPackage is the program, as the module that this one uses has it.
const natsPackage = "github.com/nats-io/nats-server/v2"

func newNATS(ctx context.Context, m *machine, dir string) (*natsServer, error) {
	binary, err := m.build(ctx, "nats-server", natsPackage)
	if err != nil {
		return nil, err
	}
	address, err := freeport.Take()
	if err != nil {
		return nil, err
	}
	n := &natsServer{binary: binary, dir: dir, address: address}
	return n, n.start(ctx)
}

// start returns when the server takes connections.
func (n *natsServer) start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(n.address)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(n.dir, "nats.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(n.binary, "--addr", "127.0.0.1", "--port", port, "--jetstream", "--store_dir", filepath.Join(n.dir, "nats"))
	cmd.Stdout, cmd.Stderr = log, log
	if n.child, err = startChild(cmd, func() {}); err != nil {
		_ = log.Close()
		return err
	}
	_ = log.Close() // the process has its own
	err = until(ctx, startTime, func() bool {
		c, err := net.DialTimeout("tcp", n.address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("the NATS server does not start: %w", err)
	}
	return nil
}

func (n *natsServer) url() string { return "nats://" + n.address }

// natsRestart kills the NATS server that joins the nodes, and starts it again: at once, which may lose nothing,
// and after the nodes have taken each other for gone.
func natsRestart(ctx context.Context, s *stage) error {
	if err := s.flow(ctx, 2); err != nil {
		return err
	}
	f := s.fault("kill -9 of NATS, started again at once", nothing)
	s.nats.child.kill()
	if err := s.nats.start(ctx); err != nil {
		return err
	}
	if err := s.healed(ctx, f); err != nil {
		return err
	}
	f = s.fault("kill -9 of NATS, started again later", remote)
	f.storeless = true
	s.nats.child.kill()
	for _, n := range s.cluster.nodes {
		if err := n.see(ctx, 0, readyTime); err != nil {
			return err
		}
	}
	wait(ctx, goneTime)
	if err := s.nats.start(ctx); err != nil {
		return err
	}
	return s.healed(ctx, f)
}
