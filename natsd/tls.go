package natsd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/hubgate/hubgate/regularfile"
	"github.com/hubgate/hubgate/secret"
)

const (
	// nodeName is the name in every certificate that a node makes for itself.
	// Nodes are known by the secret, not by where they are.
	nodeName = "node.hubgate.internal"
	// certificateLife is how long such a certificate is good, and renewBefore
	// when a new one takes its place. Renewal needs no timer: whoever is asked
	// for the certificate looks at it.
	certificateLife = 24 * time.Hour
	renewBefore     = 12 * time.Hour
	// clockSkew is by how much the clocks of two nodes may differ.
	clockSkew = time.Hour

	maxPEM = 1 << 20
)

// authority is the certificate authority that a secret gives. Every node with
// the secret has it, and makes its own certificates.
type authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

func newAuthority(s secret.Text) (*authority, error) {
	key := ed25519.NewKeyFromSeed(Key(s, purposeAuthority))
	der, err := x509.CreateCertificate(rand.Reader, authorityTemplate(key), authorityTemplate(key), key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key: key, cert: cert}, err
}

// authorityTemplate is the same on every node. The name holds a part of the
// key's hash, so that two authorities are told apart.
func authorityTemplate(key ed25519.PrivateKey) *x509.Certificate {
	id := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "hubgate cluster " + hex.EncodeToString(id[:8])},
		SubjectKeyId:          id[:20],
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
}

// vouch signs the key of another authority: a node that knows this one only
// then accepts the certificates of that one.
func (a *authority) vouch(other *authority) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, authorityTemplate(other.key), a.cert, other.key.Public(), a.key)
}

// issue makes a certificate for a node, with a new key.
func (a *authority) issue(name string, now time.Time) (*tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{nodeName},
		NotBefore:    now.Add(-clockSkew),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}, err
}

// identity is how a node shows that it knows the secret, and sees it of others.
type identity struct {
	name string
	now  func() time.Time
	own  *authority
	// vouched is own's key under the previous secret's authority, or nil.
	vouched []byte
	roots   *x509.CertPool

	mu   sync.Mutex
	cert *tls.Certificate
}

func newIdentity(name string, s, previous secret.Text, now func() time.Time) (*identity, error) {
	own, err := newAuthority(s)
	if err != nil {
		return nil, err
	}
	i := &identity{name: name, now: now, own: own, roots: x509.NewCertPool()}
	i.roots.AddCert(own.cert)
	if previous == "" || previous.Equal(s) {
		return i, nil
	}
	old, err := newAuthority(previous)
	if err != nil {
		return nil, err
	}
	i.roots.AddCert(old.cert)
	i.vouched, err = old.vouch(own)
	return i, err
}

// certificate returns the node's own one, made anew if it does not last much longer.
func (i *identity) certificate() (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if i.cert != nil && now.Add(renewBefore).Before(i.cert.Leaf.NotAfter) && now.After(i.cert.Leaf.NotBefore) {
		return i.cert, nil
	}
	cert, err := i.own.issue(i.name, now)
	if err != nil {
		return nil, err
	}
	if i.vouched != nil {
		cert.Certificate = append(cert.Certificate, bytes.Clone(i.vouched))
	}
	i.cert = cert
	return cert, nil
}

// config asks both ends of a route for a certificate of the secret.
func (i *identity) config() *tls.Config {
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ServerName:           nodeName,
		RootCAs:              i.roots,
		ClientCAs:            i.roots,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		Time:                 i.now,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.certificate() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.certificate() },
	}
}

// config asks both ends of a route for a certificate of the files' authority,
// whatever names are in it: nodes are looked up by names that change.
func (f *TLSFiles) config() (*tls.Config, error) {
	roots, err := readAuthority(f.CA)
	if err != nil {
		return nil, err
	}
	pair := &filePair{files: *f}
	if _, err := pair.certificate(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		ClientCAs:            roots,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.certificate() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.certificate() },
		// The chain of the other end is verified below; only its names are not.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return verifyChain(s.PeerCertificates, roots) },
	}, nil
}

// filePair is a certificate in files that others renew.
type filePair struct {
	files TLSFiles

	mu      sync.Mutex
	changed time.Time
	cert    *tls.Certificate
}

// certificate returns what the files hold now, or held before if they cannot be read.
func (p *filePair) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := regularfile.Stat(p.files.Certificate)
	if err == nil && (p.cert == nil || !info.ModTime().Equal(p.changed)) {
		var pair tls.Certificate
		if pair, err = readPair(p.files.Certificate, p.files.Key); err == nil {
			p.cert, p.changed = &pair, info.ModTime()
		}
	}
	if p.cert != nil {
		return p.cert, nil
	}
	return nil, err
}

func verifyChain(chain []*x509.Certificate, roots *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("no certificate")
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func readAuthority(path string) (*x509.CertPool, error) {
	pem, err := regularfile.Read(path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authority: %s holds no certificate in PEM", path)
	}
	return roots, nil
}

func readPair(certificate, key string) (tls.Certificate, error) {
	certPEM, err := regularfile.Read(certificate, maxPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	keyPEM, err := regularfile.Read(key, maxPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("key of the certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate %s and its key do not go together: %w", certificate, err)
	}
	return pair, nil
}
