package natsd

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

// knock connects to a node's port, with TLS if a configuration is given, and
// returns what the node says until it hangs up.
func knock(t *testing.T, n *node, config *tls.Config) string {
	t.Helper()
	raw, err := net.Dial("tcp", n.Address().String())
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, raw.SetDeadline(time.Now().Add(longEnough)))
	conn := raw
	if config != nil {
		conn = tls.Client(raw, config)
	}
	said, err := io.ReadAll(conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the node did not hang up")
	return string(said)
}

func TestStrangersOnTheRoute(t *testing.T) {
	t.Parallel()
	n := launch(t, Options{Name: "a", Cluster: &Cluster{Listen: "127.0.0.1:0", Voters: []string{"b"}, Secret: theSecret}})
	expired := identityOf(t, theSecret, "", func() time.Time { return time.Now().Add(-2 * certificateLife) }).config()
	expired.Time = nil
	other := identityOf(t, otherSecret, "", time.Now).config()
	other.InsecureSkipVerify = true
	for name, c := range map[string]struct {
		config *tls.Config
		reason string
	}{
		"without TLS":                   {nil, "timeout"},
		"without a certificate":         {&tls.Config{InsecureSkipVerify: true}, "didn't provide a certificate"},
		"with one of another authority": {other, "unknown authority"},
		"with an expired one":           {expired, "expired"},
	} {
		t.Run("N50 nobody comes in "+name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, knock(t, n, c.config), "strangers are told nothing")
			await(t, "the reason in the log", func() bool { return contains(n.journal.String(), "127.0.0.1:", c.reason, "reason=RouteRefused") })
			require.NotZero(t, n.Troubles()[TroubleRouteRefused])
			require.Zero(t, n.server().NumRoutes())
		})
	}
}

// contains reports whether one line has all parts.
func contains(log string, parts ...string) bool {
	for line := range strings.Lines(log) {
		found := true
		for _, part := range parts {
			found = found && strings.Contains(line, part)
		}
		if found {
			return true
		}
	}
	return false
}

// withoutVoters are the same nodes, none of which keeps the store.
func withoutVoters(list []Options) []Options {
	for i := range list {
		list[i].Cluster.Voters = []string{"elsewhere"}
	}
	return list
}

func TestNodeWithAnotherSecretStaysOut(t *testing.T) {
	t.Parallel()
	list := withoutVoters(team(t, 2, 1))
	list[1].Cluster.Secret = otherSecret
	nodes := launchAll(t, list)
	t.Run("F16 both ends say why, with the address of the other", func(t *testing.T) {
		await(t, "the refusal", func() bool {
			return contains(nodes[0].journal.String(), "127.0.0.1:", "unknown authority", "RouteRefused") &&
				contains(nodes[1].journal.String(), "127.0.0.1:", "unknown authority", "RouteRefused")
		})
		for _, n := range nodes {
			require.Zero(t, n.server().NumRemotes())
		}
	})
}

