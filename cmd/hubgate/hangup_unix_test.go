//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// SIGHUP, from a service manager or a closing terminal, reads files again and ends nothing.
func TestHangupReadsFilesAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "config")
	file := filepath.Join(dir, "gateway.yaml")
	write := func(text string) {
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("mode: serverless\n")
	cert, key, _ := keyPair(t, t.TempDir(), "gateway")
	p := start(t, "--config", file, "--tls-cert", cert, "--tls-key", key)
	// A folder that is replaced as a whole is not followed.
	require.NoError(t, os.Rename(dir, dir+".old"))
	write("mode: classic\n")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	p.logs.want(t, "reading configuration and certificates again")
	p.logs.want(t, "mode=classic")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	p.logs.wantTimes(t, "reading configuration and certificates again", 2)
	require.Zero(t, p.stop(), p.logs)
}

// A pipe in the place of a configuration file is an error, and neither the start
// nor the end waits for somebody to write to it.
func TestPipeAsConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	code, _, stderr := command("serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--config", pipe)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "is not a regular file")

	require.NoError(t, os.WriteFile(file, []byte("mode: serverless\n"), 0o600))
	p := start(t, "--config", file)
	require.NoError(t, os.Rename(pipe, file))
	p.logs.want(t, "is not a regular file")
	require.Zero(t, p.stop(), p.logs)
}
