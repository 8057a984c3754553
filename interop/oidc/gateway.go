package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/hubgate/hubgate/internal/spawn"
)

// gateway is the program under test.
type gateway struct{ *spawn.Gateway }

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
	cmd := spawn.Command(os.Getenv("HUBGATE_BIN"), []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=off", "--drain-timeout=1s", "--config", file}, nil)
	cmd.Dir = dir
	g, err := spawn.Start(context.Background(), cmd, nil)
	return &gateway{g}, err
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