// writeFiles makes an authority and a certificate of it for one node.
func writeFiles(t *testing.T, authority *authority, name string) *TLSFiles {
	t.Helper()
	dir := t.TempDir()
	files := &TLSFiles{
		CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"),
	}
	cert, err := authority.issue(name, time.Now())
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	write := func(path, kind string, der []byte) {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(files.CA, "CERTIFICATE", authority.cert.Raw)
	write(files.Certificate, "CERTIFICATE", cert.Certificate[0])
	write(files.Key, "PRIVATE KEY", key)
	return files
}

func TestOwnCertificates(t *testing.T) {
	t.Parallel()
	company, err := newAuthority("an authority that is not made of a secret")
	require.NoError(t, err)
	withFiles := func() []Options {
		list := team(t, 2, 1)
		for i := range list {
			list[i].Cluster.TLS = writeFiles(t, company, list[i].Name)
			list[i].Cluster.Secret = ""
		}
		return list
	}
	t.Run("are enough without a secret", func(t *testing.T) {
		awaitAllReady(t, launchAll(t, withFiles()))
	})
	t.Run("N50 those of another authority are refused", func(t *testing.T) {
		another, err := newAuthority("one more authority")
		require.NoError(t, err)
		list := withoutVoters(withFiles())
		list[1].Cluster.TLS = writeFiles(t, another, "b")
		nodes := launchAll(t, list)
		for _, n := range nodes {
			await(t, "the refusal", func() bool { return contains(n.journal.String(), "127.0.0.1:", "RouteRefused") })
			require.Zero(t, n.server().NumRemotes())
		}
	})
	t.Run("files that cannot be read are named", func(t *testing.T) {
		opts := withFiles()[0]
		require.NoError(t, os.WriteFile(opts.Cluster.TLS.Key, []byte("no key"), 0o600))
		_, err := tryLaunch(t, opts)
		require.ErrorContains(t, err, opts.Cluster.TLS.Certificate)
	})
	t.Run("renewed files are read again", func(t *testing.T) {
		files := writeFiles(t, company, "n")
		pair := &filePair{files: *files}
		first, err := pair.certificate()
		require.NoError(t, err)
		renewed := writeFiles(t, company, "n")
		require.NoError(t, os.Rename(renewed.Key, files.Key))
		require.NoError(t, os.Rename(renewed.Certificate, files.Certificate))
		require.NoError(t, os.Chtimes(files.Certificate, time.Time{}, time.Now().Add(time.Minute)))
		second, err := pair.certificate()
		require.NoError(t, err)
		require.NotEqual(t, first.Leaf.SerialNumber, second.Leaf.SerialNumber)
		require.NoError(t, os.Remove(files.Certificate))
		third, err := pair.certificate()
		require.NoError(t, err)
		require.Same(t, second, third)
	})
}

func TestLoopbackWithoutSecret(t *testing.T) {
	t.Parallel()
	list := team(t, 2, 1)
	for i := range list {
		list[i].Cluster.Secret = ""
	}
	awaitAllReady(t, launchAll(t, list))
}

func TestRotationOfTheSecret(t *testing.T) {
	t.Parallel()
	list := team(t, 3, 3)
	// Only the first knows where the others are: they have to be reached from one side.
	list[1].Cluster.Peers, list[2].Cluster.Peers = nil, nil
	nodes := launchAll(t, list)
	awaitAllReady(t, nodes)
	put(t, nodes[0].bucket(t), "x", "kept")
	t.Run("N52 nodes change the secret one by one", func(t *testing.T) {
		for _, step := range []struct{ now, previous secret.Text }{{otherSecret, theSecret}, {otherSecret, ""}} {
			for i := range nodes {
				nodes[i].end(t)
				list[i].Cluster.Secret, list[i].Cluster.Previous = step.now, step.previous
				nodes[i] = launch(t, list[i])
				for _, n := range nodes {
					await(t, "the mesh", func() bool { return n.server().NumRemotes() == 2 })
				}
				awaitAllReady(t, nodes)
				require.Equal(t, "kept", get(t, nodes[i].bucket(t), "x"))
			}
		}
	})
}

func TestN53NodeWhoseNameIsInUseDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string]secret.Text{"with the secret": theSecret, "on loopback without one": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := launch(t, Options{Name: "a", Cluster: &Cluster{Listen: "127.0.0.1:0", Voters: []string{"a"}, Secret: keys}})
			opts := Options{Name: "a", Cluster: &Cluster{Listen: "127.0.0.1:0", Voters: []string{"b"}, Secret: keys, Peers: []string{first.Address().String()}}}
			_, err := tryLaunch(t, opts)
			require.ErrorIs(t, err, ErrNameInUse)
			opts.Name = "c"
			_, err = tryLaunch(t, opts)
			require.NoError(t, err)
		})
	}
}
