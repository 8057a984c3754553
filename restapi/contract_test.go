package restapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/api"
)

// example is a request of the operation with valid ids.
func example(t testing.TB, contract *openapi3.T, id string) (method, target string) {
	t.Helper()
	for path, item := range contract.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.OperationID == id {
				target = strings.NewReplacer("{", "", "}", "").Replace(path)
				if id == "RefreshConnection" {
					target += "?expireTime=4000000000"
				}
				return method, target
			}
		}
	}
	t.Fatal("no operation " + id)
	return "", ""
}

// bodyOf is a body that the operation takes.
func bodyOf(id string) string {
	if id == "Execute" {
		return `[{"type":"SendMessage","message":` + helloJSON + `}]`
	}
	return helloJSON
}

func TestEveryOperationIsRouted(t *testing.T) {
	f := newFixture(t)
	for id := range f.byID {
		method, target := example(t, f.contract, id)
		a := f.do(method, target, bodyOf(id))
		require.Equal(t, id, a.operation, "%s %s", method, target)
	}
}

func TestEveryRouteIsInTheContract(t *testing.T) {
	f := newFixture(t)
	h := f.handler.(*Endpoint)
	routed := 0
	require.NoError(t, chi.Walk(h.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routed++
		require.Contains(t, h.operations, operationKey{method, route})
		return nil
	}))
	operations, err := api.Operations()
	require.NoError(t, err)
	heads := 0
	for _, operation := range operations {
		if operation.Method == http.MethodHead {
			heads++
		}
	}
	require.Equal(t, len(operations)-heads, routed)
}

// The literals that requests may write in any letter case are those of the contract.
func TestLiteralsAreThoseOfTheContract(t *testing.T) {
	operations, err := api.Operations()
	require.NoError(t, err)
	found := make(map[string]bool)
	for _, operation := range operations {
		for segment := range strings.SplitSeq(strings.TrimPrefix(operation.Path, "/"), "/") {
			if !strings.HasPrefix(segment, "{") {
				require.Contains(t, literals, segment)
				found[segment] = true
			}
		}
	}
	require.Len(t, found, len(literals))
}

func TestQueryNamesAreThoseOfTheContract(t *testing.T) {
	f := newFixture(t)
	found := make(map[string]bool)
	for _, parameter := range f.contract.Components.Parameters {
		if parameter.Value.In == openapi3.ParameterInQuery {
			require.Contains(t, queryNames, parameter.Value.Name)
			found[parameter.Value.Name] = true
		}
	}
	require.Len(t, found, len(queryNames))
}

// The table of the versions: what each operation answers when all is well.
func TestSuccessCodes(t *testing.T) {
	f, _ := broken(t, nil)
	want := map[string]int{
		"Health": 200, "Broadcast": 202, "CloseAll": 204, "ConnectionExists": 200, "CloseConnection": 200,
		"SendToConnection": 202, "RemoveConnectionFromAllGroups": 200, "GroupExists": 200, "SendToGroup": 202, "CloseGroup": 204,
		"AddConnectionToGroup": 200, "RemoveConnectionFromGroup": 200, "UserExists": 200, "SendToUser": 202, "CloseUser": 204,
		"RemoveUserFromAllGroups": 204, "AddUserToGroup": 200, "RemoveUserFromGroup": 204, "GenerateToken": 200,
		"AccessKey": 200, "PostAccessKey": 200, "V1AccessKey": 200, "V1PostAccessKey": 200,
		"Execute": 202, "InvokeConnection": 200, "SendStreamItem": 202, "CompleteStream": 202, "ListConnectionsInGroup": 200, "RefreshConnection": 204,

		"V1Health": 200, "V1Broadcast": 202, "V1SendToUser": 202, "V1SendToConnection": 202, "V1ConnectionExists": 200,
		"V1CloseConnection": 202, "V1SendToGroup": 202, "V1GroupExists": 200, "V1UserExists": 200, "V1AddConnectionToGroup": 200,
		"V1RemoveConnectionFromGroup": 200, "V1AddUserToGroup": 202, "V1RemoveUserFromGroup": 202, "V1RemoveUserFromAllGroups": 200,
		"V1AddConnectionToGroupAlias": 200, "V1RemoveConnectionFromGroupAlias": 200,
		"V1AddUserToGroupAlias": 202, "V1RemoveUserFromGroupAlias": 202,
	}
	for id := range f.byID {
		name := strings.TrimSuffix(id, "Head")
		if strings.HasPrefix(name, "UserInGroup") || strings.HasPrefix(name, "V1UserInGroup") {
			continue // nobody is: 404
		}
		row := "R38 "
		if !strings.HasPrefix(id, "V1") {
			row = ""
		}
		t.Run(row+id, func(t *testing.T) {
			method, target := example(t, f.contract, id)
			f.do(method, target, bodyOf(id)).wantStatus(want[name])
		})
	}
}
