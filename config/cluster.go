package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hubgate/hubgate/regularfile"
	"github.com/hubgate/hubgate/secret"
)

// Cluster joins this node to others. Without Listen, and without NATS.URL, the node is alone.
type Cluster struct {
	Listen             string        `help:"Address on which other nodes reach this one, as HOST:PORT. With it the node is one of a cluster. Beyond loopback the cluster needs a secret." placeholder:"ADDRESS"`
	Advertise          string        `help:"Address by which other nodes tell each other of this one, as HOST:PORT, where that is not the one of cluster.listen: behind the published ports of containers, for example." placeholder:"ADDRESS"`
	Peer               []string      `help:"Address of another node, as HOST:PORT; repeatable. A name may stand for many addresses, and is looked up again every 10 seconds. Nodes tell each other of the others, and the node's own address does no harm." placeholder:"ADDRESS"`
	Voter              []string      `help:"Name of a node that keeps the store; repeatable. There are one, three or five, and all nodes are told the same." placeholder:"NODE"`
	Secret             secret.Text   `help:"What the nodes of a cluster have in common, of 32 bytes at least: from it come the certificates and keys by which they know each other. It is no flag, since others on the machine can read those." hidden:"" noflag:""`
	SecretFile         string        `help:"File with the secret of the cluster, instead of cluster.secret. A line break at its end does not count." placeholder:"FILE"`
	PreviousSecret     secret.Text   `help:"A secret that is accepted beside cluster.secret, while the nodes change from one to the other." hidden:"" noflag:""`
	PreviousSecretFile string        `help:"File with the secret that is accepted besides, instead of cluster.previousSecret." placeholder:"FILE"`
	Lease              time.Duration `help:"How long a node may be without the store before the others give it up and tell of the end of its clients. After three fifths of it the node itself tells of none. 5s to 10m, and 20s at least with several voters, which take up to 9 seconds to choose another leader." default:"20s"`
	TLSCA              string        `name:"tls-ca" help:"PEM file with the authority of the nodes' certificates, instead of the certificates that nodes make from the secret. The authority must be for this cluster only." placeholder:"FILE"`
	TLSCert            string        `help:"PEM file with this node's certificate for other nodes; read again when it changes." placeholder:"FILE"`
	TLSKey             string        `help:"PEM file with the private key of cluster.tlsCert." placeholder:"FILE"`
}

// NATS is a NATS server outside that joins the nodes and keeps the store.
type NATS struct {
	URL         []string `help:"URL of a NATS server with JetStream that joins the nodes and keeps the store, instead of the one in each node; repeatable. Beyond loopback it begins with tls://." placeholder:"URL"`
	Credentials string   `help:"File with the credentials for NATS (.creds)." placeholder:"FILE"`
	NKey        string   `name:"nkey" help:"File with the seed of the user's key for NATS." placeholder:"FILE"`
	TLSCA       string   `name:"tls-ca" help:"PEM file with the authority of the NATS server's certificate. Without, those of the system are good." placeholder:"FILE"`
	TLSCert     string   `help:"PEM file with a certificate of this node, if NATS asks for one." placeholder:"FILE"`
	TLSKey      string   `help:"PEM file with the private key of nats.tlsCert." placeholder:"FILE"`
	Replicas    int      `help:"How many copies NATS keeps of what is stored." default:"1"`
	Prefix      string   `help:"What the names of subjects and buckets begin with. Clusters that share a NATS need different ones." default:"hg" placeholder:"NAME"`
}

// Data is what outlives the process.
type Data struct {
	Dir        string `help:"Directory for what outlives the process: memberships of users in groups, settings that were changed while running, the outbox, keys of sends. Without one all that is kept in memory; a voter's is in a temporary directory then and lost when it ends. Nodes of a cluster that are not voters do not use it." placeholder:"DIR"`
	MaxBytes   Size   `help:"Bytes that the store takes in the directory." default:"2GiB"`
	AcceptLoss bool   `help:"Start although the store is damaged, with what can be read of it. What cannot is moved aside."`
}

// Clustered says whether the node is one of several.
func (c *Config) Clustered() bool { return c.Cluster.Listen != "" || c.External() }

// External says whether a NATS server outside joins the nodes.
func (c *Config) External() bool { return len(c.NATS.URL) > 0 }

// maxSecretFile bounds the file with a cluster's secret.
const maxSecretFile = 4 << 10

// ClusterSecrets returns the secret of the cluster and the one that is accepted besides, "" for
// none. It reads the files that the options name.
func (c *Config) ClusterSecrets() (now, previous secret.Text, err error) {
	now, err1 := textOrFile("cluster.secretFile", c.Cluster.Secret, c.Cluster.SecretFile)
	previous, err2 := textOrFile("cluster.previousSecretFile", c.Cluster.PreviousSecret, c.Cluster.PreviousSecretFile)
	return now, previous, errors.Join(err1, err2)
}

func textOrFile(name string, text secret.Text, file string) (secret.Text, error) {
	if file == "" {
		return text, nil
	}
	data, err := regularfile.Read(file, maxSecretFile)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	found := strings.TrimRight(string(data), "\r\n")
	if found == "" {
		return "", fmt.Errorf("%s: %s is empty", name, file)
	}
	return secret.Text(found), nil
}

