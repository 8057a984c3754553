package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/bench"
)

func TestTable(t *testing.T) {
	s := scenario{title: "title", servers: []server{theFloor, hubgate}, figures: []figure{cpuPerDelivery, deliveries}}
	run := func(cpu, perSecond int) result {
		return result{Report: &bench.Report{Load: &bench.LoadReport{ServerCPU: time.Duration(cpu), PerSecond: float64(perSecond)}}}
	}
	var out bytes.Buffer
	require.NoError(t, s.print(&out, [][]result{{run(1000, 5), run(4000, 5), run(2000, 5)}, {run(2000, 9), run(4000, 9), run(3000, 9)}}))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, "title", lines[0])
	require.Contains(t, lines[1], "2.00 µs [1.00 … 4.00]")
	require.Contains(t, lines[2], "3.00 µs [2.00 … 4.00]")
	require.Contains(t, lines[2], "× 1.50 [1.00 … 2.00]")
	require.Contains(t, lines[2], "medians × 1.50")
	require.NotContains(t, lines[4], "×")
}

func TestScenariosAreChosenByName(t *testing.T) {
	chosen, err := choose("idle,connect")
	require.NoError(t, err)
	require.Equal(t, "idle", chosen[0].name)
	require.Len(t, chosen, 2)
	_, err = choose("other")
	require.ErrorContains(t, err, "broadcast-10000")
}

func TestTheOtherProgramTakesTurns(t *testing.T) {
	all := withBeside([]server{theFloor, hubgate}, "/tmp/other")
	require.Equal(t, []server{theFloor, hubgate, {name: "other hubgate", program: "/tmp/other"}}, all)
}

func TestMetricsAreSummedUp(t *testing.T) {
	queued, slow, err := parseMetrics(strings.NewReader(`# HELP hubgate_queued_bytes Bytes that wait for clients.
hubgate_queued_bytes{hub="a"} 100
hubgate_queued_bytes{hub="b"} 1.5e+06
hubgate_connections_closed_total{reason="Normal"} 7
hubgate_connections_closed_total{reason="SlowClient"} 3
`))
	require.NoError(t, err)
	require.Equal(t, 1500100.0, queued)
	require.Equal(t, 3.0, slow)
}

func TestWatchedTellsHowLongTheFirstSlowClientWasWaitedFor(t *testing.T) {
	var w watched
	start := time.Unix(0, 0)
	for second, queued := range []float64{0, 5, 0, 10, 30, 20, 0} {
		w.see(start.Add(time.Duration(second)*time.Second), queued, float64(max(0, second-4)))
	}
	require.Equal(t, 2*time.Second, w.closedAfter, "from 3 to 5")
	require.Equal(t, 30.0, w.peakQueued)
	require.Equal(t, 2.0, w.slow)
}

// A small run of the real programs shows that their command lines and reports
// still fit together.
func TestSmallComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs two programs")
	}
	var out bytes.Buffer
	require.NoError(t, compare(t.Context(), &out, io.Discard, options{rounds: 1, scale: 0.005, only: "broadcast,in-flight,connect,echo"}))
	require.Contains(t, out.String(), "CPU per delivery")
	require.Contains(t, out.String(), "all connected after")
	require.Contains(t, out.String(), "calls per second")
}
