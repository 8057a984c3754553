package main

import (
	"bufio"
	"cmp"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkStart measures how long a gateway alone takes from the start of its process until it serves: less than
// 300 ms. HUBGATE_BIN names the program; without it the test's own binary is it, which is larger.
func BenchmarkStart(b *testing.B) {
	self, err := os.Executable()
	require.NoError(b, err)
	dir := b.TempDir()
	var took []time.Duration
	for b.Loop() {
		cmd := exec.Command(cmp.Or(os.Getenv("HUBGATE_BIN"), self), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
		cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), beProgram+"=1"), patience
		logs, err := cmd.StderrPipe()
		require.NoError(b, err)
		began := time.Now()
		require.NoError(b, cmd.Start())
		lines := bufio.NewScanner(logs)
		for lines.Scan() && !servingLine.MatchString(lines.Text()) {
		}
		took = append(took, time.Since(began))
		require.NoError(b, lines.Err())
		require.NoError(b, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "most-ms")
}
