package main

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
)

// externalNATS is a NATS server of somebody else, in this process.
type externalNATS struct{ *natsserver.Server }

// startNATS starts one with JetStream; change, if not nil, changes its options.
func startNATS(t *testing.T, change func(o *natsserver.Options)) externalNATS {
	t.Helper()
	o := &natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := natsserver.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	require.True(t, s.ReadyForConnections(patience))
	return externalNATS{s}
}

// buckets are what the nodes have made there.
func (n externalNATS) buckets(t *testing.T) (names []string) {
	t.Helper()
	all, err := n.Jsz(&natsserver.JSzOptions{Accounts: true, Streams: true})
	require.NoError(t, err)
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			names = append(names, stream.Name)
		}
	}
	return names
}

// forget deletes a stream with all that is in it.
func (n externalNATS) forget(t *testing.T, stream string) {
	t.Helper()
	conn, err := nats.Connect(n.ClientURL())
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), slowPatience)
	defer cancel()
	require.NoError(t, js.DeleteStream(ctx, stream))
}

// withNKey lets one key in, whose seed is in the file.
func withNKey(t *testing.T) (change func(*natsserver.Options), file string) {
	t.Helper()
	_, public, seed := newKey(t, nkeys.CreateUser)
	file = filepath.Join(t.TempDir(), "seed")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	return func(o *natsserver.Options) { o.Nkeys = []*natsserver.NkeyUser{{Nkey: public}} }, file
}

func newKey(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := create()
	require.NoError(t, err)
	public, err = pair.PublicKey()
	require.NoError(t, err)
	seed, err = pair.Seed()
	require.NoError(t, err)
	return pair, public, seed
}

// withCredentials lets one user in, whose credentials are in the file.
func withCredentials(t *testing.T) (change func(*natsserver.Options), file string) {
	t.Helper()
	operator, operatorKey, _ := newKey(t, nkeys.CreateOperator)
	account, accountKey, _ := newKey(t, nkeys.CreateAccount)
	_, userKey, seed := newKey(t, nkeys.CreateUser)
	_, systemKey, _ := newKey(t, nkeys.CreateAccount)
	operatorClaims := jwt.NewOperatorClaims(operatorKey)
	operatorClaims.SystemAccount = systemKey
	_, err := operatorClaims.Encode(operator)
	require.NoError(t, err)
	accountClaims := jwt.NewAccountClaims(accountKey)
	accountClaims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	accountJWT, err := accountClaims.Encode(operator)
	require.NoError(t, err)
	systemJWT, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	require.NoError(t, err)
	userJWT, err := jwt.NewUserClaims(userKey).Encode(account)
	require.NoError(t, err)
	creds, err := jwt.FormatUserConfig(userJWT, seed)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "user.creds")
	require.NoError(t, os.WriteFile(file, creds, 0o600))
	return func(o *natsserver.Options) {
		resolver := new(natsserver.MemAccResolver)
		require.NoError(t, resolver.Store(accountKey, accountJWT))
		require.NoError(t, resolver.Store(systemKey, systemJWT))
		o.TrustedOperators, o.AccountResolver, o.SystemAccount = []*jwt.OperatorClaims{operatorClaims}, resolver, systemKey
	}, file
}

// withTLS has a certificate that is its own authority; with clients it asks for one of that authority.
func withTLS(t *testing.T, clients bool) (change func(*natsserver.Options), cert, key string) {
	t.Helper()
	cert, key, pool := keyPair(t, t.TempDir(), "nats")
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	return func(o *natsserver.Options) {
		o.TLS, o.TLSTimeout = true, patience.Seconds()
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
		if clients {
			o.TLSVerify = true
			o.TLSConfig.ClientAuth, o.TLSConfig.ClientCAs = tls.RequireAndVerifyClientCert, pool
		}
	}, cert, key
}
