package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubgate/hubgate/bench/link"
	"github.com/hubgate/hubgate/internal/spawn"
)

const (
	accessKey = "c29hay1rZXktb2YtdGhpcnR5LXR3by1ieXRlcy1hbmQtbW9yZQ=="
	hub       = "TestHub"
)

// lab is where the gateway and the hub servers run.
type lab struct {
	dir       string
	gateway   *spawn.Gateway
	kept      *os.File // with the gateway's log
	hubServer string   // the program of hub servers
	servers   [2]*hubServer
	tokens    int // shown by showTokens
	readings  int // of the heap, whose profiles are in dir
}

// hubServer is a process that is restarted now and then.
type hubServer struct {
	lab      *lab
	name     string
	mu       sync.Mutex
	cmd      *exec.Cmd
	graceful bool
}

func newLab(ctx context.Context, dir string) (*lab, error) {
	program, err := spawn.Program(ctx, ".", dir)
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	if l.hubServer, err = spawn.Build(ctx, ".", dir, "interop/gohub"); err != nil {
		return nil, err
	}
	if err := l.startGateway(ctx, program); err != nil {
		return nil, err
	}
	for i := range l.servers {
		l.servers[i] = &hubServer{lab: l, name: fmt.Sprintf("s%d", i+1), graceful: i == 0}
		if err := l.servers[i].start(); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// startGateway starts a gateway that forgets ended connections as soon as a soak needs: with
// their tokens, which have no leeway.
func (l *lab) startGateway(ctx context.Context, program string) error {
	args := append([]string{"serve", "--mode", "default", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--servers-grace-period", "30s", "--auth-leeway", "0s"}, aspNetFlags...)
	cmd := spawn.Command(program, args, []string{"HUBGATE_ACCESS_KEY=" + accessKey})
	cmd.Dir = l.dir
	kept, err := os.Create(l.log())
	if err != nil {
		return err
	}
	l.gateway, err = spawn.Start(ctx, cmd, func(line string) {
		_, _ = kept.WriteString(line) // a full disk ends no soak
		if strings.Contains(line, " level=ERROR ") || strings.HasPrefix(line, "panic") {
			fmt.Fprint(os.Stderr, "gateway: ", line)
		}
	})
	if err != nil {
		return errors.Join(err, kept.Close())
	}
	l.kept = kept
	return nil
}

// log is the file with the gateway's log.
func (l *lab) log() string { return filepath.Join(l.dir, "gateway.log") }

func start(cmd *exec.Cmd) (*bufio.Reader, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return bufio.NewReader(out), cmd.Start()
}

func discard(r *bufio.Reader) {
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
}

func (s *hubServer) start() error {
	cmd := exec.Command(s.lab.hubServer, "--name", s.name, "--shutdown", "migrate", "--connections", "2")
	cmd.Env = append(os.Environ(), "Azure__SignalR__ConnectionString=Endpoint="+s.lab.gateway.URL+";AccessKey="+accessKey+";Version=1.0;")
	lines, err := start(cmd)
	if err != nil {
		return err
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("hub server %s does not start: %w", s.name, err)
		}
		if strings.HasPrefix(line, "READY") {
			break
		}
	}
	go discard(lines)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = cmd
	return nil
}

// end stops the process, gracefully or not, and waits for it.
func (s *hubServer) end() {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	if s.graceful {
		_ = cmd.Process.Signal(syscall.SIGTERM)
	} else {
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait() // how it ends says nothing of the gateway
}

// restart ends the hub server and starts it again.
func (s *hubServer) restart() error {
	s.end()
	return s.start()
}

func (l *lab) close() error {
	for _, s := range l.servers {
		if s != nil {
			s.end()
		}
	}
	return errors.Join(l.gateway.Stop(), l.kept.Close())
}

// tokenLife is short, since the gateway remembers an ended connection for as long as its token.
// Connections outlive their tokens.
const tokenLife = 20 * time.Second

func sign(audience, user string) (string, error) {
	claims := jwt.MapClaims{"aud": audience, "exp": time.Now().Add(tokenLife).Unix()}
	if user != "" {
		claims["nameid"] = user
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(accessKey))
}

// dialer makes links of clients of ASP.NET Core SignalR.
func (l *lab) dialer() link.Dialer {
	return link.Dialer{Base: l.gateway.URL, Hub: hub, Token: func(user string) (string, error) { return sign(l.gateway.URL+"/client/?hub="+hub, user) }}
}
