package restapi

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/api"
)

var (
	fencedCode    = regexp.MustCompile("(?ms)^```.*?^```")
	operationSpan = regexp.MustCompile("`(GET|HEAD|POST|PUT|DELETE)(?: (/[^`\n]*))?`")
)

// documented are the operations that docs/rest.md names: `GET /users/{user}`, with more methods in front of it if it has
// them. Paths stand below the hub, unless they begin with /api.
func documented(page string) map[operationKey]bool {
	found := make(map[operationKey]bool)
	base := ""
	for line := range strings.Lines(fencedCode.ReplaceAllString(page, "")) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			base = map[string]string{"Operations": "/api/hubs/{hub}", "Version v1": "/api/v1/hubs/{hub}"}[strings.TrimSpace(title)]
		}
		var methods []string
		for _, span := range operationSpan.FindAllStringSubmatch(line, -1) {
			methods = append(methods, span[1])
			path, _, _ := strings.Cut(span[2], "?")
			switch {
			case path == "" || base == "":
				continue
			case !strings.HasPrefix(path, "/api/"):
				path = base + strings.TrimSuffix(path, "/")
			}
			for _, method := range methods {
				found[operationKey{method, path}] = true
			}
			methods = nil
		}
	}
	return found
}

// The page on REST has every operation of the contract, and no other one.
func TestThePageHasTheOperationsOfTheContract(t *testing.T) {
	page, err := os.ReadFile("../docs/rest.md")
	require.NoError(t, err)
	have := documented(string(page))
	operations, err := api.Operations()
	require.NoError(t, err)
	for _, o := range operations {
		key := operationKey{o.Method, o.Path}
		require.True(t, have[key], "docs/rest.md does not have %s %s", o.Method, o.Path)
		delete(have, key)
	}
	require.Empty(t, have, "docs/rest.md has operations that the contract does not have")
}

// Who looks for the code of an answer finds it on the page of errors.
func TestThePageOfErrorsHasTheCodes(t *testing.T) {
	page, err := os.ReadFile("../docs/errors.md")
	require.NoError(t, err)
	for _, code := range []ErrorCode{
		codeNoConnection, codeNoConnectionToAdd, codeNoUser, codeNoGroup, codeUserNotInGroup, codeRequestInvalid,
		codeRequestNotExisted, codeThrottled, codeRequestUnknown, codeUnknown, errNoAnswer.code,
		asFailure(invalid(ErrorDetailTargetUser, "")).code, asFailure(invalid(ErrorDetailTargetGroup, "")).code,
		asFailure(invalid(ErrorDetailTargetConnection, "")).code,
	} {
		require.True(t, strings.Contains(string(page), "`"+string(code)+"`"), "docs/errors.md does not have %s", code)
	}
}
