// Command chaos breaks a cluster of real gateways while clients and applications use it, and looks whether
// what is promised then is kept:
//
//	go run ./chaos                  the short form, less than three minutes
//	go run ./chaos -long            more clients, and the scenarios that take their time
//	go run ./chaos -list            the scenarios
//	go run ./chaos -only NAME       some of them, as a regular expression
//
// README.md in this folder says how it works. The exit code is 1 if a promise was broken; then the logs are kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	var (
		list = flag.Bool("list", false, "list the scenarios and end")
		only = flag.String("only", "", "play only scenarios whose whole name matches this regular expression")
		long = flag.Bool("long", false, "more clients, and the scenarios that take their time")
		keep = flag.Bool("keep", false, "keep the logs whatever comes out")
		seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "seed of what clients and senders do")
	)
	flag.Parse()
	if *list {
		for _, one := range scenarios() {
			form := "short"
			if one.long {
				form = "long"
			}
			fmt.Printf("%-22s %-6s %s\n", one.name, form, one.about)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	chosen, err := choose(*only, *long)
	if err == nil {
		err = play(ctx, chosen, *long, *keep, *seed)
	}
	stop()
	killChildren()
	if err != nil {
		fmt.Println("chaos: FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("chaos: passed")
}

// choose returns the scenarios to play. Those that are named are played in the short form too.
func choose(only string, long bool) (chosen []scenario, err error) {
	pattern, err := regexp.Compile("^(" + only + ")$")
	if err != nil {
		return nil, err
	}
	for _, one := range scenarios() {
		if only == "" && (long || !one.long) || only != "" && pattern.MatchString(one.name) {
			chosen = append(chosen, one)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("no such scenario: see -list")
	}
	return chosen, nil
}

func play(ctx context.Context, chosen []scenario, long, keep bool, seed uint64) error {
	m, err := newMachine(ctx)
	if err != nil {
		return err
	}
	m.long, m.seed = long, seed
	fmt.Printf("seed %d, %d scenarios, files in %s\n", seed, len(chosen), m.dir)
	if !m.official {
		fmt.Println("no official clients: they need Node.js and the packages of interop/js (npm ci)")
	}
	if err := m.found(ctx); err != nil {
		return err
	}
	var failed []string
	for _, one := range chosen {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !m.play(ctx, one) {
			failed = append(failed, one.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s; seed %d, logs in %s", strings.Join(failed, ", "), seed, m.dir)
	}
	if keep {
		fmt.Println("logs are in", m.dir)
		return nil
	}
	return os.RemoveAll(m.dir)
}

// longest bounds one scenario.
const longest = 10 * time.Minute

// play plays one scenario and says what was seen.
func (m *machine) play(ctx context.Context, one scenario) bool {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	start := time.Now()
	p := m.plan()
	if one.change != nil {
		one.change(m, &p)
	}
	fmt.Printf("== %s: %s\n", one.name, one.about)
	s, err := newStage(ctx, m, one.name, p)
	if err != nil {
		fmt.Printf("FAIL %s after %v: it does not start: %v\n", one.name, time.Since(start).Round(time.Second), err)
		return false
	}
	s.report.note("all is there after %v", time.Since(start).Round(time.Millisecond))
	if err := one.play(ctx, s); err != nil {
		s.checker.violate("scenario", err.Error())
	}
	s.finish(ctx)
	if err := s.close(); err != nil {
		s.checker.violate("ends", err.Error())
	}
	s.tell()
	for _, note := range s.report.notes {
		fmt.Println("  ", note)
	}
	text, kinds := s.checker.broken()
	fmt.Print(text)
	if len(kinds) > 0 {
		fmt.Printf("FAIL %s after %v, seed %d: %s\n", one.name, time.Since(start).Round(time.Second), m.seed, strings.Join(kinds, ", "))
		return false
	}
	fmt.Printf("PASS %s after %v\n", one.name, time.Since(start).Round(time.Second))
	return true
}
