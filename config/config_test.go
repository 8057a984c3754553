package config_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/config"
	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

const (
	testKey  = "test-key-0123456789abcdef0123456789"
	otherKey = "other-key-0123456789abcdef012345678"
)

// commandLine is a program with a default verb that serves and one that shares
// the name of a flag.
type commandLine struct {
	Serve serveCommand `cmd:"" default:"withargs"`
	Token struct {
		AccessKey secret.Text
		Node      int // another type than the option of this name
	} `cmd:""`
}

type serveCommand struct {
	config.Config `embed:""`
}

// parse fills a program from arguments, in a directory without settings.json
// if the test has changed to one.
func parse(args ...string) (*commandLine, error) {
	cli := new(commandLine)
	parser, err := kong.New(cli, append(config.Options(), kong.Name("hubgate"))...)
	if err != nil {
		return nil, err
	}
	_, err = parser.Parse(args)
	return cli, err
}

func mustParse(t *testing.T, args ...string) *config.Config {
	t.Helper()
	cli, err := parse(args...)
	require.NoError(t, err)
	return &cli.Serve.Config
}

// write makes a file in a temporary directory.
func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	c := mustParse(t)
	require.Equal(t, []string{"localhost:8888"}, c.Network.Listen)
	require.Equal(t, "127.0.0.1:8889", c.Network.AdminListen)
	require.Equal(t, 30*time.Second, c.Network.DrainTimeout)
	require.Equal(t, config.Log{Level: "info", Format: "text"}, c.Log)
	require.Equal(t, config.Default(), c)

	got, err := c.Settings()
	require.NoError(t, err)
	require.Equal(t, settings.Default(), got, "tags and settings.Default say the same")
}

func TestPrecedence(t *testing.T) {
	const file = `
upstream: {timeout: 3s}
accessKey: ` + testKey + `
listen: [localhost:3000, localhost:3001]
clients.keepAlive: 33s
`
	tests := []struct {
		name    string
		args    []string
		env     map[string]string
		file    string
		timeout time.Duration
		listen  []string
	}{
		{"defaults", nil, nil, "", 100 * time.Second, []string{"localhost:8888"}},
		{"file over defaults", nil, nil, file, 3 * time.Second, []string{"localhost:3000", "localhost:3001"}},
		{"environment over file", nil, map[string]string{
			"HUBGATE_UPSTREAM_TIMEOUT": "2s", "HUBGATE_LISTEN": "localhost:2000,localhost:2001"},
			file, 2 * time.Second, []string{"localhost:2000", "localhost:2001"}},
		{"environment without file", nil, map[string]string{"HUBGATE_UPSTREAM_TIMEOUT": "2s"},
			"", 2 * time.Second, []string{"localhost:8888"}},
		{"flag over environment and file", []string{"--upstream-timeout=1s", "--listen=localhost:1000", "--listen=localhost:1001"},
			map[string]string{"HUBGATE_UPSTREAM_TIMEOUT": "2s", "HUBGATE_LISTEN": "localhost:2000"},
			file, time.Second, []string{"localhost:1000", "localhost:1001"}},
		{"flag that repeats the default over the file", []string{"--upstream-timeout=100s", "--listen=localhost:8888"},
			nil, file, 100 * time.Second, []string{"localhost:8888"}},
		{"with the verb", []string{"serve", "--upstream-timeout=1s"}, nil, file, time.Second, []string{"localhost:3000", "localhost:3001"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			args := tt.args
			if tt.file != "" {
				args = append(args, "--config", write(t, "hubgate.yaml", tt.file))
			}
			c := mustParse(t, args...)
			require.Equal(t, tt.timeout, c.Upstream.Timeout)
			require.Equal(t, tt.listen, c.Network.Listen)
			if tt.file != "" {
				require.EqualValues(t, testKey, c.Service.AccessKey)
				require.Equal(t, 33*time.Second, c.Clients.KeepAlive)
			}
		})
	}
}

func TestConfigFileFromEnvironment(t *testing.T) {
	t.Setenv("HUBGATE_CONFIG", write(t, "c.json", `{"limits": {"restBodyBytes": "2MiB", "hubs": 7}}`))
	c := mustParse(t)
	require.Equal(t, config.Size(2<<20), c.Sizes.RESTBodyBytes)
	require.Equal(t, 7, c.Capacity.Hubs)
}

func TestEnvironmentOfOtherCommands(t *testing.T) {
	t.Setenv("HUBGATE_ACCESS_KEY", testKey)
	t.Setenv("HUBGATE_NODE", "n1") // is no number, and not meant for token
	cli, err := parse("token")
	require.NoError(t, err)
	require.EqualValues(t, testKey, cli.Token.AccessKey)
}

