package main

import (
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/hubgate/hubgate"

// mayImport is the table of packages in ARCHITECTURE.md: who may import which
// of our packages. Adapters are not in each other's lists; only commands know
// everybody.
var mayImport = map[string][]string{
	"api":               nil,
	"hubprotocol":       {"internal/jsontext"},
	"aspnetprotocol":    {"internal/jsontext"},
	"serviceprotocol":   nil,
	"auth":              {"secret"},
	"oidc":              {"auth"},
	"oidc/oidctest":     nil,
	"webhook":           {"secret"},
	"webhook/signature": nil,
	"hubname":           nil,
	"secret":            nil,
	"regularfile":       nil,
	"settings":          {"hubname", "secret", "webhook", "internal/nearest"},
	"config":            {"regularfile", "secret", "settings", "webhook", "internal/nearest"},
	"management":        {"regularfile", "secret", "settings", "webhook"},
	"internal/counts":   nil,
	"internal/filter":   nil,
	"internal/jsontext": nil,
	"internal/fields":   nil,
	"internal/spawn":    nil,
	"internal/freeport": nil,
	"internal/logsum":   nil,
	"internal/nearest":  nil,
	"internal/packed":   nil,
	"internal/watch":    nil,
	"internal/trace":    nil,
	"internal/flight":   nil,
	"internal/poll":     {"gateway", "internal/fields"},
	"gateway":           {"hubprotocol", "internal/counts", "internal/directwrite", "internal/fields", "internal/filter"},
	"clientws":          {"gateway", "hubprotocol", "auth", "hubname", "internal/fields", "internal/transport"},
	"restapi":           {"gateway", "hubprotocol", "auth", "hubname", "api", "internal/counts", "internal/filter", "internal/trace"},
	"limits":            {"gateway", "internal/fields"},
	"tracing":           {"gateway", "internal/fields", "internal/flight", "internal/poll", "internal/watch"},
	"internal/azurelog": {"internal/flight"},
	"livetrace":         {"auth", "gateway", "hubprotocol", "internal/azurelog", "internal/flight"},
	"resourcelog":       {"internal/azurelog", "internal/flight"},
	"portal":            nil,
	"docs":              nil,
	"help":              nil,
	"doctor":            nil,
	"arm":               {"auth", "management", "secret"},
	"faults":            {"gateway", "internal/counts"},
	"presence":          {"gateway", "auth", "hubname", "internal/counts", "internal/trace"},
	"upstream":          {"gateway", "hubprotocol", "auth", "regularfile", "secret", "webhook", "webhook/signature", "internal/logsum", "internal/packed", "internal/trace"},
	"modes":             {"gateway", "hubname", "hubprotocol"},
	"servermode":        {"gateway", "hubprotocol", "aspnetprotocol", "serviceprotocol", "auth", "hubname", "internal/counts", "internal/fields", "internal/trace"},
	"hubserver":         {"hubprotocol", "serviceprotocol", "auth", "hubname", "hubserver/internal/values"},

	"hubserver/internal/values": {"hubprotocol", "serviceprotocol"},
	"internal/directwrite":      nil,
	"clients/go":                {"webhook/signature"},
	"clients/go/example":        {"clients/go"},
	"cluster/natscarrier":       {"cluster"},
	"cluster/clustertest":       {"cluster"},
	"clientaspnet":              {"gateway", "aspnetprotocol", "hubprotocol", "auth", "hubname", "internal/transport"},
	"internal/transport":        {"gateway", "auth", "internal/counts", "internal/directwrite"},
	"hubserver/hubservertest":   {"auth", "clientws", "gateway", "hubprotocol", "hubserver", "hubserver/internal/values", "servermode", "store"},

	"store":            {"gateway"},
	"store/jetstore":   {"gateway", "store", "store/stream", "internal/counts", "internal/packed"},
	"store/stream":     {"store"},
	"store/storetest":  {"gateway", "store"},
	"store/nodes":      {"store/stream", "internal/counts"},
	"store/shared":     {"store/stream"},
	"store/batchlog":   {"store/stream", "internal/packed"},
	"store/life":       {"store/batchlog", "store/nodes", "store/stream", "internal/counts", "internal/packed"},
	"store/claims":     {"store", "store/stream"},
	"store/outbox":     {"store/batchlog", "store/stream", "internal/counts", "internal/packed"},
	"backplane":        {"gateway", "hubprotocol"},
	"cluster":          {"gateway", "internal/counts", "internal/fields", "internal/logsum"},
	"natsd":            {"regularfile", "secret", "internal/counts", "internal/logsum"},
	"natsd/natsdtest":  {"natsd", "internal/freeport"},
	"admin":            {"api", "gateway", "hubname", "internal/fields", "internal/flight", "internal/poll", "internal/watch", "management", "secret"},
	"bench":            {"bench/aspnethub"},
	"bench/floor":      nil,
	"bench/aspnethub":  {"serviceprotocol"},
	"bench/plan":       {"bench"},
	"bench/compare":    {"bench", "hubserver", "internal/spawn"},
	"bench/report":     {"auth", "bench", "internal/freeport", "internal/spawn"},
	"bench/link":       nil,
	"chaos":            {"auth", "bench/link", "hubserver", "internal/freeport", "internal/spawn"},
	"bench/soak":       {"bench/aspnethub", "bench/link", "internal/spawn"},
	"internal/compat":  nil,
	"deploy/check":     nil,
	"internal/reasons": nil,
	"gatewaytest":      {"gateway", "hubprotocol"},
	"cmd/hubgate":      {"api", "aspnetprotocol", "hubprotocol", "auth", "oidc", "hubname", "regularfile", "secret", "webhook", "settings", "config", "management", "tracing", "internal/flight", "internal/azurelog", "livetrace", "resourcelog", "gateway", "clientws", "clientaspnet", "restapi", "presence", "limits", "doctor", "portal", "docs", "help", "faults", "upstream", "servermode", "modes", "store", "store/claims", "store/jetstore", "store/life", "store/shared", "backplane", "natsd", "cluster", "cluster/natscarrier", "admin", "arm", "bench", "bench/plan", "internal/counts", "internal/spawn", "internal/logsum", "internal/nearest", "internal/reasons", "internal/watch", "internal/trace", "internal/transport", "store/outbox", "telemetry"},

	"telemetry":               {"internal/counts", "internal/logsum"},
	"telemetry/telemetrytest": nil,
	"store/stream/streamtest": {"store/stream"},

	"deploy/release/image": nil,
	"deploy/release/pack":  nil,
}

// forTests are packages that every test may import: fakes, what implements the
// core's seams in memory, and the hub server to test with.
var forTests = []string{"gatewaytest", "store", "store/storetest", "store/stream/streamtest", "backplane", "hubserver", "cluster/clustertest", "oidc/oidctest", "natsd/natsdtest", "telemetry/telemetrytest", "internal/freeport"}

// onNATS are the packages that may use NATS. The core and all else does without.
var onNATS = []string{"natsd", "store/jetstore", "store/stream", "store/nodes", "store/life", "store/shared", "cluster/natscarrier", "store/outbox", "store/claims"}

// whole are the parts that tests of a package put together to see it from outside.
var whole = map[string][]string{
	"cluster":     {"auth", "clientws", "hubprotocol", "cluster/natscarrier", "internal/filter"},
	"clientws":    {"cluster"},
	"servermode":  {"clientws", "modes", "cluster"},
	"presence":    {"hubprotocol"},
	"faults":      {"hubprotocol"},
	"help":        {"docs", "internal/reasons"},
	"hubserver":   {"gateway", "clientws", "servermode"},
	"cmd/hubgate": {"serviceprotocol", "bench/aspnethub"},

	"upstream":       {"natsd", "store/outbox"},
	"store/jetstore": {"natsd"},
	"store/life":     {"natsd"},
	"store/shared":   {"natsd"},
	"store/claims":   {"natsd"},
	"store/stream":   {"natsd"},
	"store/outbox":   {"natsd"},
}

// forOthers are packages for programs outside, such as the examples.
var forOthers = []string{"hubserver", "hubserver/hubservertest", "webhook/signature"}

// forInterop are packages for the programs of the interop suites besides: one of them speaks the
// service protocol by itself, and some start gateways.
var forInterop = []string{"auth", "serviceprotocol", "internal/spawn"}

// forbidden are packages of others that would put a package in the wrong place.
var forbidden = map[string][]string{
	"hubprotocol": {"net", "net/http", "encoding/json", "github.com/gorilla/websocket"},
	"gateway":     {"net/http", "encoding/json", "github.com/gorilla/websocket", "github.com/go-chi/chi/v5"},
	"settings":    {"net/http", "os"},
	"webhook":     {"net/http", "os"},
}

// heavy are packages that bring gRPC along, which is four megabytes of program. Receivers of tests may use them.
var heavy = []string{"google.golang.org/grpc", "go.opentelemetry.io/proto/otlp/collector/", "go.opentelemetry.io/otel/exporters/otlp/otlptrace/", "go.opentelemetry.io/otel/exporters/otlp/otlpmetric/"}

// TestImports parses every file instead of asking the go tool: a test that
// runs another program stays green from the cache after an import was added.
func TestImports(t *testing.T) {
	single(t)
	t.Parallel()
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // what others build beside this
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "build" || name == "target" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(file) == ".go" {
			files++
			checkImports(t, root, file)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 100, "the walk did not reach the project's files")
}

// The table that people read says the same.
func TestImportTableOfTheArchitecture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "ARCHITECTURE.md"))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\|.*\\| ([^|]+) \\|$").FindAllStringSubmatch(string(text), -1) {
		allowed, known := mayImport[row[1]]
		switch {
		case row[1] == "interop" || row[1] == "clients" || strings.HasPrefix(row[1], "examples"):
			continue
		case !known:
			t.Errorf("ARCHITECTURE.md has a package %s", row[1])
		case row[2] == "all":
			require.Equal(t, "cmd/hubgate", row[1])
		default:
			written := strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' || r == ' ' || r == '–' })
			require.ElementsMatch(t, allowed, written, "ARCHITECTURE.md, package %s", row[1])
		}
		require.False(t, seen[row[1]], "ARCHITECTURE.md has the package %s twice", row[1])
		seen[row[1]] = true
	}
	require.Greater(t, len(seen), 10)
}

