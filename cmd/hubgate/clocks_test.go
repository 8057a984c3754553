package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// wallClock are the places that may look at the clock on the wall, and for what. A time that was
// made with time.Now and is kept as a time.Time carries a reading of the clock that nobody sets;
// what is listed here loses it, or asks for the wall clock by name.
var wallClock = map[string]string{
	"gateway/gateway.go Now":              "the default",
	"gateway/sweep.go Now":                "ends that tokens name, and ids that live as long as their token",
	"gateway/invoke.go UnixNano":          "tells ids from those before a restart",
	"gateway/slow.go Now":                 "memberships with an end",
	"gateway/handoversession.go UnixNano": "ends that tokens name, for other nodes",
	"gateway/handoversession.go Unix":     "ends that tokens name, for other nodes",
	"clientws/homemessage.go Unix":        "when the token of an id ends, for other nodes",
	"clientws/home.go Now":                "ids that live as long as their token",
	"clientws/handler.go Now":             "the default, and connection tokens",
	"clientws/negotiate.go Now":           "connection tokens",
	"clientws/websocket.go Now":           "connection tokens",
	"clientws/refresh.go Now":             "how long a token lasts",
	"clientws/target.go Now":              "connection tokens",
	"hubserver/dial.go Unix":              "tokens",

	"clientaspnet/options.go Now":   "the default, and connection tokens",
	"clientaspnet/negotiate.go Now": "connection tokens",
	"clientaspnet/connect.go Now":   "connection tokens",

	"store/jetstore/value.go Unix":     "what is stored for other processes: the last activity",
	"store/storetest/contract.go Now":  "the clock of a test",
	"store/jetstore/value.go UnixNano": "what is stored for other processes: ends of memberships",

	"internal/transport/stream.go Unix": "a deadline that has passed",

	"admin/sessions.go Unix": "when a browser's session ends, for other nodes",
	"admin/logout.go Unix":   "when a browser's session ends, for other nodes",

	"upstream/delivery.go UnixMilli":   "what is stored for other processes: since when an event is kept",
	"cmd/hubgate/deliveryverbs.go UTC": "a time that somebody reads",
	"cmd/hubgate/presence.go Local":    "a time that somebody reads",

	"restapi/refresh.go Unix": "ends that a caller names",

	"hubserver/internal/values/packed.go Unix": "a time that an application sends",

	"cmd/hubgate/eventline.go Local": "a time that somebody reads",

	"internal/azurelog/azurelog.go UTC":    "a time that somebody reads",
	"internal/flight/recorder.go UnixNano": "when something happened, as it is kept and searched for",
	"internal/flight/recorder.go Unix":     "when something happened, as it is kept and searched for",
	"internal/flight/recorder.go UTC":      "a time that somebody reads",
	"internal/flight/encode.go UnixNano":   "when something happened, as it is kept and searched for",
	"internal/flight/encode.go Unix":       "when something happened, as it is kept and searched for",
	"internal/flight/encode.go UTC":        "a time that somebody reads",
	"internal/flight/search.go UTC":        "a time that somebody writes",
	"cmd/hubgate/documentverbs.go Local":   "a time that somebody reads",
	"cmd/hubgate/faultverbs.go UTC":        "a time that somebody reads",
	"cmd/hubgate/faults.go UTC":            "a time that somebody reads",
	"cmd/hubgate/traceverb.go UTC":         "a time that somebody reads",
	"cmd/hubgate/adminapi.go UTC":          "a time that somebody reads",

	"servermode/backend.go Ticks": "the answer to a ping that asks for the time",
}

// timed are the packages in which something has a deadline.
var timed = []string{"gateway", "servermode", "clientws", "clientaspnet", "modes", "upstream", "restapi", "admin", "store", "hubserver", "internal", "faults", "cmd/hubgate"}

// losesMonotonic are the methods after which two times are compared by the wall clock.
var losesMonotonic = []string{"Unix", "UnixNano", "UnixMilli", "UnixMicro", "UTC", "Local", "Now", "Ticks"}

// Clocks are set: by hand, by NTP, when a machine wakes up. No deadline may go by them.
func TestDeadlinesDoNotGoByTheWallClock(t *testing.T) {
	single(t)
	var found []string
	for _, name := range timed {
		root := filepath.Join("..", "..", name)
		require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(filepath.Join("..", ".."), path)
			for _, call := range wallCalls(file) {
				found = append(found, filepath.ToSlash(relative)+" "+call)
			}
			return err
		}))
	}
	require.NotEmpty(t, found)
	for _, place := range found {
		assert.NotEmpty(t, wallClock[place], "%s: a use of the wall clock", place)
	}
	for place := range wallClock {
		require.Contains(t, found, place, "listed and not there")
	}
}

// wallCalls names the uses of the wall clock in a file. time.Now itself is none: what it returns
// carries both clocks.
func wallCalls(file *ast.File) (calls []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains(losesMonotonic, s.Sel.Name) {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && s.Sel.Name == "Now" {
			return true
		}
		calls = append(calls, s.Sel.Name)
		return true
	})
	return calls
}
