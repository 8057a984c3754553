package cluster_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) {
	code := m.Run()
	left := ""
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		if left = leftGoroutines(); left == "" {
			break
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
			code = 1
			break
		}
	}
	os.Exit(code)
}

func leftGoroutines() string {
	buf := make([]byte, 1<<20)
	var left []string
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "hubgate/") && !strings.Contains(stack, "leftGoroutines") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
