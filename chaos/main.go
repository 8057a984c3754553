// Command chaos breaks a cluster of real gateways while clients and applications use it, and looks whether
// what is promised then is kept:
//
//	go run ./chaos                  the short form, less than three minutes
//	go run ./chaos -long            more clients, and the scenarios that take their time
//	go run ./chaos -list            the scenarios
//	go run ./chaos -only NAME       some of them, as a regular expression
//
// HUBGATE_PASSED names a file to which the names of passed scenarios are appended, with the rows of docs/compatibility.md
// that they show. README.md in this folder says how it works. The exit code is 1 if a promise was broken; then the logs are kept.
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
	"sync"
	"syscall"
	"time"
)

func main() {
	var (
		list = flag.Bool("list", false, "list the scenarios and end")
		only = flag.String("only", "", "play only scenarios whose whole name matches this regular expression")
		long = flag.Bool("long", false, "more clients, and the scenarios that take their time")
		keep = flag.Bool("keep", false, "keep the logs whatever comes out")
		many = flag.Int("parallel", 5, "how many scenarios are played at the same time: most of their time is waiting")
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
		err = play(ctx, chosen, form{long: *long, keep: *keep, parallel: max(*many, 1), seed: *seed})
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

// form is how scenarios are played.
type form struct {
	long, keep bool
	parallel   int
	seed       uint64
}

func play(ctx context.Context, chosen []scenario, f form) error {
	start := time.Now()
	m, err := newMachine(ctx)
	if err != nil {
		return err
	}
	m.form = f
	fmt.Printf("seed %d, %d scenarios, files in %s\n", f.seed, len(chosen), m.dir)
	if !m.official {
		fmt.Println("no official clients: they need Node.js and the packages of interop/js (npm ci)")
	}
	if err := m.found(ctx); err != nil {
		return err
	}
	failed := m.playAll(ctx, chosen)
	fmt.Printf("%d of %d scenarios passed in %v\n", len(chosen)-len(failed), len(chosen), time.Since(start).Round(time.Second))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s; seed %d, logs in %s", strings.Join(failed, ", "), f.seed, m.dir)
	}
	if f.keep {
		fmt.Println("logs are in", m.dir)
		return nil
	}
	return os.RemoveAll(m.dir)
}

// playAll plays scenarios, some at the same time, and returns the names of those that failed.
func (m *machine) playAll(ctx context.Context, chosen []scenario) (failed []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, m.parallel)
	for _, one := range chosen {
		taken := 1
		if one.alone && m.long {
			taken = m.parallel
		}
		for range taken {
			places <- struct{}{}
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() {
				for range taken {
					<-places
				}
			}()
			text, passed := m.play(ctx, one)
			mu.Lock()
			defer mu.Unlock()
			fmt.Print(text)
			if passed {
				err := notePassed(os.Getenv("HUBGATE_PASSED"), one)
				if err == nil {
					return
				}
				fmt.Println(err)
			}
			failed = append(failed, one.name)
		})
	}
	all.Wait()
	return failed
}

// notePassed appends the name of a scenario that has passed, with the rows that it shows, to a file as interop/run does.
func notePassed(file string, one scenario) error {
	if file == "" || one.rows == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "chaos %s: %s %s\n", one.name, one.rows, one.about)
	return errors.Join(err, f.Close())
}

// longest bounds one scenario.
const longest = 20 * time.Minute

// play plays one scenario, and returns what was seen.
func (m *machine) play(ctx context.Context, one scenario) (text string, passed bool) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	start := time.Now()
	p := m.plan()
	if one.change != nil {
		one.change(m, &p)
	}
	text = fmt.Sprintf("== %s: %s\n", one.name, one.about)
	s, err := newStage(ctx, m, one.name, p)
	if err != nil {
		return text + fmt.Sprintf("FAIL %s after %v: it does not start: %v\n", one.name, time.Since(start).Round(time.Second), err), false
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
		text += "   " + note + "\n"
	}
	broken, kinds := s.checker.broken()
	text += broken
	if len(kinds) > 0 {
		return text + fmt.Sprintf("FAIL %s after %v, seed %d: %s\n", one.name, time.Since(start).Round(time.Second), m.seed, strings.Join(kinds, ", ")), false
	}
	return text + fmt.Sprintf("PASS %s after %v\n", one.name, time.Since(start).Round(time.Second)), true
}
