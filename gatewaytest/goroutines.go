package gatewaytest

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Run runs the tests of a package, for its TestMain, and returns the code for os.Exit. A goroutine of
// ours that is left ten seconds after the last test is a failure.
func Run(m *testing.M) (code int) {
	code = m.Run()
	http.DefaultClient.CloseIdleConnections()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		left := leftGoroutines()
		if left == "" {
			return code
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
			return 1
		}
	}
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
