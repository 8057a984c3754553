package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/hubgate/hubgate/config"
)

// testCertificateLife is how long the certificate is good. It is made at each start.
const testCertificateLife = 365 * 24 * time.Hour

// testCertificate makes a certificate for this machine and for the addresses that are listened on, and writes it,
// not its key, into the file.
func testCertificate(file string, addresses []config.Address) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "hubgate test certificate"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(testCertificateLife),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	addNames(template, addresses)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, fmt.Errorf("arm.testCertificate: %w", err)
	}
	c := new(certificate)
	c.current.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
	return c, nil
}

// addNames adds this machine's name and the hosts that are listened on.
func addNames(template *x509.Certificate, addresses []config.Address) {
	names := make([]string, 0, len(addresses)+1)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	for _, a := range addresses {
		if host, _, err := net.SplitHostPort(a.HostPort); err == nil {
			names = append(names, host)
		}
	}
	for _, name := range names {
		ip := net.ParseIP(name)
		switch {
		case ip != nil && !ip.IsUnspecified():
			template.IPAddresses = append(template.IPAddresses, ip)
		case ip == nil && name != "":
			template.DNSNames = append(template.DNSNames, name)
		}
	}
}
