package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// maxTests is how many tests of a row are named.
const maxTests = 4

// andMore stands for the tests of a row that are not named.
const andMore = "and more"

//go:embed intro.md
var intro string

// page writes the whole page.
func (t *table) page() []byte {
	var b bytes.Buffer
	b.WriteString(intro)
	covered, total := 0, 0
	for _, s := range t.sections {
		for _, r := range s.rows {
			total++
			if len(t.covering(r)) > 0 {
				covered++
			}
		}
	}
	fmt.Fprintf(&b, "%d of %d rows are covered by tests. The others say why not.\n", covered, total)
	for _, s := range t.sections {
		fmt.Fprintf(&b, "\n## %s\n\n| row | statement | tests |\n|---|---|---|\n", s.title)
		for _, r := range s.rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.id, cell(r.statement), cell(t.evidence(r)))
		}
	}
	return b.Bytes()
}

func (t *table) evidence(r *row) string {
	tests := t.covering(r)
	var parts []string
	if len(tests) > maxTests {
		parts = append(tests[:maxTests:maxTests], andMore)
	} else {
		parts = tests
	}
	if r.reason != "" {
		parts = append(parts, "*"+r.reason+"*")
	}
	if len(parts) == 0 {
		return "**none**"
	}
	return strings.Join(parts, "<br>")
}

// holds says whether a row of the committed page is true, though the tests would write it as now: it is the same row
// with the same reason, it names a test if there is one, and each test that it names has passed.
func (t *table) holds(old, now string) bool {
	id, rest, ok := strings.Cut(strings.TrimPrefix(old, "| "), " | ")
	r := t.rows[id]
	if !ok || r == nil {
		return false
	}
	rest, ok = strings.CutPrefix(rest, cell(r.statement)+" | ")
	if !ok || !strings.HasSuffix(rest, " |") {
		return false
	}
	tests := t.covering(r)
	named, reason := 0, ""
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, " |"), "<br>") {
		switch {
		case part == andMore:
		case slices.ContainsFunc(tests, func(test string) bool { return cell(test) == part }):
			named++
		default:
			reason += part
		}
	}
	want := ""
	if r.reason != "" {
		want = cell("*" + r.reason + "*")
	}
	return named > 0 && reason == want
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
