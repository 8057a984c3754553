package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/bench"
	"github.com/hubgate/hubgate/hubserver"
)

const accessKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"

// lab is where servers and clients run: a directory with the binaries.
type lab struct {
	dir      string
	progress io.Writer
}

func newLab(ctx context.Context, dir string, progress io.Writer) (*lab, error) {
	fmt.Fprintln(progress, "building")
	if err := build(ctx, dir); err != nil {
		return nil, err
	}
	return &lab{dir: dir, progress: progress}, selfSigned(dir)
}

// run starts a server, puts the scenario's load on it and ends it.
func (l *lab) run(ctx context.Context, s scenario, v server) (r result, err error) {
	process, at, err := l.start(ctx, v)
	if err != nil {
		return r, err
	}
	end := func() error { return nil }
	if v.hub {
		end, err = l.serveHub(ctx, at.url)
	}
	if err == nil {
		stopWatching := func() watched { return watched{} }
		if s.watched {
			stopWatching = watch(ctx, at.metrics)
		}
		r.Report, err = l.load(ctx, s, v, at.url, process.Process.Pid)
		r.watched = stopWatching()
	}
	return r, errors.Join(err, end(), stop(process))
}

// serveHub serves the hub of the load, from this process: what it takes is not the gateway's.
func (l *lab) serveHub(ctx context.Context, url string) (end func() error, err error) {
	hub := hubserver.NewHub("bench")
	hub.Handle("echo", func(_ *hubserver.Context, text string) string { return text })
	server := hubserver.NewServer(hubserver.MustParseConnectionString(connectionString(url)), hub)
	server.Logger = slog.New(slog.DiscardHandler) // what goes wrong is the load's error too
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	end = func() error {
		err := server.Shutdown(ctx)
		if over := <-served; !errors.Is(over, hubserver.ErrServerClosed) {
			err = errors.Join(err, over)
		}
		return err
	}
	return end, server.Ready(ctx)
}

// addresses are where a server is: metrics is empty for the floor.
type addresses struct{ url, metrics string }

func (l *lab) start(ctx context.Context, v server) (cmd *exec.Cmd, at addresses, err error) {
	program, args := filepath.Join(l.dir, "floor"), []string(nil)
	if !v.floor {
		program = filepath.Join(l.dir, "hubgate")
		args = []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "error"}
	}
	if v.program != "" {
		program = v.program
	}
	args = append(args, v.serve...)
	if v.tls {
		args = append(args, "--tls-cert", filepath.Join(l.dir, certFile), "--tls-key", filepath.Join(l.dir, keyFile))
	}
	cmd = exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), v.env...)
	cmd.Stderr = l.progress
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, at, err
	}
	if err := cmd.Start(); err != nil {
		return nil, at, err
	}
	if at, err = readAddresses(bufio.NewReader(out), v.floor); err != nil {
		return nil, at, errors.Join(err, stop(cmd))
	}
	return cmd, at, nil
}

// readAddresses reads the first lines that a server prints. Nobody reads on; the rest of the
// output is short and fits into the pipe.
func readAddresses(lines *bufio.Reader, floor bool) (at addresses, err error) {
	for at.url == "" || !floor && at.metrics == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			return at, err
		}
		words := strings.Fields(line)
		if _, url, ok := strings.Cut(strings.TrimSpace(line), " on "); ok && at.url == "" {
			at.url = url
		}
		for _, word := range words {
			if strings.HasSuffix(word, "/metrics") {
				at.metrics = word
			}
		}
	}
	return at, nil
}

// stop asks a server to end and waits.
func stop(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(os.Interrupt)
	return cmd.Wait()
}

// load runs hubgate bench and returns its report.
func (l *lab) load(ctx context.Context, s scenario, v server, url string, pid int) (*bench.Report, error) {
	args := []string{"bench", "--json", "--quiet", "--tls-insecure", "--pid", strconv.Itoa(pid), "--clients", strconv.Itoa(s.clients)}
	args = append(args, s.args...)
	args = append(args, v.args...)
	if v.floor {
		args = append(args, "--floor", url)
	} else {
		args = append(args, "--connection-string", connectionString(url))
	}
	cmd := exec.CommandContext(ctx, filepath.Join(l.dir, "hubgate"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("bench: %w: %s", err, errs.Bytes())
	}
	report := new(bench.Report)
	return report, json.Unmarshal(out.Bytes(), report)
}

func connectionString(url string) string {
	i := strings.LastIndexByte(url, ':')
	return fmt.Sprintf("Endpoint=%s;Port=%s;AccessKey=%s;Version=1.0;", url[:i], url[i+1:], accessKey)
}

const (
	certFile = "tls.crt"
	keyFile  = "tls.key"
)

// selfSigned writes a certificate that the clients do not check.
func selfSigned(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	write := func(file, kind string, data []byte) error {
		return os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600)
	}
	return errors.Join(write(certFile, "CERTIFICATE", der), write(keyFile, "PRIVATE KEY", private))
}
