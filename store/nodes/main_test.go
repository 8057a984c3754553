package nodes

import (
	"os"
	"testing"

	"github.com/hubgate/hubgate/gatewaytest"
)

func TestMain(m *testing.M) { os.Exit(gatewaytest.Run(m)) }
