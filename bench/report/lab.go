package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/internal/freeport"
)

// lab is where servers run: a directory for what is built, and hubgate's source.
type lab struct{ dir, root string }

// startTime bounds how long a server may take until it listens, and until it has ended.
const (
	startTime = time.Minute
	wellKnown = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
)

// party is a server that takes part.
type party struct {
	server
	start func(port int) *exec.Cmd
}

// measure lets the servers take turns.
func measure(ctx context.Context, progress io.Writer, root string, o options) (*results, error) {
	dir, err := os.MkdirTemp("", "hubgate-report-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	l := &lab{dir: dir, root: root}
	found := &results{Machine: thisMachine()}
	var parties []party
	for _, s := range servers {
		if o.only != "" && !slices.Contains(strings.Split(o.only, ","), s.name) {
			found.Missing = append(found.Missing, s.name)
			continue
		}
		start, version, err := s.find(ctx, l)
		if err != nil {
			fmt.Fprintf(progress, "%s is left out: %v\n", s.name, err)
			found.Missing = append(found.Missing, s.name)
			continue
		}
		parties = append(parties, party{s, start})
		found.Servers = append(found.Servers, serverResult{Name: s.name, Version: version, Figures: map[string][]float64{}})
	}
	if len(parties) == 0 {
		return nil, errors.New("there is no server to measure")
	}
	found.Begun, found.LoadBefore = time.Now().UTC().Truncate(time.Second), loadAverage()
	for round := range o.rounds {
		if err := l.round(ctx, progress, parties, found, round, o); err != nil {
			return found, err
		}
	}
	return found, nil
}

// round lets each server take its turn, every second time the other way round. Only a whole round counts.
func (l *lab) round(ctx context.Context, progress io.Writer, parties []party, found *results, round int, o options) error {
	each := make([]serverResult, len(parties))
	for i := range parties {
		if round%2 == 1 {
			i = len(parties) - 1 - i
		}
		fmt.Fprintf(progress, "round %d of %d: %s\n", round+1, o.rounds, parties[i].name)
		each[i].Figures = map[string][]float64{}
		if err := l.turn(ctx, &parties[i], &each[i], o.scale); err != nil {
			return fmt.Errorf("%s: %w", parties[i].name, err)
		}
	}
	for i := range each {
		for name, values := range each[i].Figures {
			found.Servers[i].Figures[name] = append(found.Servers[i].Figures[name], values...)
		}
	}
	found.Rounds = round + 1
	found.Ended, found.LoadAfter = time.Now().UTC().Truncate(time.Second), loadAverage()
	return nil
}

// turn starts a server in a new process, puts every load on it and ends it.
func (l *lab) turn(ctx context.Context, p *party, r *serverResult, scale float64) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := p.start(port)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = startTime
	if err := cmd.Start(); err != nil {
		return err
	}
	err = listening(ctx, port)
	for i := 0; err == nil && i < len(loads); i++ {
		err = l.put(ctx, p, loads[i], port, cmd.Process.Pid, r, scale)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait() // servers that are interrupted end with codes of their own
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, output.Bytes())
	}
	return err
}

// put puts one load on a server, and keeps its figures.
func (l *lab) put(ctx context.Context, p *party, one load, port, pid int, r *serverResult, scale float64) error {
	report, err := bench.Run(ctx, bench.Options{
		Target:  p.target(port),
		Clients: bench.Clients{Count: max(1, int(float64(one.clients)*scale)), Protocol: bench.JSON, Parallel: 64, Timeout: time.Minute},
		Load:    one.of, PID: pid, Tree: true,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", one.name, err)
	}
	for _, f := range figures {
		if f.load == one.name {
			r.Figures[f.name] = append(r.Figures[f.name], f.of(report))
		}
	}
	return nil
}

func (p *party) target(port int) bench.Target {
	t := bench.Target{Endpoint: &url.URL{Scheme: "http", Host: address(port)}, Hub: "bench", Floor: p.floor, Peer: p.peer}
	base := t.Endpoint.String()
	t.ClientToken = func(user string) (string, error) {
		return auth.SignClient(auth.Secret(wellKnown), base, t.Hub, auth.ClientTokenSpec{UserID: user})
	}
	t.RESTToken = func(resource string) (string, error) { return auth.SignREST(auth.Secret(wellKnown), resource, 0) }
	return t
}

func freePort() (int, error) {
	address, err := freeport.Take()
	if err != nil {
		return 0, err
	}
	place, err := netip.ParseAddrPort(address)
	return int(place.Port()), err
}

// listening waits until somebody does.
func listening(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not listen: %w", err)
		case <-tick.C:
		}
	}
}
