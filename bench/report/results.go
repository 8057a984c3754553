package main

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// results are what one run found. They are kept as JSON, so that the pages can be written anew.
type results struct {
	Machine    machine
	Begun      time.Time
	Ended      time.Time
	LoadBefore string // averages over 1, 5 and 15 minutes
	LoadAfter  string
	Rounds     int
	Missing    []string // servers that were not there
	Servers    []serverResult
}

type machine struct {
	Processors int
	MemoryGiB  float64
	System, Go string
}

// serverResult has the values of each figure, by round.
type serverResult struct {
	Name, Version string
	Figures       map[string][]float64
}

func thisMachine() machine {
	m := machine{Processors: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	text, _ := os.ReadFile("/proc/meminfo") // absent elsewhere
	_, rest, _ := bytes.Cut(text, []byte("MemTotal:"))
	if words := bytes.Fields(rest); len(words) > 0 {
		kilo, _ := strconv.ParseFloat(string(words[0]), 64)
		m.MemoryGiB = kilo / (1 << 20)
	}
	return m
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	words := strings.Fields(string(text))
	if err != nil || len(words) < 3 {
		return "unknown"
	}
	return strings.Join(words[:3], ", ")
}

// spread is how a figure varied over the rounds.
type spread struct{ least, median, greatest float64 }

func spreadOf(values []float64) (s spread, ok bool) {
	if len(values) == 0 {
		return s, false
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{least: sorted[0], median: (sorted[(n-1)/2] + sorted[n/2]) / 2, greatest: sorted[n-1]}, true
}

// ratio compares a figure with the first server's, round by round: what disturbed the machine then
// disturbed both.
func (r *results) ratio(s *serverResult, figure string) (spread, bool) {
	values, reference := s.Figures[figure], r.Servers[0].Figures[figure]
	var each []float64
	for i := range min(len(values), len(reference)) {
		if reference[i] > 0 {
			each = append(each, values[i]/reference[i])
		}
	}
	return spreadOf(each)
}
