package natsd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/secret"
)

func TestOptionsThatAreRefused(t *testing.T) {
	cluster := func(change func(*Cluster)) Options {
		c := &Cluster{Listen: "127.0.0.1:0", Voters: []string{"a", "b", "c"}, Secret: theSecret}
		change(c)
		return Options{Name: "a", Cluster: c}
	}
	external := func(change func(*External)) Options {
		x := &External{URLs: []string{"tls://nats.example.com:4222"}}
		change(x)
		return Options{Name: "a", External: x}
	}
	for name, c := range map[string]struct {
		opts Options
		is   error
		says string
	}{
		"N38 two voters":      {cluster(func(c *Cluster) { c.Voters = []string{"a", "b"} }), ErrVoters, "a, b"},
		"N38 the same twice":  {cluster(func(c *Cluster) { c.Voters = []string{"a", "b", "a"} }), ErrVoters, "one, three or five"},
		"four voters":         {cluster(func(c *Cluster) { c.Voters = []string{"a", "b", "c", "d"} }), ErrVoters, ""},
		"no voter":            {cluster(func(c *Cluster) { c.Voters = nil }), ErrVoters, ""},
		"a short secret":      {cluster(func(c *Cluster) { c.Secret = theSecret[:31] }), ErrShortSecret, "32"},
		"a short old secret":  {cluster(func(c *Cluster) { c.Previous = "old" }), ErrShortSecret, ""},
		"no secret, any":      {cluster(func(c *Cluster) { c.Secret, c.Listen = "", ":4250" }), ErrNoSecret, ":4250"},
		"no secret, beyond":   {cluster(func(c *Cluster) { c.Secret, c.Listen = "", "10.0.0.1:4250" }), ErrNoSecret, "10.0.0.1"},
		"no secret, a name":   {cluster(func(c *Cluster) { c.Secret, c.Listen = "", "node:4250" }), ErrNoSecret, ""},
		"no port":             {cluster(func(c *Cluster) { c.Listen = "127.0.0.1" }), nil, "host:port"},
		"a peer without port": {cluster(func(c *Cluster) { c.Peers = []string{"node-b"} }), nil, "host:port"},
		"no name":             {Options{}, nil, "name"},
		"a name with a dot":   {Options{Name: "a.b"}, nil, "a.b"},
		"external and its own directory": {
			Options{Name: "a", DataDir: "data", External: &External{URLs: []string{"tls://host:4222"}}}, nil, "directory"},
		"external without TLS":     {external(func(x *External) { x.URLs = []string{"nats://10.0.0.1:4222"} }), ErrPlainExternal, "10.0.0.1"},
		"external by nothing":      {external(func(x *External) { x.URLs = nil }), nil, "URL"},
		"external by a host":       {external(func(x *External) { x.URLs = []string{"host:4222"} }), nil, "tls://host"},
		"external with a password": {external(func(x *External) { x.URLs = []string{"tls://me:hunter2@h:1"} }), nil, "credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), c.opts)
			require.Error(t, err)
			require.ErrorContains(t, err, c.says)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.NotContains(t, err.Error(), theSecret.Reveal())
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// Keys are the same in every version, or nodes of two versions would not know each other.
func TestKeysStayTheSame(t *testing.T) {
	require.Equal(t, "e377", hexOf(Key(theSecret, PurposeTokens))[:4])
	seen := make(map[string]bool)
	for _, s := range []secret.Text{theSecret, otherSecret} {
		for _, p := range []Purpose{PurposeTokens, PurposeFilter, PurposeHello, purposeAuthority} {
			key := Key(s, p)
			require.Len(t, key, 32)
			require.False(t, seen[string(key)])
			seen[string(key)] = true
			require.Equal(t, key, Key(s, p))
		}
	}
}
