package settings_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hubgate/hubgate/settings"
	"github.com/hubgate/hubgate/webhook"
)

func TestDefaultIsValid(t *testing.T) {
	require.NoError(t, settings.Default().Validate())
}

func TestValidate(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef"
	upstream := func(url string, env, files []string) func(*settings.Settings) {
		return func(s *settings.Settings) {
			s.Upstream.AllowedEnv, s.Upstream.AllowedFiles = env, files
			s.Upstream.Templates = []settings.Template{{URLTemplate: "http://ok/"}, {URLTemplate: url}}
		}
	}
	oneHub := func(name string, mode settings.Mode) func(*settings.Settings) {
		return func(s *settings.Settings) { s.Hubs = map[string]settings.Hub{name: {Mode: mode}} }
	}
	tests := []struct {
		name string
		edit func(*settings.Settings)
		err  string // empty: valid
	}{
		{"Default mode", func(s *settings.Settings) { s.Mode = settings.DefaultMode }, ""},
		{"Classic mode", func(s *settings.Settings) { s.Mode = settings.Classic }, ""},
		{"unknown mode", func(s *settings.Settings) { s.Mode = "clasic" }, `mode: "clasic" is none of "default", "serverless" and "classic"`},
		{"no mode", func(s *settings.Settings) { s.Mode = "" }, `mode: "" is none of`},
		{"mode of a hub", oneHub("app_chat`1", settings.Classic), ""},
		{"hub without a mode of its own", oneHub("chat", ""), ""},
		{"unknown mode of a hub", oneHub("chat", "clasic"), `hubs.chat.mode: "clasic" is none of`},
		{"hub in upper case", oneHub("Chat", settings.Classic), `hubs: "Chat" must be in lower case`},
		{"no name of a hub", oneHub("", settings.Classic), `hubs: "" is not the name of a hub`},
		{"hub that begins with a digit", oneHub("1chat", settings.Classic), `hubs: "1chat" is not the name of a hub`},
		{"hub with a slash", oneHub("a/b", settings.Classic), `hubs: "a/b" is not the name of a hub`},
		{"long name of a hub", oneHub(strings.Repeat("h", 257), settings.Classic), "is not the name of a hub"},
		{"too many hubs", func(s *settings.Settings) {
			s.Hubs = make(map[string]settings.Hub)
			for i := range 1001 {
				s.Hubs[fmt.Sprintf("hub%d", i)] = settings.Hub{Mode: settings.Classic}
			}
		}, "hubs: has 1001 entries, more than 1000"},
		{"no key", func(s *settings.Settings) { s.Keys.Primary = "" }, "accessKey: is not set"},
		{"short key", func(s *settings.Settings) { s.Keys.Primary = "short" }, "accessKey: must have 32 to 256 bytes, not 5"},
		{"key that breaks a connection string", func(s *settings.Settings) { s.Keys.Secondary = key + ";" }, "secondaryKey: may hold only printable ASCII"},
		{"two keys", func(s *settings.Settings) { s.Keys = settings.Keys{Primary: key, Secondary: key + "="} }, ""},

		{"relative URL", upstream("/x", nil, nil), "upstream.templates[1].urlTemplate: must begin with http://"},
		{"other scheme", upstream("ftp://h/", nil, nil), "upstream.templates[1].urlTemplate: must begin with http://"},
		{"no host", upstream("http:///x", nil, nil), "upstream.templates[1].urlTemplate: must begin with http://"},
		{"no URL", upstream("", nil, nil), "upstream.templates[1].urlTemplate: is not set"},
		{"line break", upstream("http://h/\r\nX: y", nil, nil), "upstream.templates[1].urlTemplate: is not a valid URL"},
		{"placeholders in host, port, path and query", upstream("http://{hub}.h:80{hub}/{event}?{category}", nil, nil), ""},
		{"upper case scheme", upstream("HTTPS://h/", nil, nil), ""},
		{"Key Vault", upstream("http://h/?code={@Microsoft.KeyVault(SecretUri=https://v/s)}", nil, nil), "Key Vault references are not supported"},
		{"variable not allowed", upstream("http://h/?code={@env:KEY}", []string{"OTHER"}, nil), "{@env:KEY} is not allowed; add KEY to upstream.allowedEnv"},
		{"variable allowed", upstream("http://h/?code={@env:KEY}", []string{"KEY"}, nil), ""},
		{"whole URL from a variable", upstream("{@env:URL}", []string{"URL"}, nil), ""},
		{"file not allowed", upstream("http://h/?code={@file:/etc/passwd}", nil, []string{"/run/secrets/"}), "{@file:/etc/passwd} is not allowed"},
		{"file below an allowed directory", upstream("http://h/?code={@file:/run/secrets/a/b}", nil, []string{"/run/secrets/"}), ""},
		{"file that leaves the directory", upstream("http://h/?code={@file:/run/secrets/../x}", nil, []string{"/run/secrets/"}), "is not allowed"},
		{"file beside the directory", upstream("http://h/?code={@file:/run/secrets2}", nil, []string{"/run/secrets/"}), "is not allowed"},
		{"file below an allowed file", upstream("http://h/?code={@file:/run/code/x}", nil, []string{"/run/code"}), "is not allowed"},
		{"allowed file", upstream("http://h/?code={@file:/run/code}", nil, []string{"/run/code"}), ""},
		{"any file", upstream("http://h/?code={@file:/run/code}", nil, []string{"/"}), ""},
		{"relative file", upstream("http://h/?code={@file:code}", nil, []string{"/"}), "is not allowed"},
		{"allow-list with a bad name", upstream("http://h/", []string{"A B"}, nil), `upstream.allowedEnv: "A B" is not the name`},
		{"allow-list with a relative path", upstream("http://h/", nil, []string{"secrets/"}), `upstream.allowedFiles: "secrets/" is not an absolute path`},
		{"long pattern", func(s *settings.Settings) {
			s.Upstream.Templates = []settings.Template{{URLTemplate: "http://h", EventPattern: webhook.PatternOf(strings.Repeat("x", 5000))}}
		}, "upstream.templates[0].eventPattern: is longer than 4096 bytes"},
		{"too many templates", func(s *settings.Settings) { s.Upstream.Templates = make([]settings.Template, 257) }, "upstream.templates: has 257 entries"},
		{"unmatched", func(s *settings.Settings) { s.Upstream.Unmatched = "ignore" }, `upstream.unmatched: "ignore" is neither "error" nor "silent"`},
		{"rejection", func(s *settings.Settings) { s.Upstream.Rejection = "" }, `upstream.rejection: "" is neither "close" nor "ignore"`},
		{"no time for a webhook", func(s *settings.Settings) { s.Upstream.Timeout = 0 }, "upstream.timeout: must be between 1ms and"},
		{"no webhook at a time", func(s *settings.Settings) { s.Upstream.MaxConcurrentPerOrigin = 0 }, "upstream.maxConcurrentPerOrigin: must be between 1 and"},

		{"origin with a path", func(s *settings.Settings) { s.CORS.AllowedOrigins = []string{"https://a/x"} }, `cors.allowedOrigins: "https://a/x" is neither`},
		{"origin in another spelling", func(s *settings.Settings) { s.CORS.AllowedOrigins = []string{"https://a:443"} }, `cors.allowedOrigins: "https://a:443" is sent as "https://a"`},
		{"origin without scheme", func(s *settings.Settings) { s.CORS.AllowedOrigins = []string{"a.example"} }, "cors.allowedOrigins"},
		{"origins", func(s *settings.Settings) {
			s.CORS.AllowedOrigins = []string{"https://a.example", "http://localhost:3000"}
		}, ""},

		{"unlimited connections", func(s *settings.Settings) { s.Limits.MaxConnections = 0 }, ""},
		{"negative count", func(s *settings.Settings) { s.Limits.MaxConnections = -1 }, "limits.maxConnections: must be between 0 and"},
		{"no size", func(s *settings.Settings) { s.Limits.RESTBodyBytes = 0 }, "limits.restBodyBytes: must be between"},
		{"handshakes that do not fit", func(s *settings.Settings) { s.Limits.HandshakeBytes = 63 }, "limits.handshakeBytes: must be between 64 and"},
		{"a hard bound that cuts off who reads", func(s *settings.Settings) {
			s.Limits.OutboxBytes, s.Limits.OutboxMaxBytes = 1<<10, 128<<10-1
		}, "limits.outboxMaxBytes: must be between 131072 and"},
		{"a soft bound of nothing", func(s *settings.Settings) { s.Limits.OutboxBytes = 1 }, "limits.outboxBytes: must be between 1024 and"},
		{"more headers than are read", func(s *settings.Settings) { s.Limits.HeaderBytes = 129 << 10 }, "limits.headerBytes: must be between 64 and 131072 bytes"},
		{"a longer URL than is read", func(s *settings.Settings) { s.Limits.URIBytes = 65 << 10 }, "limits.uriBytes: must be between 64 and 65536 bytes"},
		{"a token that no URL may hold", func(s *settings.Settings) {
			s.Limits.TokenBytes, s.Limits.URIBytes, s.Limits.HeaderBytes = 64<<10, 64<<10, 128<<10
		}, "limits.tokenBytes: must be between 64 and 64512 bytes"},
		{"huge size", func(s *settings.Settings) { s.Limits.MessageBytes = 1 << 62 }, "limits.messageBytes: must be between"},
		{"token that fits no header", func(s *settings.Settings) { s.Limits.TokenBytes, s.Limits.URIBytes = 32<<10, 64<<10 }, "limits.tokenBytes: a token of 32768 bytes travels in a header or in the URL: set limits.headerBytes to at least 33792"},
		{"token that fits no URL", func(s *settings.Settings) { s.Limits.URIBytes = 4 << 10 }, "limits.tokenBytes: a token of 4096 bytes travels in a header or in the URL: set limits.uriBytes to at least 5120"},
		{"large tokens", func(s *settings.Settings) {
			s.Limits.TokenBytes, s.Limits.URIBytes, s.Limits.HeaderBytes = 32<<10, 64<<10, 64<<10
		}, ""},
		{"hub bound below a connection's", func(s *settings.Settings) { s.Limits.HubQueuedBytes = 1000 }, "limits.hubQueuedBytes: must not be less than limits.outboxBytes"},

		{"bound of unfinished messages below one message", func(s *settings.Settings) { s.Limits.UnfinishedBytes = 20 << 20 }, "limits.unfinishedBytes: must be at least 33554432 bytes, twice limits.messageBytes"},
		{"bound of unfinished messages", func(s *settings.Settings) { s.Limits.UnfinishedBytes = 32 << 20 }, ""},
		{"smallest hard bound", func(s *settings.Settings) { s.Limits.OutboxBytes, s.Limits.OutboxMaxBytes = 1<<10, 128<<10 }, ""},
		{"keep-alive of 1 s", func(s *settings.Settings) { s.Clients.KeepAlive = time.Second }, ""},
		{"keep-alive of 0 s", func(s *settings.Settings) { s.Clients.KeepAlive = 0 }, "clients.keepAlive: must be between 1s and 2m0s, not 0s"},
		{"timeout of 120 s", func(s *settings.Settings) { s.Clients.Timeout = 120 * time.Second }, ""},
		{"timeout of 121 s", func(s *settings.Settings) { s.Clients.Timeout = 121 * time.Second }, "clients.timeout: must be between 1s and 2m0s, not 2m1s"},
		{"quick clients of ASP.NET SignalR", func(s *settings.Settings) {
			s.AspNet = settings.AspNet{KeepAlive: time.Second, Timeout: 2 * time.Second, DisconnectTimeout: 3 * time.Second, ConnectTimeout: time.Second, LongPollInterval: time.Second}
		}, ""},
		{"no keep-alive of ASP.NET SignalR", func(s *settings.Settings) { s.AspNet.KeepAlive = 0 }, "aspnet.keepAlive: must be between 1s and 2m0s, not 0s"},
		{"keep-alive too late for clients of ASP.NET SignalR", func(s *settings.Settings) { s.AspNet.KeepAlive = 14 * time.Second }, "aspnet.timeout: must be more than 21s, one and a half times aspnet.keepAlive"},
		{"window that ends before a client notices", func(s *settings.Settings) { s.AspNet.DisconnectTimeout = 20 * time.Second }, "aspnet.disconnectTimeout: must be more than aspnet.timeout, 20s"},
		{"no time to connect", func(s *settings.Settings) { s.AspNet.ConnectTimeout = 0 }, "aspnet.connectTimeout: must be between 1s and 2m0s"},
		{"endless polls", func(s *settings.Settings) { s.AspNet.LongPollInterval = 25 * time.Hour }, "aspnet.longPollInterval: must be between 1s and 24h0m0s"},
		{"grace period", func(s *settings.Settings) { s.Servers.GracePeriod = time.Minute }, ""},
		{"endless grace period", func(s *settings.Settings) { s.Servers.GracePeriod = time.Hour }, "servers.gracePeriod: must be between 0s and 5m0s"},
		{"migration without waiting", func(s *settings.Settings) { s.Servers.MigrationTimeout = 0 }, ""},
		{"no time for results", func(s *settings.Settings) { s.Servers.ResultTimeout = 0 }, "servers.resultTimeout: must be between 1s and"},
		{"no message of a hub server", func(s *settings.Settings) { s.Servers.MessageBytes = 0 }, "servers.messageBytes: must be between"},
		{"no queue to a hub server", func(s *settings.Settings) { s.Servers.QueueBytes = 0 }, "servers.queueBytes: must be between"},
		{"nothing held", func(s *settings.Settings) { s.Servers.HeldBytes = -1 }, "servers.heldBytes: must be between"},
		{"negative count of server connections", func(s *settings.Settings) { s.Servers.MaxConnections = -1 }, "servers.maxConnections: must be between 0 and"},
		{"no leeway", func(s *settings.Settings) { s.Auth.Leeway = 0 }, ""},
		{"negative leeway", func(s *settings.Settings) { s.Auth.Leeway = -1 }, "auth.leeway: must be between 0s and"},
		{"audience with port", func(s *settings.Settings) { s.Auth.StrictAudience = []string{"h:80"} }, `auth.strictAudience: "h:80" is not a host name`},
		{"audiences", func(s *settings.Settings) { s.Auth.StrictAudience = []string{"gw.example", "::1", "10.0.0.1"} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings.Default()
			tt.edit(&s)
			err := s.Validate()
			if tt.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.err)
		})
	}
}

func TestValidateNamesEverythingWrong(t *testing.T) {
	s := settings.Default()
	s.Mode = "clasic"
	s.Limits.Hubs = -1
	s.Clients.SendTimeout = 0
	err := s.Validate()
	for _, name := range []string{"mode: ", "limits.hubs: ", "clients.sendTimeout: "} {
		require.ErrorContains(t, err, name)
	}
}

func TestValidateShowsNoSecret(t *testing.T) {
	s := settings.Default()
	s.Keys.Primary = "tooshort;s3cret"
	for _, url := range []string{
		"ftp://h/?code=s3cret", "http://u:s3cret/x@h", "http://h/%s3cret", "http://h/?code=s3cret{@x}",
		"http://h/\n?code=s3cret", "s3cret",
	} {
		s.Upstream.Templates = append(s.Upstream.Templates, settings.Template{URLTemplate: url})
	}
	err := s.Validate()
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3")
	require.Contains(t, err.Error(), "upstream.templates[5].urlTemplate")
}
