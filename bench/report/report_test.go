package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCommittedPagesAreThoseOfTheCommittedResults(t *testing.T) {
	if _, err := os.Stat("../../docs/benchmark.md"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there are no pages yet")
	}
	found, err := readResults("results.json")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, found.write(placesIn("", dir)))
	same := func(file, name string) {
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		made, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(made), "go run ./bench/report -from bench/report/results.json writes %s", file)
	}
	same("report.html", "report.html")
	same("../../docs/benchmark.md", "benchmark.md")
	for _, c := range found.charts() {
		same(filepath.Join("../../docs", c.file()), c.file())
	}
}

func TestSpreadsAndRatiosAreThoseOfRounds(t *testing.T) {
	r := &results{Servers: []serverResult{
		{Name: "floor", Figures: map[string][]float64{"memory": {1, 2, 4}}},
		{Name: "hubgate", Figures: map[string][]float64{"memory": {2, 2, 12}}},
	}}
	s, ok := spreadOf(r.Servers[1].Figures["memory"])
	require.True(t, ok)
	require.Equal(t, spread{2, 2, 12}, s)
	ratio, ok := r.ratio(&r.Servers[1], "memory")
	require.True(t, ok)
	require.Equal(t, spread{1, 2, 3}, ratio)
	_, ok = r.ratio(&r.Servers[1], "start")
	require.False(t, ok)

	c := chart{figure: "memory", title: "Memory <of> all", unit: "KiB"}
	svg := string(r.plot(c))
	require.Contains(t, svg, "Memory &lt;of&gt; all; floor 2.00 KiB; hubgate 2.00 KiB")
	require.Contains(t, svg, `class="own"`)
	require.Equal(t, 1, strings.Count(svg, " ×"), "the first server is not compared with itself")
}

func TestNumbersHaveThreeDigitsThatMeanSomething(t *testing.T) {
	for v, want := range map[float64]string{0.5: "0.50", 12.34: "12.3", 123.4: "123", 1234567: "1\u202f234\u202f567"} {
		require.Equal(t, want, number(v))
	}
}

// A small run of the real programs shows that they still fit together.
func TestASmallReport(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs two programs")
	}
	dir := t.TempDir()
	require.NoError(t, report(t.Context(), io.Discard, options{rounds: 1, scale: 0.01, only: "floor,hubgate", out: dir}))
	page, err := os.ReadFile(filepath.Join(dir, "benchmark.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "| hubgate | ")
	html, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	require.NotContains(t, string(html), "src=")
}

func TestWallTimeOfABusyMachineIsLeftOut(t *testing.T) {
	r := &results{Machine: machine{Processors: 2}, LoadBefore: "1.90, 9.00, 9.00", LoadAfter: "3.50, 9.00, 9.00", Servers: []serverResult{{Name: "floor"}}}
	require.Len(t, r.charts(), len(charts))
	require.Contains(t, string(r.markdown()), "Latency")
	require.NotContains(t, string(r.markdown()), "were left out")
	for _, busy := range [][2]string{{"3.50, 1.00, 1.00", "1.00, 1.00, 1.00"}, {"40.00, 1.00, 1.00", "1.00, 1.00, 1.00"}, {"1.00, 1.00, 1.00", "40.00, 1.00, 1.00"}, {"1.00, 1.00, 1.00", "unknown"}} {
		r.LoadBefore, r.LoadAfter = busy[0], busy[1]
		require.Less(t, len(r.charts()), len(charts))
		require.NotContains(t, string(r.markdown()), "## Latency")
		require.Contains(t, string(r.markdown()), "were left out")
	}
}
