package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

const (
	clusterSecret  = "0123456789abcdef0123456789abcdef-now"
	previousSecret = "0123456789abcdef0123456789abcdef-then"
)

// Effects of what joins nodes and of what they keep: all read at the start.
var clusterEffects = map[string]func(*testing.T) effect{
	"cluster-listen": func(*testing.T) effect {
		return effect{unusual: "127.0.0.1:0", with: []string{"--node=n", "--cluster-voter=n"}, before: "set cluster.listen", after: "listens", see: func(t *testing.T, p *program) string {
			conn, err := net.Dial("tcp", p.clusterStatus().Address)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			return "listens"
		}}
	},
	"cluster-advertise": func(*testing.T) effect {
		return effect{unusual: "127.0.0.1:1", with: []string{"--node=n", "--cluster-voter=n", "--cluster-listen=127.0.0.1:0"}, before: "listens", after: "advertised", see: func(t *testing.T, p *program) string {
			conn, err := net.Dial("tcp", p.clusterStatus().Address)
			require.NoError(t, err)
			defer conn.Close()
			hello, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			if strings.Contains(hello, "nats-route://127.0.0.1:1/") {
				return "advertised"
			}
			return "listens"
		}}
	},
	"cluster-peer": func(t *testing.T) effect {
		first := start(t, oneNode()...)
		return effect{unusual: first.clusterStatus().Address, with: anotherNode(), before: never, after: "joined", see: seeJoined}
	},
	"cluster-voter": func(*testing.T) effect {
		return effect{unusual: "n", with: []string{"--node=n", "--cluster-listen=127.0.0.1:0"}, before: "nothing says which nodes keep the store", after: "200", see: seeStored}
	},
	"cluster-lease": func(*testing.T) effect {
		return effect{unusual: "5s", with: oneNode(), before: "20", after: "5", see: func(t *testing.T, p *program) string {
			return fmt.Sprint(p.metric("hubgate_cluster_lease_seconds"))
		}}
	},
	"cluster.secret": func(t *testing.T) effect {
		first := start(t, oneNode("--cluster-secret-file="+secretFile(t, clusterSecret))...)
		return effect{unusual: clusterSecret, with: anotherNode(first), before: never, after: "joined", see: seeJoined}
	},
	"cluster-secret-file": func(t *testing.T) effect {
		file := secretFile(t, clusterSecret)
		first := start(t, oneNode("--cluster-secret-file="+file)...)
		return effect{unusual: file, with: anotherNode(first), before: never, after: "joined", see: seeJoined}
	},
	"cluster.previousSecret": func(t *testing.T) effect {
		first := start(t, oneNode("--cluster-secret-file="+secretFile(t, previousSecret))...)
		return effect{unusual: previousSecret, with: append(anotherNode(first), "--cluster-secret-file="+secretFile(t, clusterSecret)), before: never, after: "joined", see: seeJoined}
	},
	"cluster-previous-secret-file": func(t *testing.T) effect {
		file := secretFile(t, previousSecret)
		first := start(t, oneNode("--cluster-secret-file="+file)...)
		return effect{unusual: file, with: append(anotherNode(first), "--cluster-secret-file="+secretFile(t, clusterSecret)), before: never, after: "joined", see: seeJoined}
	},
	"cluster-tls-ca":   func(t *testing.T) effect { return ownCertificates(t, "ca") },
	"cluster-tls-cert": func(t *testing.T) effect { return ownCertificates(t, "cert") },
	"cluster-tls-key":  func(t *testing.T) effect { return ownCertificates(t, "key") },

	"data-dir": func(t *testing.T) effect {
		dir := filepath.Join(dataDir(t), "data")
		return effect{unusual: dir, before: "nothing is kept", after: "kept", see: func(t *testing.T, p *program) string {
			require.Equal(t, "200", seeStored(t, p))
			if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
				return "nothing is kept"
			}
			return "kept"
		}}
	},
	"data-max-bytes": func(t *testing.T) effect {
		return effect{unusual: "1KiB", with: []string{"--data-dir", filepath.Join(dataDir(t), "data")}, before: "200", after: "503", see: func(_ *testing.T, p *program) (status string) {
			for i := range 20 {
				if status = p.restStatus(http.MethodPut, fmt.Sprintf("/api/hubs/chat/users/%d/groups/room", i), ""); status != "200" {
					break
				}
			}
			return status
		}}
	},
	"data-accept-loss": func(t *testing.T) effect {
		dir := damagedStore(t)
		return effect{unusual: "true", with: []string{"--data-dir", dir}, before: "the store is damaged", after: "200", see: seeStored}
	},
}

