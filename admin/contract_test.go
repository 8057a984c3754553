package admin

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/api"
)

// The contract has each operation below /api/, and nothing else has a handler there.
func TestTheContractHasWhatIsServed(t *testing.T) {
	contract, err := openapi3.NewLoader().LoadFromData(api.Admin)
	require.NoError(t, err)
	require.NoError(t, contract.Validate(t.Context()))
	var said, served []string
	for path, item := range contract.Paths.Map() {
		for method := range item.Operations() {
			said = append(said, method+" "+path)
		}
	}
	a := New("1")
	a.ServeHubs(&Hubs{})
	a.WatchFaults(nil, nil)
	for _, pattern := range a.Patterns() {
		_, path, _ := strings.Cut(pattern, " ")
		if strings.HasPrefix(path, "/api/") && path != "/api/admin.yaml" {
			served = append(served, pattern)
		}
	}
	require.ElementsMatch(t, said, served)
}
