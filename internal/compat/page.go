package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
)

// maxTests is how many tests of a row are named.
const maxTests = 4

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
	if n := len(tests); n > maxTests {
		parts = append(tests[:maxTests:maxTests], fmt.Sprintf("and %d more", n-maxTests))
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

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
