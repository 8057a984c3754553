package cluster_test

import (
	"os"
	"testing"

	"github.com/hubgate/hubgate/gatewaytest"
)

// TestMain fails the run if a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }
