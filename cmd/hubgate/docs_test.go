package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/auth"
	"github.com/hubgate/hubgate/natsd/natsdtest"
)

// The program of the page on hubs in Go is what a reader pastes.
func TestDocumentedHubInGo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program")
	}
	page, err := os.ReadFile(filepath.Join(repository, "docs", "go-hubs.md"))
	require.NoError(t, err)
	code := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindSubmatch(page)
	require.NotNil(t, code)
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "chat")
	require.NoError(t, os.WriteFile(source, code[1], 0o600))
	build := exec.Command("go", "build", "-o", binary, source)
	build.Dir = repository
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)

	p := start(t, "--mode=default")
	listen := natsdtest.FreeAddress(t)
	output := newOutput()
	app := exec.Command(binary)
	app.Env = append(os.Environ(), "HUBGATE_CONNECTION_STRING="+p.connectionString(), "LISTEN="+listen)
	app.Stdout, app.Stderr = output, output
	require.NoError(t, app.Start())
	ended := make(chan error, 1)
	go func() { ended <- app.Wait() }()
	defer func() {
		_ = app.Process.Kill()
		<-ended
	}()
	p.wantMetrics(`hubgate_server_connections{hub="chat",kind="Default"} 5`)

	require.Eventually(t, func() bool { // it listens beside connecting
		resp, err := http.Post("http://"+listen+"/chat/negotiate", "", nil)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusUnauthorized
	}, patience, 10*time.Millisecond)
	status, answer := p.request(http.MethodPost, "http://"+listen+"/chat/negotiate?user=ann", "")
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, p.URL+"/client/?hub=chat")

	ann := p.connect("chat", "ann")
	require.JSONEq(t, `{"type":3,"invocationId":"i","result":5}`, ann.invoke("add", "2,3"))
	ann.send(`{"type":1,"target":"say","arguments":["hello"]}`)
	require.JSONEq(t, `{"type":1,"target":"message","arguments":["ann","hello"]}`, ann.next())
	require.Contains(t, ann.invoke("say", `""`), "Say something.")
	ann.send(`{"type":1,"target":"join","arguments":["room"]}`)
	require.JSONEq(t, `{"type":1,"target":"joined","arguments":["ann","room"]}`, ann.next())

	ann.send(`{"type":7}`) // a server that shuts down by migration waits for its last clients
	require.NoError(t, app.Process.Signal(os.Interrupt))
	select {
	case err := <-ended:
		require.NoError(t, err, output)
		ended <- nil
	case <-time.After(patience):
		t.Fatalf("the program does not end: %s", output)
	}
	require.NotContains(t, output.String(), auth.EmulatorKey.Reveal())
}
