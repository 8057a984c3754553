// Command report measures hubgate beside other servers for WebSockets, the same load on the same
// machine in one run, and writes what it found as docs/benchmark.md, with plots, and as one HTML page:
//
//	go run ./bench/report
//	go run ./bench/report -rounds 3 -scale 0.1 -only hubgate,floor -out /tmp/report
//	go run ./bench/report -from bench/report/results.json
//
// README.md says what is measured, and what each server needs. A server that is not there is left
// out, and the report says so.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 5, "rounds in which the servers take turns")
	flag.Float64Var(&o.scale, "scale", 1, "factor for the number of clients, to try it on a small machine")
	flag.StringVar(&o.only, "only", "", "servers to measure, separated by commas; all that are there if empty")
	flag.StringVar(&o.from, "from", "", "write the pages from this file of results, and measure nothing")
	flag.StringVar(&o.out, "out", "", "directory to write everything to; the project's own if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := report(ctx, os.Stderr, o); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds          int
	scale           float64 // of the number of clients
	only, from, out string
}

func report(ctx context.Context, progress io.Writer, o options) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("run it inside hubgate's module: %w", err)
	}
	to := placesIn(strings.TrimSpace(string(root)), o.out)
	if err := os.MkdirAll(to.docs, 0o755); err != nil {
		return err
	}
	var found *results
	if o.from != "" {
		found, err = readResults(o.from)
	} else {
		found, err = measure(ctx, progress, strings.TrimSpace(string(root)), o)
	}
	// Of a run that failed or was interrupted the whole rounds are kept.
	if err != nil && (found == nil || found.Rounds == 0) {
		return err
	}
	return errors.Join(err, writeResults(filepath.Join(to.page, "results.json"), found), found.write(to))
}

// places are the directories of what is written.
type places struct{ docs, page string }

func placesIn(root, out string) places {
	if out != "" {
		return places{docs: out, page: out}
	}
	return places{docs: filepath.Join(root, "docs"), page: filepath.Join(root, "bench", "report")}
}

func readResults(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	found := new(results)
	return found, json.Unmarshal(text, found)
}

func writeResults(file string, found *results) error {
	text, err := json.MarshalIndent(found, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// write makes the pages and the plots.
func (r *results) write(to places) error {
	write := func(dir, name string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, name), text, 0o644)
	}
	errs := []error{
		write(to.docs, "benchmark.md", r.markdown()),
		write(to.page, "report.html", r.page()),
	}
	for _, c := range r.charts() {
		errs = append(errs, write(to.docs, c.file(), r.plot(c)))
	}
	return errors.Join(errs...)
}
