package main

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/internal/reasons"
)

// constantsOf returns the values of the constants of a type, "package.Name", that a package of the repository declares.
func constantsOf(t *testing.T, typ string) (values []string) {
	t.Helper()
	dir, name, _ := strings.Cut(typ, ".")
	files, err := filepath.Glob(filepath.Join(repository, dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != name {
				return true
			}
			for _, v := range spec.Values {
				if literal, ok := v.(*ast.BasicLit); ok {
					value, err := strconv.Unquote(literal.Value)
					require.NoError(t, err)
					values = append(values, value)
				}
			}
			return true
		})
	}
	require.NotEmpty(t, values, typ)
	return values
}

// Each reason that the gateway can give has a cause and a cure, and the page explains no others.
func TestEveryReasonIsExplained(t *testing.T) {
	// What the closed list of the type leaves out.
	besides := map[string][]string{
		"internal/transport.Refusal": constantsOf(t, "auth.Failure"), // a refused token has its name
		"servermode.Loss":            {"NoServer"},                   // counted by modes
	}
	for _, list := range reasons.Lists() {
		t.Run(list.Type, func(t *testing.T) {
			var explained []string
			for _, r := range list.Reasons {
				explained = append(explained, r.Name)
			}
			require.ElementsMatch(t, append(constantsOf(t, list.Type), besides[list.Type]...), explained,
				"internal/reasons explains the reasons of %s", list.Type)
		})
	}
}

// reasonTypes are the names of types whose values say why something happened.
var reasonTypes = regexp.MustCompile(`(?m)^type (\w*(?:Reason|Refusal|refusal|Failure|Loss|Trouble|End|Result)) string$`)

// No list of reasons is without a place where it is explained: docs/errors.md, or for few another page.
func TestEveryListOfReasonsIsExplained(t *testing.T) {
	elsewhere := map[string]string{
		"auth.Failure":              "docs/errors.md", // with the refusals of clients
		"telemetry.DropReason":      "docs/tracing.md",
		"internal/watch.Loss":       "docs/inspect.md",
		"gateway.NoAnswerReason":    "", // restapi and servermode have their own words for it
		"serviceprotocol.Reason":    "", // the end of the server connection says that it was malformed
		"cmd/hubgate.acceptFailure": "", // it is its own sentence
	}
	have := make(map[string]bool)
	for _, list := range reasons.Lists() {
		have[list.Type] = true
	}
	all := pages(t)
	found := 0
	require.NoError(t, filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // another test has removed it
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != repository || slices.Contains([]string{"node_modules", "interop", "clients", "chaos", "bench", "site", "docs", "deploy", "examples", "hubserver", "dist", "testdata"}, d.Name())):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		dir, err := filepath.Rel(repository, filepath.Dir(path))
		require.NoError(t, err)
		for _, m := range reasonTypes.FindAllStringSubmatch(string(source), -1) {
			found++
			typ := filepath.ToSlash(dir) + "." + m[1]
			page, known := elsewhere[typ]
			require.True(t, have[typ] || known, "%s is explained nowhere: add it to internal/reasons", typ)
			if page != "" {
				for _, value := range constantsOf(t, typ) {
					require.Contains(t, all[page], value, page)
				}
			}
		}
		return nil
	}))
	require.Greater(t, found, 10)
}

// What never happened is a zero, so that the first time is seen as an increase.
func TestReasonsAreSeriesFromTheStart(t *testing.T) {
	t.Parallel()
	p := start(t, oneNode()...)
	_, metrics := p.get(p.Admin + "/metrics")
	for _, list := range reasons.Lists() {
		if list.Metric == "" || strings.HasPrefix(list.Metric, "hubgate_upstream_requests") || list.Metric == "hubgate_deliveries_dropped_total" {
			continue // they have other labels too, of which nothing is known at the start
		}
		for _, r := range list.Reasons {
			if list.Metric == "hubgate_cluster_troubles_total" && r.Name == "Unreachable" {
				continue // the node looks for others from its start
			}
			require.Regexp(t, list.Metric+`\{[^}]*reason="`+r.Name+`"\} 0`, metrics)
		}
	}
}

// A line about a refusal says where the reason is explained, in a page that has that anchor.
func TestLogLinesPointToTheirReason(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.request(http.MethodPost, p.URL+"/client/negotiate?hub=chat", "")
	p.logs.want(t, "reason=TokenMissing")
	p.logs.want(t, "see=docs/errors.md#client-tokenmissing")
	ann := p.connect("chat", "ann")
	ann.leave()
	p.logs.want(t, "reason=Normal")
	require.Equal(t, 1, strings.Count(p.logs.String(), "see="), "an ordinary end needs no explanation")
	have := anchors(pages(t)["docs/errors.md"])
	for _, list := range reasons.Lists() {
		for _, r := range list.Reasons {
			require.True(t, have[list.Fragment(r.Name)], r.Name)
		}
	}
}

// The log lines and metrics that the page names are those of the program.
func TestLinesOfReasonsExist(t *testing.T) {
	t.Parallel()
	metrics := exportEverything(t)
	for _, list := range reasons.Lists() {
		if name, _, _ := strings.Cut(list.Metric, " "); name != "" {
			require.NotNil(t, metrics.family(name), name)
		}
		if list.Line == "" {
			continue
		}
		dir, _, _ := strings.Cut(list.Type, ".")
		require.True(t, containsLiteral(t, dir, list.Line), "%s logs %q", dir, list.Line)
	}
}

func containsLiteral(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, dir, "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			found = found || ok && literal.Value == strconv.Quote(text)
			return true
		})
	}
	return found
}