// minClusterStore has room for the records of nodes, and for some of everything else.
const minClusterStore = 12 << 20

// validateCluster reports what is wrong with the options of many nodes.
func (c *Config) validateCluster(add func(name string, err error)) {
	all := &c.Cluster
	add("cluster.peer", addressesOf(all.Peer))
	if all.Listen != "" {
		add("cluster.listen", addressesOf([]string{all.Listen}))
	}
	if all.Advertise != "" {
		add("cluster.advertise", addressesOf([]string{all.Advertise}))
	}
	if all.Secret != "" && all.SecretFile != "" {
		add("cluster.secretFile", errors.New("does not go with cluster.secret: set one of them"))
	}
	if all.PreviousSecret != "" && all.PreviousSecretFile != "" {
		add("cluster.previousSecretFile", errors.New("does not go with cluster.previousSecret: set one of them"))
	}
	if own := []string{all.TLSCA, all.TLSCert, all.TLSKey}; slices.Contains(own, "") && strings.Join(own, "") != "" {
		add("cluster", errors.New("tlsCa, tlsCert and tlsKey go together: set all or none"))
	}
	if (c.NATS.TLSCert == "") != (c.NATS.TLSKey == "") {
		add("nats", errors.New("tlsCert and tlsKey go together: set both or none"))
	}
	if n := c.NATS.Replicas; n < 1 || n > 5 {
		add("nats.replicas", fmt.Errorf("must be between 1 and 5, not %d", n))
	}
	if c.Cluster.Listen != "" && c.Data.MaxBytes < minClusterStore {
		add("data.maxBytes", fmt.Errorf("must be 12MiB or more in a cluster: less has no room for what nodes note of each other, not %d bytes", c.Data.MaxBytes))
	}
	add("cluster.lease", c.checkLease())
	add("nats.prefix", checkPrefix(c.NATS.Prefix))
	add("cluster", c.checkTogether())
}

// The bounds of a lease. With several voters it lasts longer than they take to choose a leader, and so
// does the part of it after which a node is fenced.
const (
	minLease       = 5 * time.Second
	minVotersLease = 20 * time.Second
	maxLease       = 10 * time.Minute
)

func (c *Config) checkLease() error {
	least, why := minLease, ""
	if len(c.Cluster.Voter) > 1 {
		least, why = minVotersLease, " with several voters"
	}
	if d := c.Cluster.Lease; d < least || d > maxLease {
		return fmt.Errorf("must be between %v and %v%s, not %v", least, maxLease, why, d)
	}
	return nil
}

// checkTogether reports options that go without the one that they are for.
func (c *Config) checkTogether() error {
	all := &c.Cluster
	used := len(all.Peer) > 0 || len(all.Voter) > 0 || all.TLSCA != "" || all.Advertise != ""
	secret := all.Secret != "" || all.SecretFile != ""
	switch {
	case c.External() && (all.Listen != "" || used || c.Data.Dir != ""):
		return errors.New("a NATS server outside (nats.url) joins the nodes and keeps the store: cluster.listen, cluster.peer, cluster.voter, cluster.tlsCa and data.dir do not go with it")
	case !c.External() && all.Listen == "" && used:
		return errors.New("options for other nodes need an address for them: set cluster.listen (--cluster-listen)")
	case c.Clustered() && c.Network.Node == "":
		return errors.New("each node of a cluster needs a name of its own: set node (--node, HUBGATE_NODE)")
	case all.Listen != "" && len(all.Voter) == 0:
		return errors.New("nothing says which nodes keep the store: name one, three or five, with the same names on every node (--cluster-voter)")
	case c.Clustered() && !secret && !c.onlyHere():
		return errors.New("a cluster that is reached from other machines needs a secret of 32 bytes at least: set cluster.secretFile (--cluster-secret-file) or HUBGATE_CLUSTER_SECRET")
	}
	return nil
}

// onlyHere says whether the nodes can be on this machine only.
func (c *Config) onlyHere() bool { return !c.External() && isLoopback(c.Cluster.Listen) }

func addressesOf(list []string) error {
	for _, text := range list {
		if host, _, err := net.SplitHostPort(text); err != nil || text == "" {
			return fmt.Errorf("%q is not HOST:PORT", text)
		} else if strings.ContainsAny(host, " /@") {
			return fmt.Errorf("%q has no host in front of the port", text)
		}
	}
	return nil
}

// maxPrefix bounds the prefix of names in NATS, in bytes.
const maxPrefix = 32

func checkPrefix(prefix string) error {
	bad := strings.ContainsFunc(prefix, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if prefix == "" || bad || len(prefix) > maxPrefix {
		return fmt.Errorf("%q is not a name of 1 to %d letters, digits, hyphens and underscores", prefix, maxPrefix)
	}
	return nil
}

// refuseFlag refuses secrets on the command line, where every user of the machine can read them.
func refuseFlag(ctx *kong.Context) error {
	for _, path := range ctx.Path {
		if path.Flag == nil {
			continue
		}
		if o, ok := optionsByFlag()[path.Flag.Name]; ok && o.noFlag && path.Flag.Target.Type() == o.typ {
			return fmt.Errorf("--%s would show a secret to everybody on this machine: name a file with --%s-file, or set %s", o.flag, o.flag, o.env)
		}
	}
	return nil
}
