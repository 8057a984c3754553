package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/internal/spawn"
)

// server is one of those that are measured.
type server struct {
	name string
	// about says what it is, and how it is set, for the report.
	about string
	// find looks for what the server needs, and builds it. It returns what starts the server on a
	// port, and the version of what was found; an error means that the server is left out.
	find func(ctx context.Context, l *lab) (start func(port int) *exec.Cmd, version string, err error)
	// peer is nil for hubgate and the floor, which package bench knows.
	peer  *bench.Peer
	floor bool
}

var signalRHandshake = bench.Peer{
	Path: "/bench", Separated: true,
	Hello: []string{"{\"protocol\":\"json\",\"version\":1}\x1e"}, Welcome: []string{"{}"}, Send: "/send",
}

var servers = []server{
	{
		name: "floor", floor: true, find: findFloor,
		about: "The least that it can cost: one bare `write(2)` of a ready frame for each delivery. It checks nothing and offers nothing. Every ratio is to it.",
	},
	{
		name: "hubgate", find: findHubgate,
		about: "This gateway in Serverless mode, as it comes. Each client has a token with a user id, which is checked; messages come through REST, with a token too.",
	},
	{
		name: "ASP.NET Core", find: findAspNetCore, peer: &signalRHandshake,
		about: "The SignalR of ASP.NET Core, in the process of its application. No tokens. It speaks the protocol that hubgate speaks.",
	},
	{
		name: "Socket.IO", find: findSocketIO,
		about: "Socket.IO in the process of its application, which is one thread of Node.js. No tokens. WebSockets only.",
		peer: &bench.Peer{
			Path: "/socket.io/?EIO=4&transport=websocket", Hello: []string{"", "40"}, Welcome: []string{"0{", "40{"}, Send: "/send",
		},
	},
	{
		name: "Centrifugo", find: findCentrifugo,
		about: "Centrifugo with its JSON protocol and its engine in memory. Clients subscribe to one channel. No tokens.",
		peer: &bench.Peer{
			Path: "/connection/websocket", Lines: true,
			Hello:   []string{`{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"bench"}}`},
			Welcome: []string{`{"id":1,"connect":`, `{"id":2,"subscribe":`},
			Send:    "/api/publish", SendHeader: http.Header{"Content-Type": {"application/json"}},
			Before: `{"channel":"bench","data":"`, After: `"}`,
		},
	},
	{
		name: "nchan", find: findNchan,
		about: "The module nchan in nginx, with a process for each processor. It knows no users and has no protocol of its own: a client gets the bare text.",
		// Its workers tell each other of clients after these have their answer.
		peer: &bench.Peer{Path: "/subscribe", Send: "/send", SendHeader: http.Header{"Content-Type": {"text/plain"}}, Settle: 2 * time.Second},
	},
}

func findFloor(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	program, err := spawn.Build(ctx, l.root, l.dir, "bench/floor")
	return func(port int) *exec.Cmd {
		return exec.CommandContext(ctx, program, "-listen", address(port))
	}, "of this source", err
}

func findHubgate(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	program, err := spawn.Program(ctx, l.root, l.dir)
	return func(port int) *exec.Cmd {
		return exec.CommandContext(ctx, program, "serve", "--listen", address(port), "--admin-listen", "127.0.0.1:0", "--log-level", "error")
	}, "of this source", err
}

// findAspNetCore wants the .NET SDK, of version 10: dotnet in the PATH, or in DOTNET_ROOT.
func findAspNetCore(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	dotnet := filepath.Join(os.Getenv("DOTNET_ROOT"), "dotnet")
	if os.Getenv("DOTNET_ROOT") == "" {
		dotnet = "dotnet"
	}
	dotnet, err := exec.LookPath(dotnet)
	if err != nil {
		return nil, "", fmt.Errorf("no .NET SDK: %w", err)
	}
	out := filepath.Join(l.dir, "aspnetcore")
	env := append(os.Environ(), "DOTNET_CLI_HOME="+l.dir, "DOTNET_NOLOGO=1", "DOTNET_CLI_TELEMETRY_OPTOUT=1", "MSBUILDDISABLENODEREUSE=1", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1")
	build := exec.CommandContext(ctx, dotnet, "publish", filepath.Join(l.root, "bench/report/aspnetcore"), "-c", "Release", "-o", out, "--artifacts-path", filepath.Join(l.dir, "artifacts"))
	build.Env = env
	if text, err := build.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("%w: %s", err, text)
	}
	version, err := exec.CommandContext(ctx, dotnet, "--version").Output()
	return func(port int) *exec.Cmd {
		cmd := exec.CommandContext(ctx, dotnet, filepath.Join(out, "aspnetcore.dll"), "--urls", "http://"+address(port))
		cmd.Env = env
		return cmd
	}, "SDK " + strings.TrimSpace(string(version)), err
}

// findSocketIO wants Node.js and npm.
func findSocketIO(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	dir := filepath.Join(l.dir, "socketio")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(l.root, "bench/report/socketio"))); err != nil {
		return nil, "", err
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--silent", "--no-audit", "--no-fund")
	install.Dir = dir
	if text, err := install.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("npm: %w: %s", err, text)
	}
	version, err := exec.CommandContext(ctx, "node", "-p", `require("`+dir+`/node_modules/socket.io/package.json").version + ", Node.js " + process.versions.node`).Output()
	return func(port int) *exec.Cmd {
		return exec.CommandContext(ctx, "node", filepath.Join(dir, "server.mjs"), strconv.Itoa(port))
	}, strings.TrimSpace(string(version)), err
}

// findCentrifugo wants the program in the PATH.
func findCentrifugo(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	program, err := exec.LookPath("centrifugo")
	if err != nil {
		return nil, "", err
	}
	built, err := buildinfo.ReadFile(program) // it says 0.0.0 itself if go install has made it
	if err != nil {
		return nil, "", fmt.Errorf("the version of centrifugo: %w", err)
	}
	return func(port int) *exec.Cmd {
		return exec.CommandContext(ctx, program, "--config", filepath.Join(l.root, "bench/report/centrifugo.json"),
			"--http_server.address", "127.0.0.1", "--http_server.port", strconv.Itoa(port))
	}, strings.TrimPrefix(built.Main.Version, "v"), nil
}

// nchanModule is where Debian's package libnginx-mod-nchan puts it.
const nchanModule = "/usr/lib/nginx/modules/ngx_nchan_module.so"

// findNchan wants nginx and its module.
func findNchan(ctx context.Context, l *lab) (func(int) *exec.Cmd, string, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, "", err
	}
	if _, err := os.Stat(nchanModule); err != nil {
		return nil, "", err
	}
	template, err := os.ReadFile(filepath.Join(l.root, "bench/report/nginx.conf"))
	if err != nil {
		return nil, "", err
	}
	version, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	_, number, _ := strings.Cut(strings.TrimSpace(string(version)), "nginx/")
	return func(port int) *exec.Cmd {
		conf := filepath.Join(l.dir, "nginx.conf")
		text := strings.NewReplacer("PORT", strconv.Itoa(port), "DIR", l.dir, "MODULE", nchanModule).Replace(string(template))
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return &exec.Cmd{Err: err}
		}
		return exec.CommandContext(ctx, program, "-c", conf, "-p", l.dir)
	}, "nginx " + number, err
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
