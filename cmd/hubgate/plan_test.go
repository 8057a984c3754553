package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/bench/plan"
)

// It measures a gateway, of which nothing is left, and keeps what it found for the next plan.
func TestPlan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process takes is known on Linux")
	}
	if raced && testing.Short() {
		t.Skip("it measures a process")
	}
	t.Setenv(beProgram, "1") // for the gateway that it starts
	file := filepath.Join(t.TempDir(), "costs.json")
	out, log := newOutput(), newOutput()
	code := run(t.Context(), []string{"plan", "--measure", "100", "--save", file, "--json", "--clients", "100000", "--messages", "5", "--receivers", "20"}, terminal{stdout: out, stderr: log}, nil)
	require.Zero(t, code, log.String())
	require.Contains(t, log.String(), "broadcasts of 4096 bytes")
	var said struct {
		Costs plan.Costs
		Plan  plan.Plan
	}
	require.NoError(t, json.Unmarshal([]byte(out.String()), &said))
	require.Positive(t, said.Costs.Delivery+said.Costs.Request)
	require.Positive(t, said.Costs.Connect)
	require.Greater(t, said.Plan.Memory, said.Costs.BaseMemory)
	require.Equal(t, 20.0, said.Plan.Load.Receivers)
}

// Costs that are known need no measurement. The text has what the plan has.
func TestPlanFromKnownCosts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "costs.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"base_memory_bytes": 4e7, "client_memory_bytes": 8192, "connect_ns": 2e5, "request_ns": 5e4, "delivery_ns": 3000, "byte_ns": 0.5, "error": 0.07}`), 0o600))
	plans := func(args ...string) (int, string, string) {
		out, log := newOutput(), newOutput()
		code := run(t.Context(), append([]string{"plan", "--costs", file}, args...), terminal{stdout: out, stderr: log}, nil)
		return code, out.String(), log.String()
	}
	code, out, _ := plans("--units", "100", "--spare", "1")
	require.Zero(t, code)
	for _, text := range []string{"load        100000 clients", "messages a second to 100000 clients each", "nodes       3 with 4 processors and 8 GiB each, 1 of which may be away", "client 8 KiB", "Gbit/s out", "error       7 %"} {
		require.Contains(t, out, text)
	}
	require.Equal(t, "1010 KiB", bytesText(1010<<10)) // no 1.01e+03
	for _, wrong := range [][]string{{"--clients", "0"}, {"--memory", "much"}, {"--processors", "0"}, {"--receivers", "2000"}, {"--spare", "-1"}, {"--costs", filepath.Dir(file)}} {
		code, _, log := plans(wrong...)
		require.Equal(t, exitUsage, code, wrong)
		require.True(t, strings.HasPrefix(log, "hubgate: "), log)
	}
}