// Effects of a NATS server outside.
var natsEffects = map[string]func(*testing.T) effect{
	"nats-url": func(t *testing.T) effect {
		nats := startNATS(t, nil)
		return effect{unusual: nats.ClientURL(), with: withSecret(t), before: "alone", after: "kept outside", see: func(t *testing.T, p *program) string {
			require.Equal(t, "200", seeStored(t, p))
			if len(nats.buckets(t)) == 0 {
				return "alone"
			}
			return "kept outside"
		}}
	},
	"nats-credentials": func(t *testing.T) effect {
		change, file := withCredentials(t)
		return effect{unusual: file, with: outside(t, change), before: "the external NATS server cannot be used", after: "200", see: seeStored}
	},
	"nats-nkey": func(t *testing.T) effect {
		change, file := withNKey(t)
		return effect{unusual: file, with: outside(t, change), before: "the external NATS server cannot be used", after: "200", see: seeStored}
	},
	"nats-tls-ca": func(t *testing.T) effect {
		change, cert, _ := withTLS(t, false)
		return effect{unusual: cert, with: outside(t, change), before: "unknown authority", after: "200", see: seeStored}
	},
	"nats-tls-cert": func(t *testing.T) effect {
		change, cert, key := withTLS(t, true)
		return effect{unusual: cert, with: outside(t, change, "--nats-tls-ca", cert, "--nats-tls-key", key), before: "tlsCert and tlsKey go together", after: "200", see: seeStored}
	},
	"nats-tls-key": func(t *testing.T) effect {
		change, cert, key := withTLS(t, true)
		return effect{unusual: key, with: outside(t, change, "--nats-tls-ca", cert, "--nats-tls-cert", cert), before: "tlsCert and tlsKey go together", after: "200", see: seeStored}
	},
	"nats-replicas": func(t *testing.T) effect {
		return effect{unusual: "3", with: outside(t, nil), before: "200", after: "503", see: func(_ *testing.T, p *program) string { return p.storeOnce() }}
	},
	"nats-prefix": func(t *testing.T) effect {
		nats := startNATS(t, nil)
		return effect{unusual: "other", with: withSecret(t, "--nats-url", nats.ClientURL()), before: "KV_hg_usergroups", after: "KV_other_usergroups", see: func(t *testing.T, p *program) string {
			require.Equal(t, "200", seeStored(t, p))
			return strings.Join(slices.DeleteFunc(nats.buckets(t), func(name string) bool { return !strings.HasSuffix(name, "usergroups") }), " ")
		}}
	},
}

// anotherNode are flags of a node that is no voter, which joins the first one if there is one.
func anotherNode(first ...*program) []string {
	args := []string{"--node=m", "--cluster-listen=127.0.0.1:0", "--cluster-voter=n"}
	for _, p := range first {
		args = append(args, "--cluster-peer="+p.clusterStatus().Address)
	}
	return args
}

func seeJoined(_ *testing.T, p *program) string {
	p.seesPeers(1)
	return "joined"
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	return file
}

// ownCertificates is a node with files for its certificate, of which one is left to the test.
func ownCertificates(t *testing.T, left string) effect {
	t.Helper()
	cert, key, _ := keyPair(t, t.TempDir(), "node")
	files := map[string]string{"ca": cert, "cert": cert, "key": key}
	var all, with []string
	for what, file := range files {
		flag := "--cluster-tls-" + what + "=" + file
		all = append(all, flag)
		if what != left {
			with = append(with, flag)
		}
	}
	first := start(t, oneNode(all...)...)
	return effect{unusual: files[left], with: append(anotherNode(first), with...), before: "tlsCa, tlsCert and tlsKey go together", after: "joined", see: seeJoined}
}

// withSecret are flags of a node that a NATS server outside joins to others.
func withSecret(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"--node=n", "--cluster-secret-file=" + secretFile(t, clusterSecret)}, more...)
}

// outside are those flags for a server of its own.
func outside(t *testing.T, change func(*natsserver.Options), more ...string) []string {
	t.Helper()
	return withSecret(t, append([]string{"--nats-url", startNATS(t, change).ClientURL()}, more...)...)
}

// storeOnce adds a user to a group, which the store keeps.
func (p *program) storeOnce() string {
	p.t.Helper()
	return p.restStatus(http.MethodPut, "/api/hubs/chat/users/ann/groups/room", "")
}

// seeStored is storeOnce when the store can be written to.
func seeStored(t *testing.T, p *program) string {
	return eventually(t, func() string {
		if status := p.storeOnce(); status == "200" {
			return status
		}
		return ""
	})
}

// damagedStore is the directory of a store in which something cannot be read.
func damagedStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data-dir", dir)
	require.Equal(t, "200", seeStored(t, p))
	require.Equal(t, exitOK, p.stop(), p.logs)
	spoilt := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "meta.inf" || !strings.Contains(path, "streams") {
			return err
		}
		spoilt++
		return os.WriteFile(path, []byte("spoilt"), 0o600)
	}))
	require.NotZero(t, spoilt)
	return dir
}
