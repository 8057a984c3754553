package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPassedScenariosAreNoted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passed")
	require.NoError(t, os.WriteFile(file, []byte("js 10 C02 before\n"), 0o600))
	require.NoError(t, notePassed(file, scenario{name: "kill", rows: "N30 N34", about: "kill -9"}))
	require.NoError(t, notePassed(file, scenario{name: "steady", about: "shows no row"}))
	require.NoError(t, notePassed("", scenario{name: "kill", rows: "N30"}), "nobody wants to know")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "js 10 C02 before\nchaos kill: N30 N34 kill -9\n", string(text))
}
