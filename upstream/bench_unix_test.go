//go:build unix

package upstream

import (
	"syscall"
	"testing"
)

// reportCPU reports the processor time of the whole process, server included,
// per operation between its two calls.
func reportCPU(b *testing.B) (stop func()) {
	start := processTime(b)
	return func() {
		b.ReportMetric(float64(processTime(b)-start)/float64(b.N), "cpu-ns/op")
	}
}

func processTime(b *testing.B) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
