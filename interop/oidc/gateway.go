package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// gateway is the program under test.
type gateway struct {
	URL string
	cmd *exec.Cmd
	mu  sync.Mutex
	log strings.Builder
}

var serving = regexp.MustCompile(`msg=serving .*\burl=(\S+)`)

// startGateway starts the program with a configuration file.
func startGateway(config string) (*gateway, error) {
	dir, err := os.MkdirTemp(os.Getenv("HUBGATE_WORK"), "oidc")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	g := &gateway{cmd: exec.Command(os.Getenv("HUBGATE_BIN"), "serve", "--listen=127.0.0.1:0", "--admin-listen=off", "--drain-timeout=1s", "--config", file)}
	g.cmd.Dir = dir
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	go g.read(stderr, ready)
	select {
	case g.URL = <-ready:
		if g.URL != "" {
			return g, nil
		}
	case <-time.After(30 * time.Second):
	}
	g.stop()
	return nil, errors.New("the gateway does not serve: " + g.logged())
}

func (g *gateway) read(from io.Reader, ready chan<- string) {
	defer close(ready)
	for lines := bufio.NewScanner(from); lines.Scan(); {
		g.mu.Lock()
		fmt.Fprintln(&g.log, lines.Text())
		g.mu.Unlock()
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			ready <- m[1]
		}
	}
}

func (g *gateway) logged() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	_ = g.cmd.Wait()
}

// ask makes a request with a token. It returns the status and the body.
func (g *gateway) ask(method, path, token, body string) (int, string, error) {
	r, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}
