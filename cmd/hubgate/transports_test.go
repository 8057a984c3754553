package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the core and the applications do follows from what a transport can do (gateway.Abilities,
// DirectTransport, ProbingTransport). Its name is for logs and metrics.
func TestNothingDependsOnTheNameOfATransport(t *testing.T) {
	names := map[string]bool{"WebSockets": true, "ServerSentEvents": true, "LongPolling": true}
	read := 0
	for _, dir := range []string{"gateway", "servermode", "modes", "upstream"} {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			require.NoError(t, err)
			read++
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr:
					require.False(t, namesTransport(n.X) || namesTransport(n.Y), "%s compares the name of a transport", set.Position(n.Pos()))
				case *ast.SwitchStmt:
					require.False(t, n.Tag != nil && namesTransport(n.Tag), "%s chooses by the name of a transport", set.Position(n.Pos()))
				case *ast.SelectorExpr:
					require.False(t, names[n.Sel.Name], "%s uses the name of a transport", set.Position(n.Pos()))
				case *ast.ValueSpec:
					return false // gateway declares the names
				case *ast.Ident:
					require.False(t, names[n.Name], "%s uses the name of a transport", set.Position(n.Pos()))
				}
				return true
			})
		}
	}
	require.Greater(t, read, 20)
}

// namesTransport reports whether the expression asks a transport for its name.
func namesTransport(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || name.Sel.Name != "Name" {
		return false
	}
	switch of := name.X.(type) {
	case *ast.Ident:
		return strings.Contains(strings.ToLower(of.Name), "transport")
	case *ast.SelectorExpr:
		return strings.Contains(strings.ToLower(of.Sel.Name), "transport")
	case *ast.CallExpr:
		s, ok := of.Fun.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Transport"
	}
	return false
}
