package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/hubgate/hubgate/secret"
)

// Options say what an engine is. Without Cluster and External the node is
// alone: it has no port, and a store of its own.
type Options struct {
	// Name is the node's name. No other node of the cluster may have it. A
	// voter keeps its name for as long as it has its directory.
	Name string
	// Version is what Status shows for this node.
	Version string
	// DataDir is the directory of the store. Without one the store is in
	// memory, and what it keeps is lost with the node. Nodes that are not
	// voters do not use it.
	DataDir string
	// MaxStore bounds what the store takes in the directory, in bytes; 0 means
	// DefaultMaxStore.
	MaxStore int64
	// AcceptLoss starts a node although its store is damaged, with what can
	// still be read of it.
	AcceptLoss bool
	// Cluster joins other nodes.
	Cluster *Cluster
	// External uses a NATS server outside instead of an embedded one. Cluster,
	// DataDir and MaxStore must be empty then.
	External *External
	// Log takes what happens; nil means slog.Default.
	Log *slog.Logger
}

// DefaultMaxStore is the bound of a store in a directory, in bytes.
const DefaultMaxStore = 2 << 30

// maxMemory bounds a store in memory, in bytes.
const maxMemory = 512 << 20

// Cluster says how a node finds the others and knows them.
type Cluster struct {
	// Listen is the address and port for routes, as in "10.0.0.1:4250". Port 0
	// takes a free one, which Engine.Address tells.
	Listen string
	// Advertise is the address and port by which other nodes tell each other of
	// this one, where that is not Listen, as behind the ports of a container. ""
	// means Listen.
	Advertise string
	// Peers are the addresses of other nodes, with port. A name may stand for
	// many addresses, and for others later. Not all nodes have to be named:
	// they tell each other. The node's own address does no harm.
	Peers []string
	// Voters are the names of the nodes that keep the store: one, three or
	// five. All nodes have to be told the same.
	Voters []string
	// Secret is what the nodes of a cluster have in common, of 32 bytes at
	// least. Without it and without TLS a node listens on loopback only.
	Secret secret.Text
	// Previous is a secret that is accepted beside Secret, while nodes change
	// from one to the other.
	Previous secret.Text
	// TLS are certificates of an own authority; without, nodes make
	// certificates for themselves from Secret.
	TLS *TLSFiles
	// Resolver looks up the names in Peers; nil means net.DefaultResolver.
	Resolver Resolver
}

// TLSFiles are the files, in PEM, of one node. The authority must be for this
// cluster only: whoever has a certificate of it is let in. A certificate and key
// that are renewed are read again.
type TLSFiles struct {
	CA, Certificate, Key string
}

// Resolver looks up the addresses of a host. *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// External is a NATS server, or a cluster of them, with JetStream of version
// 2.11 or newer.
type External struct {
	// URLs are the servers, as in "tls://nats.example.com:4222". Beyond
	// loopback a connection is made with TLS, or not at all.
	URLs []string
	// Credentials is a file of credentials (a token and a key, ".creds").
	Credentials string
	// NKey is a file with the seed of a user's key.
	NKey string
	// TLS holds the authority of the server's certificate and, if the server
	// asks for one, a certificate of this node. Each of them may be empty.
	TLS TLSFiles
	// Replicas is how many copies the store has there; 0 means one.
	Replicas int
}

// OptionsError refuses options with which no engine can start.
type OptionsError struct{ error }

func (e *OptionsError) Unwrap() error { return e.error }

// Errors of options that do not fit together.
var (
	// ErrNoSecret refuses to listen where others than this machine can connect.
	ErrNoSecret = errors.New("a cluster that is reached from other machines needs a secret (at least 32 bytes from a file or the environment) or certificates of its own")
	// ErrShortSecret refuses a secret that could be guessed.
	ErrShortSecret = fmt.Errorf("the secret of a cluster has at least %d bytes", minSecret)
	// ErrVoters refuses a number of voters that gains nothing: with two, the
	// store stops when either is gone.
	ErrVoters = errors.New("a cluster has one, three or five voters: with any other number more nodes have to be there, and no more may be missing")
	// ErrPlainExternal refuses to send credentials and what clients say over a network as they are.
	ErrPlainExternal = errors.New("an external NATS server that is not on this machine is reached by TLS: its URL begins with tls://")
)

const minSecret = 32

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MaxStore <= 0 {
		o.MaxStore = DefaultMaxStore
	}
	if o.External != nil && o.External.Replicas <= 0 {
		external := *o.External
		external.Replicas = 1
		o.External = &external
	}
	if o.Cluster != nil && o.Cluster.Resolver == nil {
		cluster := *o.Cluster
		cluster.Resolver = net.DefaultResolver
		o.Cluster = &cluster
	}
	return o
}

// voter reports whether the node keeps the store. A node alone does.
func (o Options) voter() bool {
	if o.External != nil {
		return false
	}
	return o.Cluster == nil || slices.Contains(o.Cluster.Voters, o.Name)
}

func (o Options) check() error {
	switch {
	case o.Name == "" || strings.ContainsAny(o.Name, " \t\r\n*>./\\"):
		return fmt.Errorf("the name of a node must not be empty or have blanks, dots, slashes or wildcards: %q", o.Name)
	case o.External != nil && (o.Cluster != nil || o.DataDir != ""):
		return errors.New("an external NATS server keeps the store and joins the nodes: a directory or a cluster of their own do not go with it")
	case o.External != nil:
		return o.External.check()
	case o.Cluster != nil:
		return o.Cluster.check()
	}
	return nil
}

func (c *Cluster) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("the address for other nodes is not host:port: %w", err)
	}
	if c.Advertise != "" {
		if _, _, err := net.SplitHostPort(c.Advertise); err != nil {
			return fmt.Errorf("the address that other nodes are told is not host:port: %w", err)
		}
	}
	for _, peer := range c.Peers {
		if _, _, err := net.SplitHostPort(peer); err != nil {
			return fmt.Errorf("the address of another node is not host:port: %w", err)
		}
	}
	if c.Secret == "" && c.TLS == nil && !loopback(host) {
		return fmt.Errorf("%w; it would listen on %s", ErrNoSecret, c.Listen)
	}
	for _, s := range []secret.Text{c.Secret, c.Previous} {
		if s != "" && len(s.Reveal()) < minSecret {
			return ErrShortSecret
		}
	}
	voters := slices.Clone(c.Voters)
	slices.Sort(voters)
	if n := len(slices.Compact(voters)); n != len(c.Voters) || n != 1 && n != 3 && n != 5 {
		return fmt.Errorf("%w; named are %d: %s", ErrVoters, len(c.Voters), strings.Join(c.Voters, ", "))
	}
	return nil
}

func (x *External) check() error {
	if len(x.URLs) == 0 {
		return errors.New("an external NATS server needs a URL")
	}
	for _, raw := range x.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return fmt.Errorf("the URL of the external NATS server is not like tls://host:4222")
		}
		if u.User != nil {
			return errors.New("a user and a password do not belong into the URL of the external NATS server: give a file of credentials")
		}
		if u.Scheme != "tls" && !loopback(u.Hostname()) {
			return fmt.Errorf("%w, not %s", ErrPlainExternal, u.Redacted())
		}
	}
	return nil
}

// loopback reports whether only this machine reaches the host.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
