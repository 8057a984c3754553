package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const clusterSecret = "0123456789abcdef0123456789abcdef"

func TestClusterOptionsThatDoNotGoTogether(t *testing.T) {
	t.Chdir(t.TempDir())
	const listen, node, voter = "--cluster-listen=127.0.0.1:0", "--node=a", "--cluster-voter=a"
	file := "--cluster-secret-file=" + write(t, "secret", clusterSecret+"\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"peers without an address":          {[]string{"--cluster-peer=b:4250"}, "set cluster.listen"},
		"no name":                           {[]string{listen, voter}, "set node (--node, HUBGATE_NODE)"},
		"nobody keeps the store":            {[]string{listen, node}, "nothing says which nodes keep the store"},
		"beyond this machine":               {[]string{"--cluster-listen=:4250", node, voter}, "needs a secret of 32 bytes"},
		"beyond this machine by name":       {[]string{"--cluster-listen=node-a:4250", node, voter}, "needs a secret of 32 bytes"},
		"no port":                           {[]string{"--cluster-listen=127.0.0.1", node, voter}, `"127.0.0.1" is not HOST:PORT`},
		"a peer without a port":             {[]string{listen, node, voter, "--cluster-peer=b"}, `"b" is not HOST:PORT`},
		"a peer that is a URL":              {[]string{listen, node, voter, "--cluster-peer=nats://b:4250"}, "is not HOST:PORT"},
		"half of the certificates":          {[]string{listen, node, voter, "--cluster-tls-ca=ca.pem"}, "tlsCa, tlsCert and tlsKey go together"},
		"NATS without a secret":             {[]string{"--nats-url=nats://127.0.0.1:4222", node}, "needs a secret of 32 bytes"},
		"NATS without a name":               {[]string{"--nats-url=nats://127.0.0.1:4222", file}, "set node"},
		"NATS outside and inside":           {[]string{"--nats-url=nats://127.0.0.1:4222", node, file, listen}, "do not go with it"},
		"NATS and a directory":              {[]string{"--nats-url=nats://127.0.0.1:4222", node, file, "--data-dir=d"}, "do not go with it"},
		"a certificate for NATS, no key":    {[]string{"--nats-url=nats://127.0.0.1:4222", node, file, "--nats-tls-cert=c"}, "tlsCert and tlsKey go together"},
		"no copies":                         {[]string{"--nats-replicas=0"}, "must be between 1 and 5"},
		"a store without room":              {[]string{listen, node, voter, "--data-max-bytes=8MiB"}, "must be 12MiB or more in a cluster"},
		"a lease shorter than an election":  {[]string{listen, node, "--cluster-voter=a,b,c", "--cluster-lease=19s"}, "cluster.lease: must be between 20s and 10m0s with several voters, not 19s"},
		"a lease of no use":                 {[]string{listen, node, voter, "--cluster-lease=4s"}, "must be between 5s and 10m0s, not 4s"},
		"an endless lease":                  {[]string{listen, node, voter, "--cluster-lease=1h"}, "must be between 5s and 10m0s"},
		"a prefix that is none":             {[]string{"--nats-prefix=a.b"}, "is not a name of 1 to 32"},
		"a secret on the command line":      {[]string{listen, node, voter, "--cluster-secret=" + clusterSecret}, "--cluster-secret would show a secret to everybody on this machine: name a file with --cluster-secret-file, or set HUBGATE_CLUSTER_SECRET"},
		"the other one on the command line": {[]string{"--cluster-previous-secret", clusterSecret}, "name a file with --cluster-previous-secret-file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.args...)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), clusterSecret)
		})
	}
	for name, args := range map[string][]string{
		"this machine": {listen, node, voter}, "others, with a secret": {"--cluster-listen=:4250", node, voter, file},
		"others": {"--nats-url=tls://nats.example:4222", node, file}, "alone, with a directory": {"--data-dir=d"},
		"one voter, a short lease": {listen, node, voter, "--cluster-lease=5s"}, "three voters": {listen, node, "--cluster-voter=a,b,c", "--cluster-lease=20s"},
	} {
		_, err := parse(args...)
		require.NoError(t, err, name)
	}
}

func TestClusterSecrets(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Run("from a file, without the line break", func(t *testing.T) {
		c := mustParse(t, "--cluster-secret-file="+write(t, "now", clusterSecret+"\r\n"), "--cluster-previous-secret-file="+write(t, "then", " "+clusterSecret))
		now, previous, err := c.ClusterSecrets()
		require.NoError(t, err)
		require.Equal(t, clusterSecret, now.Reveal())
		require.Equal(t, " "+clusterSecret, previous.Reveal(), "blanks are part of it")
	})
	t.Run("from a variable", func(t *testing.T) {
		t.Setenv("HUBGATE_CLUSTER_SECRET", clusterSecret)
		c := mustParse(t)
		now, previous, err := c.ClusterSecrets()
		require.NoError(t, err)
		require.Equal(t, clusterSecret, now.Reveal())
		require.Empty(t, previous)
		shown, err := c.Redacted()
		require.NoError(t, err)
		require.NotContains(t, string(shown), clusterSecret)
		_, err = parse("--cluster-secret-file=" + write(t, "now", clusterSecret))
		require.ErrorContains(t, err, "does not go with cluster.secret")
	})
	t.Run("files that hold none", func(t *testing.T) {
		for text, want := range map[string]string{"\n": "is empty", strings.Repeat("x", 5000): "4096 bytes"} {
			_, _, err := mustParse(t, "--cluster-secret-file="+write(t, "now", text)).ClusterSecrets()
			require.ErrorContains(t, err, want)
		}
		_, _, err := mustParse(t, "--cluster-secret-file=missing").ClusterSecrets()
		require.ErrorContains(t, err, "cluster.secretFile: ")
	})
}

// Nothing of a cluster changes while the gateway runs, and a change of the file says so.
func TestClusterNeedsARestart(t *testing.T) {
	t.Chdir(t.TempDir())
	file := write(t, "c.yaml", "node: a\ncluster: {listen: 127.0.0.1:4250, voter: [a], secret: "+clusterSecret+"}\n")
	before := mustParse(t, "--config", file)
	after := mustParse(t, "--config", write(t, "d.yaml", "node: a\ncluster: {listen: 127.0.0.1:4251, voter: [a, b, c], secret: 9"+clusterSecret+"}\ndata.dir: d\nnats.prefix: x\n"))
	require.ElementsMatch(t, []string{"config", "cluster.listen", "cluster.voter", "cluster.secret", "data.dir", "nats.prefix"}, before.NeedsRestart(after))
}
