// Command compat makes docs/compatibility.md from the names of passed tests: a
// row is covered by every test whose name holds its id as a word, or is a function
// whose name begins with it.
//
//	go test -json ./... > results.json
//	HUBGATE_PASSED=passed.txt interop/run
//	go run ./internal/compat -interop passed.txt results.json
//
// With -check it writes nothing and fails if the committed page says anything
// else. It always fails if a row has neither a test nor a reason.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
)

//go:embed rows.tsv
var rowsFile string

//go:embed notbuilt.tsv
var notBuiltFile string

func main() {
	page := flag.String("page", "docs/compatibility.md", "the page to write")
	interop := flag.String("interop", "", "file with the names of passed interop cases, one a line")
	check := flag.Bool("check", false, "compare with the page instead of writing it")
	flag.Parse()
	if err := generate(*page, *interop, *check, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func generate(page, interop string, check bool, goResults []string) error {
	t, err := parseTable(rowsFile, notBuiltFile)
	if err != nil {
		return err
	}
	if len(goResults) == 0 && interop == "" {
		return errors.New("no results: name files with the output of go test -json")
	}
	for _, name := range goResults {
		if err := readFile(name, t.addGoTests); err != nil {
			return err
		}
	}
	if interop != "" {
		if err := readFile(interop, t.addInterop); err != nil {
			return err
		}
	}
	text := t.page()
	if check {
		err = t.compare(page, text)
	} else {
		err = os.WriteFile(page, text, 0o644)
	}
	return errors.Join(err, t.uncovered())
}

func readFile(name string, read func([]byte) error) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := read(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// compare names the first line that differs in more than in which of the passed tests of a row are named: tests that
// are added, or that run on some machines only, do not make the page wrong.
func (t *table) compare(page string, text []byte) error {
	have, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	old, now := bytes.Split(have, []byte("\n")), bytes.Split(text, []byte("\n"))
	for i := range min(len(old), len(now)) {
		if !bytes.Equal(old[i], now[i]) && !t.holds(string(old[i]), string(now[i])) {
			return fmt.Errorf("%s:%d is not what the tests say:\n- %s\n+ %s", page, i+1, old[i], now[i])
		}
	}
	if len(old) != len(now) {
		return fmt.Errorf("%s has %d lines where the tests make %d", page, len(old), len(now))
	}
	return nil
}
