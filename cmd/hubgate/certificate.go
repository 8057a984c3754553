package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/regularfile"
)

// maxCertificateBytes bounds each of the two files.
const maxCertificateBytes = 1 << 20

// certificate is the server's key pair, read from files and again when they
// change.
type certificate struct {
	files   config.TLS
	log     *slog.Logger
	mu      sync.Mutex // held while the files are read
	current atomic.Pointer[tls.Certificate]
}

// loadCertificate returns nil if no files are configured.
func loadCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	if files.Cert == "" {
		return nil, nil
	}
	c := &certificate{files: files, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) load() error {
	pair, err := readKeyPair(c.files)
	if err != nil {
		return fmt.Errorf("TLS certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func readKeyPair(files config.TLS) (tls.Certificate, error) {
	cert, err := regularfile.Read(files.Cert, maxCertificateBytes)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := regularfile.Read(files.Key, maxCertificateBytes)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// reload keeps the old key pair when the new one is not usable: while the two
// files are being replaced they do not belong together. It is also called when
// watching begins, and says nothing if the files hold what is in use.
func (c *certificate) reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.current.Load()
	if err := c.load(); err != nil {
		c.log.Error("the old certificate stays in use", "error", err)
		return
	}
	now := c.current.Load()
	if !slices.EqualFunc(before.Certificate, now.Certificate, bytes.Equal) {
		c.log.Info("certificate changed", "until", now.Leaf.NotAfter)
	}
}

func (c *certificate) watched() []string { return []string{c.files.Cert, c.files.Key} }

// tlsConfig offers HTTP/2 beside HTTP/1.1; browsers open WebSockets on the latter.
// Clients are asked for a certificate while asks says so; any is taken, and none too. Nil asks nobody.
func (c *certificate) tlsConfig(asks func() bool) *tls.Config {
	usual := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
	if asks == nil {
		return usual
	}
	asking := usual.Clone()
	asking.ClientAuth = tls.RequestClientCert
	usual.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if asks() {
			return asking, nil
		}
		return nil, nil
	}
	return usual
}
