// Command compare measures hubgate against bench/floor, the same load on the
// same machine in one run, and prints ratios:
//
//	go run ./bench/compare
//	go run ./bench/compare -rounds 3 -only broadcast-2000,in-flight
//
// In each round of a scenario the servers take turns, each in a new process.
// Clients and server are processes of their own and meet over 127.0.0.1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each scenario")
	only := flag.String("only", "", "scenarios to run, separated by commas; all if empty")
	scale := flag.Float64("scale", 1, "factor for the number of clients, to try it on a small machine")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := compare(ctx, os.Stdout, os.Stderr, *rounds, *scale, *only); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, out, progress io.Writer, rounds int, scale float64, only string) error {
	chosen, err := choose(only)
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
	fmt.Fprintf(out, "%s %s/%s, %d CPUs, %d rounds; medians, and least to greatest in brackets\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)
	for _, s := range chosen {
		s.clients = max(1, int(float64(s.clients)*scale))
		results := make([][]result, len(s.servers))
		for round := range rounds {
			for i := range s.servers {
				// Every second round the other way round.
				if round%2 == 1 {
					i = len(s.servers) - 1 - i
				}
				fmt.Fprintf(progress, "%s, round %d of %d: %s\n", s.name, round+1, rounds, s.servers[i].name)
				report, err := l.run(ctx, s, s.servers[i])
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, s.servers[i].name, err)
				}
				results[i] = append(results[i], result{report})
			}
		}
		if err := s.print(out, results); err != nil {
			return err
		}
	}
	return nil
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
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, filepath.Base(name)), "./"+name)
		cmd.Dir = strings.TrimSpace(string(root))
		if text, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(fmt.Errorf("build %s: %s", name, text), err)
		}
	}
	return nil
}
