package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

// trust are the flags of commands that connect to a gateway by TLS.
type trust struct {
	TLSInsecure bool   `name:"tls-insecure" help:"Do not verify the gateway's certificate."`
	CAFile      string `name:"ca-file" help:"PEM file with certificates to trust, beside those of the system." placeholder:"FILE"`
}

func (t *trust) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.TLSInsecure} // asked for by the flag's name
	if t.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, usage(fmt.Errorf("--ca-file: %w", err))
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usage(fmt.Errorf("--ca-file: %s holds no certificate in PEM", t.CAFile))
	}
	return config, nil
}

// http returns a client for one command; it keeps no connections.
func (t *trust) http() (*http.Client, error) {
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.DisableKeepAlives = config, true
	return &http.Client{Transport: transport}, nil
}

func (t *trust) websocket() (*websocket.Dialer, error) {
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	dialer := *websocket.DefaultDialer
	dialer.TLSClientConfig = config
	return &dialer, nil
}
