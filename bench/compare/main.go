// Command compare measures hubgate against bench/floor, the same load on the
// same machine in one run, and prints ratios:
//
//	go run ./bench/compare
//	go run ./bench/compare -rounds 3 -only broadcast,in-flight
//	go run ./bench/compare -only echo -beside /tmp/hubgate-of-yesterday
//
// In each round of a scenario the servers take turns, each in a new process.
// Clients and server are processes of their own and meet over 127.0.0.1. CPU is
// the server's own, as the kernel counts it, so that what else runs on the
// machine disturbs the ratios little. README.md says what each scenario is.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/hubgate/hubgate/internal/spawn"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each scenario")
	only := flag.String("only", "", "scenarios to run, separated by commas; all if empty")
	scale := flag.Float64("scale", 1, "factor for the number of clients, to try it on a small machine")
	beside := flag.String("beside", "", "another hubgate program, of an earlier commit for example, that takes turns with this one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, os.Stdout, os.Stderr, options{*rounds, *scale, *only, *beside}); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds int
	scale  float64 // of the number of clients
	only   string  // names of scenarios, separated by commas; all if empty
	beside string  // another hubgate program, or empty
}

func compare(ctx context.Context, out, progress io.Writer, o options) error {
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hubgate-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := newLab(ctx, dir, progress)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s/%s, %d CPUs, %d rounds; medians, and least to greatest in brackets\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.rounds)
	for _, s := range chosen {
		s.clients = max(1, int(float64(s.clients)*o.scale))
		if o.beside != "" {
			s.servers = withBeside(s.servers, o.beside)
		}
		results, err := l.rounds(ctx, s, o.rounds)
		if err != nil {
			return err
		}
		if err := s.print(out, results); err != nil {
			return err
		}
	}
	return nil
}

// rounds lets the servers of a scenario take turns. Results are by server, then by round.
func (l *lab) rounds(ctx context.Context, s scenario, rounds int) ([][]result, error) {
	results := make([][]result, len(s.servers))
	for round := range rounds {
		for i := range s.servers {
			// Every second round the other way round.
			if round%2 == 1 {
				i = len(s.servers) - 1 - i
			}
			fmt.Fprintf(l.progress, "%s, round %d of %d: %s\n", s.name, round+1, rounds, s.servers[i].name)
			r, err := l.run(ctx, s, s.servers[i])
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.name, s.servers[i].name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	return results, nil
}

// withBeside puts the other program behind each hubgate.
func withBeside(servers []server, program string) []server {
	var all []server
	for _, v := range servers {
		all = append(all, v)
		if !v.floor {
			v.name, v.program = "other "+v.name, program
			all = append(all, v)
		}
	}
	return all
}

func choose(only string) ([]scenario, error) {
	if only == "" {
		return scenarios, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range scenarios {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

// build compiles the two servers from the module in the working directory.
func build(ctx context.Context, dir string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it inside hubgate's module: %w", err)
	}
	for _, name := range []string{"cmd/hubgate", "bench/floor"} {
		if _, err := spawn.Build(ctx, strings.TrimSpace(string(root)), dir, name); err != nil {
			return err
		}
	}
	return nil
}
