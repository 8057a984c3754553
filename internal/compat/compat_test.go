package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const smallRows = "# First\nC01\tone\nC02\ttwo\nC03\tthree\n# Second\nR1\tfour\nD3\tfive\tC01 R1\nR2\tsix\nR3\tseven\n# Third\nH1\teight\nH7\tnine\nH13\tten\nH13a\televen\n"

const smallResults = `# noise
{"Action":"run","Package":"github.com/hubgate/hubgate/clientws","Test":"TestA/C03_not_passed_yet"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/clientws","Test":"TestA/C01_R1_spaces_are_underscores"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/clientws","Test":"TestA/C01_again"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/servermode","Test":"TestH7InTheName/H13a_C02x"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/servermode","Test":"TestH13Another"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/servermode","Test":"TestH1two"}
{"Action":"fail","Package":"github.com/hubgate/hubgate/clientws","Test":"TestB/C02_failed"}
{"Action":"skip","Package":"github.com/hubgate/hubgate/clientws","Test":"TestC/C02_skipped"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/clientws","Test":"TestXC02/xC02/C020_C1_H1b"}
{"Action":"pass","Package":"github.com/hubgate/hubgate/clientws"}
`

const smallInterop = `js 10.0.11 WebSockets json: C02 R1 invoke through a webhook
js 8.0.0 LongPolling json: C02 R1 invoke through a webhook
dotnet conformance C03 on the other server
python C01
chaos kill: H1 a node is killed
`

func small(t *testing.T, reasons string) *table {
	t.Helper()
	tab, err := parseTable(smallRows, reasons)
	require.NoError(t, err)
	require.NoError(t, tab.addGoTests([]byte(smallResults)))
	require.NoError(t, tab.addInterop([]byte(smallInterop)))
	return tab
}

func TestOnlyPassedTestsCover(t *testing.T) {
	tab := small(t, "C03\tnot built\nR2-R3\tnot built either\nH1\tnot built\n")
	require.Equal(t, []string{"`clientws.TestA`", "interop python: C01"}, tab.covering(tab.rows["C01"]))
	require.Equal(t, []string{"interop js: invoke through a webhook"}, tab.covering(tab.rows["C02"]))
	require.Empty(t, tab.covering(tab.rows["C03"]))
	require.Len(t, tab.covering(tab.rows["D3"]), 3, "rows that stand for it count")
	require.Equal(t, []string{"`chaos -only kill`"}, tab.covering(tab.rows["H1"]))
	for _, id := range []string{"H7", "H13a"} {
		require.Equal(t, []string{"`servermode.TestH7InTheName`"}, tab.covering(tab.rows[id]))
	}
	require.Equal(t, []string{"`servermode.TestH13Another`"}, tab.covering(tab.rows["H13"]))
	require.NoError(t, tab.uncovered())
	page := string(tab.page())
	require.Contains(t, page, "8 of 11 rows are covered")
	require.Contains(t, page, "| C03 | three | *not built* |\n")
	require.Contains(t, page, "| R3 | seven | *not built either* |\n")
	require.Contains(t, page, "| C01 | one | `clientws.TestA`<br>interop python: C01 |\n")
}

func TestRowsWithoutTestAndReasonAreErrors(t *testing.T) {
	err := small(t, "R2\tnot built\n").uncovered()
	require.ErrorContains(t, err, "C03 has neither")
	require.ErrorContains(t, err, "R3 has neither")
	require.NotContains(t, err.Error(), "R2")
}

func TestMistakesInTheFiles(t *testing.T) {
	for _, bad := range [][2]string{
		{"C01\tbefore a section\n", ""}, {"# s\nC1\tone digit\n", ""}, {"# s\nC01\n", ""}, {"# s\nC01\ta\nC01\tb\n", ""},
		{"# s\nC01\ta\n", "C02\tno such row\n"}, {"# s\nC01\ta\n", "C01\tone\nC01\ttwo\n"}, {"# s\nC01\ta\n", "C01\n"},
		{"# s\nR1\ta\n", "R2-R1\tbackwards\n"}, {"# s\nR1\ta\n", "R1-C2\tmixed\n"},
	} {
		_, err := parseTable(bad[0], bad[1])
		require.Error(t, err, bad)
	}
	tab, err := parseTable(smallRows, "")
	require.NoError(t, err)
	require.Error(t, tab.addGoTests([]byte("{no json\n")))
}

// The committed files hold every row once and nothing that is no row.
func TestRows(t *testing.T) {
	tab, err := parseTable(rowsFile, notBuiltFile)
	require.NoError(t, err)
	count := map[byte]int{}
	for id, r := range tab.rows {
		count[id[0]]++
		for _, other := range r.via {
			require.NotNil(t, tab.rows[other], "%s is said to be shown by %s", id, other)
		}
		require.False(t, strings.ContainsAny(r.statement, "<>`"), id)
	}
	require.Equal(t, map[byte]int{'C': 121, 'R': 90, 'D': 16, 'H': 89, 'N': 58}, count)
}

