package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row is one testable statement.
type row struct {
	id, statement string
	// via are rows whose tests show this one too.
	via []string
	// reason says why the row is not, or not fully, covered.
	reason string
	tests  []string
}

// section is a part of the page.
type section struct {
	title string
	rows  []*row
}

// table is everything that the page is about.
type table struct {
	sections []section
	rows     map[string]*row
}

// rowID is a row's name. Client rows have two digits at least, so that C1 of a
// connection in a test's name is none.
var rowID = regexp.MustCompile(`^(?:C\d{2,3}|R\d{1,2}|D\d{1,2}|H\d{1,2}a?|N\d{1,2})$`)

// leadingID is a row's name at the beginning of a test function's.
var leadingID = regexp.MustCompile(`^Test(C\d{2,3}|R\d{1,2}|D\d{1,2}|H\d{1,2}a?|N\d{1,2})[A-Z]`)

// parseTable reads the two files: a row is an id, a statement and optionally
// the rows that stand for it, separated by tabs; a line with # begins a section.
// A reason is an id, or a range of ids, and a text.
func parseTable(rows, reasons string) (*table, error) {
	t := &table{rows: make(map[string]*row)}
	for line := range lines(rows) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			t.sections = append(t.sections, section{title: title})
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) < 2 || len(fields) > 3 || !rowID.MatchString(fields[0]) || len(t.sections) == 0 {
			return nil, fmt.Errorf("not a row: %q", line)
		}
		r := &row{id: fields[0], statement: fields[1]}
		if len(fields) == 3 {
			r.via = strings.Fields(fields[2])
		}
		if t.rows[r.id] != nil {
			return nil, fmt.Errorf("row %s is there twice", r.id)
		}
		t.rows[r.id] = r
		last := &t.sections[len(t.sections)-1]
		last.rows = append(last.rows, r)
	}
	return t, t.addReasons(reasons)
}

func (t *table) addReasons(text string) error {
	for line := range lines(text) {
		ids, reason, ok := strings.Cut(line, "\t")
		if !ok || reason == "" {
			return fmt.Errorf("not a reason: %q", line)
		}
		expanded, err := expand(ids)
		if err != nil {
			return err
		}
		for _, id := range expanded {
			r := t.rows[id]
			if r == nil || r.reason != "" {
				return fmt.Errorf("a reason for %s, which is no row or has one", id)
			}
			r.reason = reason
		}
	}
	return nil
}

// expand turns R79-R87 into its ids.
func expand(ids string) ([]string, error) {
	first, last, isRange := strings.Cut(ids, "-")
	if !isRange {
		return []string{ids}, nil
	}
	from, err1 := strconv.Atoi(first[1:])
	to, err2 := strconv.Atoi(last[1:])
	if err1 != nil || err2 != nil || first[0] != last[0] || from > to {
		return nil, fmt.Errorf("not a range of rows: %q", ids)
	}
	var expanded []string
	for n := from; n <= to; n++ {
		expanded = append(expanded, first[:1]+strconv.Itoa(n))
	}
	return expanded, nil
}

// cover counts a passed test, if it names rows.
func (t *table) cover(id, test string) {
	if r := t.rows[id]; r != nil && !slices.Contains(r.tests, test) {
		r.tests = append(r.tests, test)
	}
}

// covering returns the tests of the row and of those that stand for it, sorted.
func (t *table) covering(r *row) []string {
	tests := slices.Clone(r.tests)
	for _, id := range r.via {
		if other := t.rows[id]; other != nil {
			tests = append(tests, other.tests...)
		}
	}
	slices.Sort(tests)
	return slices.Compact(tests)
}

// uncovered is an error that names every row with neither test nor reason.
func (t *table) uncovered() error {
	var errs []error
	for _, s := range t.sections {
		for _, r := range s.rows {
			if r.reason == "" && len(t.covering(r)) == 0 {
				errs = append(errs, fmt.Errorf("%s has neither a test nor a reason: %s", r.id, r.statement))
			}
		}
	}
	return errors.Join(errs...)
}

func lines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\r\n"); line != "" && !yield(line) {
				return
			}
		}
	}
}