func checkImports(t *testing.T, root, file string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	dir, err := filepath.Rel(root, filepath.Dir(file))
	require.NoError(t, err)
	pkg := filepath.ToSlash(dir)
	if parsed.Name.Name == "main" && strings.HasPrefix(pkg, "examples/") || strings.HasPrefix(pkg, "interop") {
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			ours, found := strings.CutPrefix(imported, module+"/")
			if found && !slices.Contains(forOthers, ours) && !(strings.HasPrefix(pkg, "interop") && slices.Contains(forInterop, ours)) {
				t.Errorf("%s: stands outside and must not import %s", file, imported)
			}
		}
		return
	}
	allowed, known := mayImport[pkg]
	if !known {
		t.Errorf("%s: package %q is not in the table of packages", file, pkg)
		return
	}
	test := strings.HasSuffix(file, "_test.go")
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if !test && slices.Contains(forbidden[pkg], imported) {
			t.Errorf("%s: %s must not import %s", file, pkg, imported)
		}
		if !test && !slices.Contains(forTests, pkg) && slices.ContainsFunc(heavy, func(name string) bool { return strings.HasPrefix(imported, name) }) {
			t.Errorf("%s: %s must not import %s: it brings gRPC along", file, pkg, imported)
		}
		if strings.HasPrefix(imported, "github.com/nats-io/") && !slices.Contains(onNATS, pkg) && !((pkg == "cluster" || pkg == "cmd/hubgate") && test) {
			t.Errorf("%s: %s must not import %s: the packages for that are %v", file, pkg, imported, onNATS)
		}
		ours, found := strings.CutPrefix(imported, module+"/")
		switch {
		case !found, slices.Contains(allowed, ours):
		case test && (ours == pkg || slices.Contains(forTests, ours) || slices.Contains(whole[pkg], ours)):
		default:
			t.Errorf("%s: %s must not import %s", file, pkg, path.Join(module, ours))
		}
	}
}
