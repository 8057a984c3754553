package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/api"
)

// tried is how an operation of the management API is tried out: what is sent, and the status that comes, or with
// wrong the one that comes of a request that is wrong.
type tried struct {
	path, body string
	status     int
	wrong      string
}

var triedOperations = map[string]tried{
	"GET /api/overview":                               {status: 200},
	"GET /api/nodes/metrics":                          {status: 200},
	"GET /api/settings":                               {status: 200},
	"PATCH /api/settings":                             {body: `{"tags":{"a":"b"}}`, status: 200, wrong: `{"properties":{"resourceStopped":"perhaps"}}`},
	"GET /api/settings/history":                       {status: 200},
	"POST /api/settings/rollback":                     {body: `{"revision":1}`, status: 200, wrong: `{"revison":1}`},
	"GET /api/keys":                                   {status: 200},
	"POST /api/keys/show":                             {status: 200},
	"POST /api/keys/regenerate":                       {body: `{"keyType":"secondary"}`, status: 200, wrong: `{"keyType":"third"}`},
	"POST /api/restart":                               {status: 204},
	"POST /api/import":                                {path: "/api/import?dryRun=true", body: `{"UpstreamSettings":{"Templates":[]}}`, status: 200, wrong: `[]`},
	"GET /api/session":                                {status: 200},
	"POST /api/login":                                 {body: `{"token":"` + adminToken + `"}`, status: 204, wrong: `{}x`},
	"POST /api/logout":                                {body: `{}`, status: 204},
	"GET /api/hubs/{hub}/connections":                 {path: "/api/hubs/chat/connections", status: 200},
	"GET /api/hubs/{hub}/users":                       {path: "/api/hubs/chat/users", status: 200},
	"GET /api/hubs/{hub}/groups":                      {path: "/api/hubs/chat/groups", status: 200},
	"DELETE /api/hubs/{hub}/connections/{id}":         {path: "/api/hubs/chat/connections/nobody", status: 404},
	"DELETE /api/hubs/{hub}/users/{user}/connections": {path: "/api/hubs/chat/users/nobody/connections", status: 204},
	"POST /api/send":                                  {body: `{"hub":"chat","to":"all","name":"","method":"m","arguments":[]}`, status: 200, wrong: `{"hubb":1}`},
	"POST /api/client":                                {body: `{"hub":"chat","user":"ann"}`, status: 200, wrong: `{"hub":7}`},
	"GET /api/faults":                                 {status: 200},
	"POST /api/faults":                                {body: `{"hub":"chat","kind":"drop","share":0.5,"for":"1s"}`, status: 200, wrong: `{"hub":"chat","kind":"explode"}`},
	"DELETE /api/faults":                              {status: 200},
	"GET /api/trace":                                  {status: 200},
}

// Each operation of the contract answers as the contract says; without a token, and to a request that is wrong, too.
func TestTheManagementContractIsKept(t *testing.T) {
	t.Parallel()
	contract, err := openapi3.NewLoader().LoadFromData(api.Admin)
	require.NoError(t, err)
	p := start(t, "--admin-token-file", secretFile(t, adminToken), "--faults-hub=chat")
	seen := 0
	for path, item := range contract.Paths.Map() {
		for method, operation := range item.Operations() {
			seen++
			name := method + " " + path
			try, ok := triedOperations[name]
			require.True(t, ok, "%s is not tried out", name)
			if try.path == "" {
				try.path = path
			}
			send := func(body string, token bool) (int, string) {
				headers := []string{"Content-Type", "application/json"}
				if token {
					headers = append(headers, "Authorization", "Bearer "+adminToken)
				}
				return p.request(method, p.Admin+try.path, body, headers...)
			}
			status, body := send(try.body, true)
			require.Equal(t, try.status, status, "%s: %s", name, body)
			keepsContract(t, name, operation, status, body)
			if operation.Security == nil {
				status, body = send(try.body, false)
				require.Equal(t, http.StatusUnauthorized, status, "%s without a token", name)
				keepsContract(t, name, operation, status, body)
			}
			if try.wrong != "" {
				status, body = send(try.wrong, true)
				require.Equal(t, http.StatusBadRequest, status, "%s: %s", name, body)
				keepsContract(t, name, operation, status, body)
			}
		}
	}
	require.Len(t, triedOperations, seen)
}

// keepsContract checks an answer against the contract.
func keepsContract(t *testing.T, name string, operation *openapi3.Operation, status int, body string) {
	t.Helper()
	said := operation.Responses.Value(fmt.Sprint(status))
	if said == nil {
		said = operation.Responses.Default()
	}
	require.NotNil(t, said, "%s: the contract has no %d", name, status)
	content := said.Value.Content.Get("application/json")
	if content == nil || strings.TrimSpace(body) == "" {
		require.Nil(t, content, "%s: %d without a body", name, status)
		return
	}
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value), name)
	require.NoError(t, content.Schema.Value.VisitJSON(value), "%s: %s", name, body)
}