func TestEveryKindOfOption(t *testing.T) {
	c := mustParse(t, "--config", write(t, "c.yaml", `
listen: localhost:0
trustedProxies: [10.0.0.0/8, "fd00::/8"]
node: 7
unsafeListenWithWellKnownKey: true
log: {level: debug, format: json}
upstream:
  maxResponseBytes: 1048576
  queuePerConnection: 5
  allowedEnv: []
cors: {allowedOrigins: ["https://a.example"]}
`))
	require.Equal(t, []string{"localhost:0"}, c.Network.Listen, "a single value is a list of one")
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, c.Proxies())
	require.Equal(t, "7", c.Network.Node)
	require.True(t, c.Network.UnsafeListenWithWellKnownKey)
	require.Equal(t, config.Log{Level: "debug", Format: "json"}, c.Log)
	require.Equal(t, config.Size(1<<20), c.Upstream.MaxResponseBytes)
	require.Equal(t, 5, c.Upstream.QueuePerConnection)
	require.Empty(t, c.Upstream.AllowedEnv)
	require.Equal(t, []string{"https://a.example"}, c.CORS.AllowedOrigins)

	var level slog.Level
	require.NoError(t, level.UnmarshalText([]byte(c.Log.Level)))
}

func TestEmptyListInFileReplacesDefault(t *testing.T) {
	c := mustParse(t, "--config", write(t, "c.yaml", "cors: {allowedOrigins: []}"))
	require.Empty(t, c.CORS.AllowedOrigins)
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		args []string
		err  string
	}{
		{"address without port", []string{"--listen=localhost"}, `listen: "localhost" is not HOST:PORT`},
		{"port out of range", []string{"--listen=localhost:65536"}, `listen: "localhost:65536" has no port between 0 and 65535`},
		{"named port", []string{"--listen=localhost:http"}, "has no port"},
		{"admin address", []string{"--admin-listen=on"}, `adminListen: "on" is not HOST:PORT`},
		{"no admin address", []string{"--admin-listen=off"}, ""},
		{"public URL without scheme", []string{"--public-url=gateway.example"}, "publicUrl: must be an http:// or https:// URL"},
		{"public URL with a query", []string{"--public-url=https://gateway.example?x"}, "publicUrl: must be"},
		{"public URL", []string{"--public-url=https://gateway.example/base"}, ""},
		{"certificate without key", []string{"--tls-cert=c.pem"}, "tls: cert and key go together"},
		{"key without certificate", []string{"--tls-key=k.pem"}, "tls: cert and key go together"},
		{"certificate and key", []string{"--tls-cert=c.pem", "--tls-key=k.pem"}, ""},
		{"long node tag", []string{"--node=1234567890123"}, `node: "1234567890123" is not a tag of up to 12`},
		{"node tag with a dot", []string{"--node=a.b"}, `node: "a.b" is not a tag`},
		{"endless delay of the drain", []string{"--drain-delay=2h"}, "drainDelay: must be between 0s and 1h0m0s"},
		{"endless drain", []string{"--drain-timeout=2h"}, "drainTimeout: must be between 0s and 1h0m0s"},
		{"proxy that is no address", []string{"--trusted-proxies=proxy"}, `--trusted-proxies: expected a network such as 10.0.0.0/8, or an address, but got "proxy"`},
		{"port alone", []string{"--listen=8888"}, `listen: "8888" is not HOST:PORT: write localhost:8888, or :8888 for all addresses`},
		{"number without unit", []string{"--drain-timeout=30"}, `expected a duration but got "30": write 30s`},
		{"no duration", []string{"--drain-timeout=soon"}, `expected a duration but got "soon": write 30s, 5m or 1h30m`},
		{"mode", []string{"--mode=clasic"}, `--mode: "clasic" is none of "default", "serverless" and "classic"`},
		{"rejection", []string{"--upstream-rejection=never"}, `"never" is neither "close" nor "ignore"`},
		{"public URL with an escape", []string{"--public-url=https://gateway.example/a%2Fb"}, "publicUrl: has a path with escapes"},
		{"public URL with dots", []string{"--public-url=https://gateway.example/a/../b"}, "publicUrl: has a path with escapes"},
		{"log level", []string{"--log-level=loud"}, "--log-level must be one of"},
		{"size", []string{"--limits-post-bytes=1XB"}, `expected a size such as 1048576 or 1MiB but got "1XB"`},
		{"two mistakes are both told", []string{"--node=a.b", "--tls-key=k.pem"}, "tls: cert and key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.args...)
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
		})
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		listen string
		want   []config.Address
	}{
		{"localhost:8888", []config.Address{{HostPort: "127.0.0.1:8888"}, {HostPort: "[::1]:8888", Optional: true}}},
		{"LOCALHOST:8888", []config.Address{{HostPort: "127.0.0.1:8888"}, {HostPort: "[::1]:8888", Optional: true}}},
		{"localhost:0", []config.Address{{HostPort: "127.0.0.1:0"}}},
		{":8888", []config.Address{{HostPort: ":8888"}}},
		{"[::1]:1", []config.Address{{HostPort: "[::1]:1"}}},
		{"gateway.example:80", []config.Address{{HostPort: "gateway.example:80"}}},
	}
	for _, tt := range tests {
		t.Run(tt.listen, func(t *testing.T) {
			got, err := mustParse(t, "--listen", tt.listen).Addresses()
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
	t.Run("admin", func(t *testing.T) {
		got, err := mustParse(t).AdminAddresses()
		require.NoError(t, err)
		require.Equal(t, []config.Address{{HostPort: "127.0.0.1:8889"}}, got)
		got, err = mustParse(t, "--admin-listen=off").AdminAddresses()
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func TestWellKnownKeyStaysOnLoopback(t *testing.T) {
	t.Chdir(t.TempDir())
	const refused = "can be reached from other machines, and the access key is the emulator's"
	tests := []struct {
		name    string
		args    []string
		refused bool
	}{
		{"localhost", []string{"--listen=localhost:1"}, false},
		{"127.0.0.0/8", []string{"--listen=127.1.2.3:1"}, false},
		{"IPv6 loopback", []string{"--listen=[::1]:1"}, false},
		{"IPv4 loopback in IPv6", []string{"--listen=[::ffff:127.0.0.1]:1"}, false},
		{"all addresses", []string{"--listen=:1"}, true},
		{"all IPv4 addresses", []string{"--listen=0.0.0.0:1"}, true},
		{"one of two", []string{"--listen=localhost:1", "--listen=10.0.0.1:1"}, true},
		{"a name that may be anything", []string{"--listen=localhost.example:1"}, true},
		{"as the second key", []string{"--listen=:1", "--access-key=" + testKey, "--secondary-key=" + secret.EmulatorKey.Reveal()}, true},
		{"own key", []string{"--listen=:1", "--access-key=" + testKey}, false},
		{"told that it is unsafe", []string{"--listen=:1", "--unsafe-listen-with-well-known-key"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mustParse(t, tt.args...).Settings()
			if tt.refused {
				require.ErrorContains(t, err, refused)
				require.NotContains(t, err.Error(), secret.EmulatorKey.Reveal())
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// What is kept in the outbox has to be read again.
func TestMessagesThatTheOutboxCannotKeep(t *testing.T) {
	t.Chdir(t.TempDir())
	kept := []string{"--data-dir=data", "--upstream-outbox"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"one message", append(kept, "--limits-message-bytes=65MiB"), "limits.messageBytes: must be at most 64MiB with upstream.outbox"},
		{"one POST", append(kept, "--limits-post-bytes=65MiB"), "limits.postBytes: must be at most 64MiB with upstream.outbox"},
		{"as much as there may be", append(kept, "--limits-message-bytes=64MiB", "--limits-post-bytes=64MiB"), ""},
		{"without an outbox", []string{"--limits-message-bytes=1GiB", "--limits-post-bytes=1GiB"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mustParse(t, tt.args...).Settings()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Azure's tools write Serverless.
func TestWordsInAnyCase(t *testing.T) {
	t.Chdir(t.TempDir())
	c := mustParse(t, "--mode=Default", "--hub-mode=a=Classic", "--upstream-unmatched=SILENT", "--upstream-rejection=Ignore",
		"--log-level=INFO", "--log-format=JSON", "--admin-listen=OFF",
		"--config", write(t, "c.yaml", "hubs: {b: {mode: Serverless}}"))
	got, err := c.Settings()
	require.NoError(t, err)
	require.Equal(t, settings.DefaultMode, got.Mode)
	require.Equal(t, map[string]settings.Hub{"a": {Mode: settings.Classic}, "b": {Mode: settings.Serverless}}, got.Hubs)
	require.Equal(t, settings.UnmatchedSilent, got.Upstream.Unmatched)
	require.Equal(t, settings.RejectionIgnore, got.Upstream.Rejection)
	require.Equal(t, config.Log{Level: "info", Format: "json"}, c.Log)
	admin, err := c.AdminAddresses()
	require.NoError(t, err)
	require.Empty(t, admin)
}

func TestSingleProxies(t *testing.T) {
	c := mustParse(t, "--trusted-proxies=127.0.0.1,::1")
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}, c.Proxies())
}

func TestBasePath(t *testing.T) {
	for url, want := range map[string]string{
		"https://gw.example": "", "https://gw.example/": "", "https://gw.example/base": "/base", "https://gw.example/a/b/": "/a/b",
	} {
		require.Equal(t, want, mustParse(t, "--public-url", url).BasePath(), url)
	}
	require.Empty(t, mustParse(t).BasePath())
}

func TestOriginsAsBrowsersSendThem(t *testing.T) {
	t.Chdir(t.TempDir())
	got, err := mustParse(t, "--cors-allowed-origins=https://App.example:443/,http://localhost:3000").Settings()
	require.NoError(t, err)
	require.Equal(t, []string{"https://app.example", "http://localhost:3000"}, got.CORS.AllowedOrigins)
	_, err = mustParse(t, "--cors-allowed-origins=https://*.app.example").Settings()
	require.ErrorContains(t, err, "list each origin")
}

func TestTemplateSources(t *testing.T) {
	const (
		inFile     = "upstream: {templates: ['http://file/', {urlTemplate: 'http://file/2', hubPattern: chat, eventPattern: ''}]}"
		noneInFile = "upstream: {templates: []}"
		emulators  = `{"UpstreamSettings": {"Templates": [{"UrlTemplate": "http://emulator/"}]}}`
	)
	tests := []struct {
		name string
		args []string
		env  string
		file string
		here string // ./settings.json
		want []settings.Template
	}{
		{"none", nil, "", "", "", nil},
		{"settings.json here", nil, "", "", emulators, []settings.Template{{URLTemplate: "http://emulator/"}}},
		{"file over settings.json", nil, "", inFile, emulators, []settings.Template{{URLTemplate: "http://file/"},
			{URLTemplate: "http://file/2", HubPattern: webhook.PatternOf("chat"), EventPattern: webhook.PatternOf("")}}},
		{"empty list in the file over settings.json", nil, "", noneInFile, emulators, nil},
		{"environment over file", nil, "http://env/a,b", inFile, emulators, []settings.Template{{URLTemplate: "http://env/a,b"}}},
		{"several in one variable", nil, "http://env/a, chat,news=https://env/b?x=1,2,HTTP://env/c", "", "", []settings.Template{
			{URLTemplate: "http://env/a"}, {URLTemplate: "https://env/b?x=1,2", HubPattern: webhook.PatternOf("chat,news")}, {URLTemplate: "HTTP://env/c"}}},
		{"several in one item of the file", nil, "", "upstream: {templates: ['http://file/a,chat=http://file/b']}", "", []settings.Template{
			{URLTemplate: "http://file/a"}, {URLTemplate: "http://file/b", HubPattern: webhook.PatternOf("chat")}}},
		{"flags over all", []string{"--upstream", "a, b=http://flag/?x=y", "--upstream", "http://flag/?x=y"},
			"http://env/", inFile, emulators, []settings.Template{
				{URLTemplate: "http://flag/?x=y", HubPattern: webhook.PatternOf("a, b")},
				{URLTemplate: "http://flag/?x=y"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			args := tt.args
			if tt.env != "" {
				t.Setenv("HUBGATE_UPSTREAM", tt.env)
			}
			if tt.file != "" {
				args = append(args, "--config", write(t, "c.yaml", tt.file))
			}
			if tt.here != "" {
				require.NoError(t, os.WriteFile("settings.json", []byte(tt.here), 0o600))
			}
			got, err := mustParse(t, args...).Settings()
			require.NoError(t, err)
			require.Equal(t, tt.want, got.Upstream.Templates)
		})
	}
}

func TestTheGatewaysOwnWebhook(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{
		{"--upstream=news=http://a/,b,echo"},
		{"--upstream=news=http://a/,b", "--upstream=echo"},
		{"--config", write(t, "c.yaml", "upstream:\n  templates: ['news=http://a/,b', echo]\n")},
	} {
		got, err := mustParse(t, args...).Settings()
		require.NoError(t, err)
		require.Equal(t, []settings.Template{
			{URLTemplate: "http://a/,b", HubPattern: webhook.PatternOf("news")}, {URLTemplate: webhook.Echo},
		}, got.Upstream.Templates)
	}
	got, err := mustParse(t, "--upstream=http://a/,echo/b", "--upstream=chat,news=echo").Settings()
	require.NoError(t, err)
	require.Equal(t, []settings.Template{
		{URLTemplate: "http://a/,echo/b"}, {URLTemplate: webhook.Echo, HubPattern: webhook.PatternOf("chat,news")},
	}, got.Upstream.Templates)
	_, err = mustParse(t, "--upstream=Echo").Settings()
	require.ErrorContains(t, err, "or be echo")
}

func TestTemplateErrorNamesItsSource(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := mustParse(t, "--upstream=http://ok/", "--upstream={hub}=1").Settings()
	require.ErrorContains(t, err, `--upstream "{hub}=1": must begin with http://`)
	_, err = mustParse(t, "--upstream=localhost:7071/hook?code=hidden").Settings()
	require.ErrorContains(t, err, `--upstream "localhost:7071/hook?code=`)
	require.NotContains(t, err.Error(), "hidden")

	require.NoError(t, os.WriteFile("settings.json", []byte(`{"UpstreamSettings":{"Templates":[{}]}}`), 0o600))
	_, err = mustParse(t).Settings()
	require.ErrorContains(t, err, "settings.json: UpstreamSettings:Templates:0:UrlTemplate: is not set")

	path := write(t, "gateway.yaml", "upstream: {templates: ['http://a/', 'ftp://b/']}\n")
	_, err = mustParse(t, "--config", path).Settings()
	require.ErrorContains(t, err, path+": upstream.templates[1].urlTemplate: must begin with http://")
}

func TestSettingsFileFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	path := write(t, "settings.json", string(config.DefaultSettingsFile()))
	want := []settings.Template{{URLTemplate: "http://localhost:7071/runtime/webhooks/signalr"}}
	for name, arg := range map[string]string{"file": path, "directory": filepath.Dir(path)} {
		t.Run(name, func(t *testing.T) {
			c := mustParse(t, "--settings", arg)
			got, err := c.Settings()
			require.NoError(t, err)
			require.Equal(t, want, got.Upstream.Templates)
			require.Equal(t, path, c.SettingsFile())
		})
	}
	t.Run("named but missing", func(t *testing.T) {
		_, err := mustParse(t, "--settings", path+"x").Settings()
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("read again by every call", func(t *testing.T) {
		c := mustParse(t, "--settings", path)
		require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
		got, err := c.Settings()
		require.NoError(t, err)
		require.Empty(t, got.Upstream.Templates)
	})
	t.Run("watched even before it exists", func(t *testing.T) {
		file := write(t, "c.yaml", "")
		require.Equal(t, []string{"settings.json", file}, mustParse(t, "--config", file).Watched())
	})
}

func TestNeedsRestart(t *testing.T) {
	before := mustParse(t, "--listen=localhost:1", "--upstream-timeout=1s")
	require.Empty(t, before.NeedsRestart(mustParse(t, "--listen=localhost:1", "--upstream-timeout=2s", "--access-key="+testKey)))
	require.Equal(t, []string{"listen", "tls.cert", "tls.key", "log.level"},
		before.NeedsRestart(mustParse(t, "--tls-cert=c", "--tls-key=k", "--log-level=debug", "--cors-allowed-origins=https://a")))
}

func TestSize(t *testing.T) {
	tests := []struct {
		text  string
		want  config.Size
		print string // empty: refused
	}{
		{"0", 0, "0"}, {"1", 1, "1"}, {"1024", 1024, "1KiB"}, {"1 KiB", 1024, "1KiB"}, {"1KB", 1000, "1000"},
		{"16mib", 16 << 20, "16MiB"}, {"2GiB", 2 << 30, "2GiB"}, {"12B", 12, "12"}, {"3GB", 3e9, "3000000000"},
		{"8589934591GiB", 8589934591 << 30, "8589934591GiB"}, {"8589934592GiB", 0, ""},
		{"", 0, ""}, {"MiB", 0, ""}, {"-1", 0, ""}, {"1.5MiB", 0, ""}, {"1TiB", 0, ""}, {"9223372036854775808", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var got config.Size
			err := got.UnmarshalText([]byte(tt.text))
			if tt.print == "" {
				require.ErrorContains(t, err, "expected a size")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.print, got.String())
		})
	}
}

// Addresses of clients are compared in their short form: a network of IPv4 must be found however it is written.
func TestProxiesInIPv6Notation(t *testing.T) {
	c := mustParse(t, "--trusted-proxies=::ffff:10.0.0.1,::ffff:10.1.0.0/112,::/0")
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::/0"),
	}, c.Proxies())
}
