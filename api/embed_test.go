package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	contract, err := openapi3.NewLoader().LoadFromData(Spec)
	require.NoError(t, err)
	return contract
}

func TestSpecIsValidOpenAPI(t *testing.T) {
	require.NoError(t, load(t).Validate(context.Background()))
}

func TestOperationsAreThoseOfTheContract(t *testing.T) {
	operations, err := Operations()
	require.NoError(t, err)
	contract := load(t)
	ids := make(map[string]bool)
	for _, have := range operations {
		require.NotEmpty(t, have.ID, "%s %s", have.Method, have.Path)
		require.False(t, ids[have.ID], "%s is used twice", have.ID)
		ids[have.ID] = true
		item := contract.Paths.Value(have.Path)
		require.NotNil(t, item, have.Path)
		want := item.GetOperation(have.Method)
		require.NotNil(t, want, "%s %s", have.Method, have.Path)
		require.Equal(t, want.OperationID, have.ID)
		require.Equal(t, strings.HasSuffix(have.Path, "/health"), have.Public)
		require.Equal(t, item.Parameters.GetByInAndName("query", "api-version") != nil, have.Versioned)
		require.Equal(t, strings.HasPrefix(have.Path, "/api/hubs/") || strings.HasPrefix(have.Path, "/api/auth/"), have.Versioned)
	}
	count := 0
	for _, item := range contract.Paths.Map() {
		count += len(item.Operations())
	}
	require.Len(t, operations, count)
}

// Every answer of 400 and above says what is wrong in one way, but 401, whose
// body is empty.
func TestErrorsOfTheContractAreErrorDetails(t *testing.T) {
	for path, item := range load(t).Paths.Map() {
		for verb, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				where := verb + " " + path + " " + status
				switch {
				case status < "400":
					require.NotContains(t, response.Value.Headers, "x-ms-error-code", where)
				case status == "401":
					require.Contains(t, response.Value.Headers, "WWW-Authenticate", where)
					require.Empty(t, response.Value.Content, where)
				default:
					require.Contains(t, response.Value.Headers, "x-ms-error-code", where)
					schema := response.Value.Content.Get("application/json").Schema
					require.Equal(t, "#/components/schemas/ErrorDetail", schema.Ref, where)
				}
			}
		}
	}
}

// The .NET Management SDK asks with GET where the contract of the service only
// has HEAD, so there is always the other (R26, R27). An access key is nothing that may or may not exist.
func TestWhereverThereIsHeadThereIsGet(t *testing.T) {
	for path, item := range load(t).Paths.Map() {
		if strings.HasSuffix(path, "/accessKey") {
			continue
		}
		require.Equal(t, item.GetOperation(http.MethodGet) != nil, item.GetOperation(http.MethodHead) != nil, path)
	}
}
