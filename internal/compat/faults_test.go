package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/gatewaytest"
)

// Each row of the table of faults names what shows it, all of which exists: rows of the page, scenarios, and tests.
func TestEachFaultIsShown(t *testing.T) {
	root := filepath.Join("..", "..")
	read := func(elements ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{root}, elements...)...))
		require.NoError(t, err)
		return string(text)
	}
	_, faults, found := strings.Cut(read("docs", "cluster.md"), "\n| what fails |")
	require.True(t, found)
	faults, _, _ = strings.Cut(faults, "\n\n")
	covered, err := parseTable(read("internal", "compat", "rows.tsv"), read("internal", "compat", "notbuilt.tsv"))
	require.NoError(t, err)
	scenarios := read("chaos", "scenario.go")
	shown := regexp.MustCompile("`([^`]+)`|\\S+")
	n := 0
	for _, line := range strings.Split(faults, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		require.Len(t, cells, 4, line)
		all := shown.FindAllStringSubmatch(cells[3], -1)
		require.NotEmpty(t, all, "nothing shows: %s", cells[0])
		for _, one := range all {
			pkg, test, isTest := strings.Cut(one[1], ".")
			name, isScenario := strings.CutPrefix(one[1], "chaos ")
			switch {
			case one[1] == "":
				require.Contains(t, covered.rows, one[0], cells[0])
			case isScenario:
				require.Contains(t, scenarios, `{name: "`+name+`"`, cells[0])
			default:
				require.True(t, isTest, one[1])
				require.True(t, gatewaytest.HasTest(t, filepath.Join(root, filepath.FromSlash(pkg)), test), "%s: there is no %s", cells[0], one[1])
			}
			n++
		}
	}
	require.Greater(t, n, 20)
}