func TestCheckComparesWithThePage(t *testing.T) {
	dir := t.TempDir()
	page, results := filepath.Join(dir, "page.md"), filepath.Join(dir, "results.json")
	require.NoError(t, os.WriteFile(results, []byte(smallResults), 0o600))
	// Most rows have no test here, which is an error of its own.
	require.ErrorContains(t, generate(page, "", false, []string{results}), "neither a test nor a reason")
	require.NotContains(t, generate(page, "", true, []string{results}).Error(), "is not what the tests say")
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(page, []byte(strings.Replace(string(text), "clientws.TestA", "clientws.TestZ", 1)), 0o600))
	require.ErrorContains(t, generate(page, "", true, []string{results}), "is not what the tests say")
	require.Error(t, generate(page, "", true, nil))
}

// A test that is new, or that did not run here, does not make the page wrong. One that is named and did not pass does.
func TestWhichTestsAreNamedMayDiffer(t *testing.T) {
	tab := small(t, "C03\tnot built\nC02\tpartly\n")
	now := "| C01 | one | `clientws.TestA`<br>interop python: C01 |"
	require.Contains(t, string(tab.page()), now)
	require.True(t, tab.holds("| C01 | one | `clientws.TestA` |", now))
	require.True(t, tab.holds("| C01 | one | `clientws.TestA`<br>and more |", now))
	for _, wrong := range []string{
		"| C01 | one | `clientws.TestZ` |", "| C01 | one | **none** |", "| C01 | one | and more |", "| C01 | one | `clientws.TestA`<br>*not built* |",
		"| C01 | another | `clientws.TestA` |", "| C99 | one | `clientws.TestA` |", "C01", "",
	} {
		require.False(t, tab.holds(wrong, now), wrong)
	}
	now = "| C02 | two | interop js: invoke through a webhook<br>*partly* |"
	require.Contains(t, string(tab.page()), now)
	require.True(t, tab.holds(now, now))
	require.False(t, tab.holds("| C02 | two | interop js: invoke through a webhook |", now))
	require.False(t, tab.holds("| C03 | three | `clientws.TestA` |", "| C03 | three | *not built* |"))
}

// The page begins with the versions that the interop suites install.
func TestVersionsOfTheSummary(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", "interop", filepath.FromSlash(path)))
		require.NoError(t, err)
		return string(text)
	}
	row := func(name string) string {
		_, rest, found := strings.Cut(intro, "\n| `"+name+"`")
		require.True(t, found, name)
		line, _, _ := strings.Cut(rest, "\n")
		return line
	}
	installed := 0
	for name, row := range map[string]string{"signalr": row("@microsoft/signalr"), "signalr-protocol-msgpack": row("@microsoft/signalr-protocol-msgpack")} {
		for _, m := range regexp.MustCompile(`"npm:@microsoft/`+name+`@([\d.]+)"`).FindAllStringSubmatch(read("js/package.json"), -1) {
			require.Contains(t, row, m[1])
			installed++
		}
	}
	for _, m := range regexp.MustCompile(`"npm:signalr@([\d.]+)"`).FindAllStringSubmatch(read("js/package.json"), -1) {
		require.Contains(t, row("signalr"), m[1])
		installed++
	}
	require.Equal(t, 8, installed)
	m := regexp.MustCompile(`<artifactId>signalr</artifactId>\s*<version>([\d.]+)<`).FindStringSubmatch(read("java/pom.xml"))
	require.NotNil(t, m)
	require.Contains(t, row("com.microsoft.signalr"), m[1])
	m = regexp.MustCompile(`pysignalr==([\d.]+)`).FindStringSubmatch(read("python/requirements.txt"))
	require.NotNil(t, m)
	require.Contains(t, row("pysignalr"), m[1])
	for name, property := range map[string]string{"Microsoft.Azure.SignalR": "AzureSignalRVersion", "Microsoft.Azure.SignalR.Management": "AzureSignalRVersion", "Microsoft.AspNetCore.SignalR.Client": "SignalRClientVersion"} {
		m = regexp.MustCompile(`<` + property + `[^>]*>([\d.]+)<`).FindStringSubmatch(read("dotnet/Directory.Build.props"))
		require.NotNil(t, m)
		require.Contains(t, row(name), m[1])
	}
}

// The page that is committed begins as the next one would.
func TestSummaryIsCurrent(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "compatibility.md"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(page), intro), "write internal/compat/intro.md into docs/compatibility.md, or .ci/run chaos test interop page")
}
