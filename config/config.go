package config

import (
	"time"

	"github.com/hubgate/hubgate/secret"
	"github.com/hubgate/hubgate/settings"
)

// Config is everything that can be configured. The tags of its groups are the
// flags with their help and defaults; names in the environment and in the file
// follow from the flags' names, see [Reference]. A Config is not for
// concurrent use while it is being parsed; afterwards nothing changes it.
type Config struct {
	Files    Files    `embed:"" group:"Files"`
	Network  Network  `embed:"" group:"Network"`
	TLS      TLS      `embed:"" prefix:"tls-" group:"TLS"`
	Log      Log      `embed:"" prefix:"log-" group:"Logs"`
	Service  Service  `embed:"" group:"Service"`
	Upstream Upstream `embed:"" prefix:"upstream-" group:"Upstream"`
	CORS     CORS     `embed:"" prefix:"cors-" group:"CORS"`
	Capacity Capacity `embed:"" prefix:"limits-" group:"Limits: what is held"`
	Sizes    Sizes    `embed:"" prefix:"limits-" group:"Limits: single inputs"`
	Clients  Clients  `embed:"" prefix:"clients-" group:"Client connections"`
	Servers  Servers  `embed:"" prefix:"servers-" group:"Hub servers"`
	Auth     Auth     `embed:"" prefix:"auth-" group:"Tokens"`

	file *file // what --config named, nil without it
}

// startGroups are the groups that are read once; all others may change while
// the gateway runs.
var startGroups = []string{"Files", "Network", "TLS", "Logs"}

// Files names the files that options come from.
type Files struct {
	Config   string `help:"YAML or JSON file with any of these options. Unknown keys are errors." placeholder:"FILE" file:"-"`
	Settings string `help:"The emulator's settings.json with upstream templates, or a directory that holds one. Without it ./settings.json is read if it exists." placeholder:"FILE"`
}

// Network says where the gateway listens and how others see it.
type Network struct {
	Listen         []string      `help:"Address for clients, REST and health; repeatable. localhost is 127.0.0.1 and, where it exists, ::1. Without a host: all addresses." default:"localhost:8888"`
	AdminListen    string        `help:"Address for metrics, pprof, livez and readyz, or off." default:"127.0.0.1:8889"`
	PublicURL      string        `help:"What clients and applications call the gateway, when a proxy or a container changes it. Used in what the gateway prints and signs. Requests are taken with its path and without." placeholder:"URL"`
	TrustedProxies []Prefix      `help:"Networks, or single addresses, whose X-Forwarded-* headers are believed." placeholder:"CIDR"`
	Node           string        `help:"Tag of this node in its connection ids: up to 12 letters, digits, hyphens and underscores." placeholder:"TAG"`
	DrainTimeout   time.Duration `help:"How long clients, webhooks and requests may take to finish after SIGTERM." default:"30s"`

	UnsafeListenWithWellKnownKey bool `help:"Listen beyond loopback although the access key is the emulator's, which everybody knows: whoever reaches the gateway controls it."`
}

// TLS names the server's certificate.
type TLS struct {
	Cert string `help:"PEM file with the certificate chain; read again when it changes. Needs tls.key." placeholder:"FILE"`
	Key  string `help:"PEM file with the private key." placeholder:"FILE"`
}

// Log says what is logged and how.
type Log struct {
	Level  Word `help:"Least severe level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	Format Word `help:"Form of a log line: text or json." enum:"text,json" default:"text"`
}

// Service holds the modes, the keys and the short way to name webhooks.
type Service struct {
	Mode         settings.Mode   `help:"Service mode of all hubs that have none of their own: default, serverless or classic." default:"serverless"`
	HubMode      map[string]Word `help:"Service mode of one hub: chat=default; repeatable, or with semicolons. In the file it is hubs.chat.mode, which stays in force for hubs that are not named here." placeholder:"HUB=MODE" file:"-"`
	AccessKey    secret.Text     `help:"Primary access key, 32 to 256 bytes. The default is the emulator's and serves loopback only." default:"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH" placeholder:"KEY"`
	SecondaryKey secret.Text     `help:"Second access key, so that one can be replaced while the other serves." placeholder:"KEY"`
	Upstream     []string        `help:"Webhook for all events, or for those of some hubs: chat,news=https://example.com/hook; repeatable, or with commas; the first that matches is called. The URL echo is a webhook that the gateway has itself: it answers calls with their arguments. Replaces the templates of all files." placeholder:"[HUBS=]URL" sep:"none" file:"-"`
}

// Upstream bounds webhooks, see [settings.Upstream].
type Upstream struct {
	Timeout                 time.Duration      `help:"Bound on one webhook, from connecting to the last byte of its answer." default:"100s"`
	MaxResponseBytes        Size               `help:"Largest answer to an invocation." default:"16MiB"`
	Unmatched               settings.Unmatched `help:"What an invocation gets that no template matches: error, or silent for nothing, as from the emulator." default:"error"`
	Rejection               settings.Rejection `help:"What a 401 or 403 to the connected event does: close the client, or ignore it, as the emulator does." default:"close"`
	IgnoreEventCase         bool               `help:"Event patterns ignore letter case, as hub and category patterns always do."`
	MaxConcurrentPerOrigin  int                `help:"Webhooks under way at a time to one scheme, host and port." default:"256"`
	QueuePerConnection      int                `help:"Events of one client that may wait for earlier ones." default:"256"`
	QueueBytesPerConnection Size               `help:"Bytes of the events of one client that may wait; a single event may be larger." default:"1MiB"`
	AllowLinkLocal          bool               `help:"Permit webhooks on link-local and cloud metadata addresses."`
	AllowedEnv              []string           `help:"Environment variables that {@env:NAME} in a URL template may read." placeholder:"NAME"`
	AllowedFiles            []string           `help:"Files that {@file:PATH} in a URL template may read: absolute paths, with a slash at the end for all below." placeholder:"PATH"`
}

// CORS says which web pages may use the gateway.
type CORS struct {
	AllowedOrigins []string `help:"Origins of web pages that may connect, such as https://app.example; * is any." default:"*" placeholder:"ORIGIN"`
}

// Capacity bounds what is held at a time, see [settings.Capacity].
type Capacity struct {
	MaxConnections           int  `help:"Client connections of this node; 0 is no limit. Over it clients get 429." default:"0"`
	MaxDiagnosticConnections int  `help:"Diagnostic client connections; 0 is no limit. Over it they get 429." default:"100"`
	GroupsPerConnection      int  `help:"Groups that one connection may be in, about 300 bytes each; 0 is no limit." default:"50000"`
	GroupsPerUser            int  `help:"Standing groups without expiry of one user; over it the oldest goes. 0 is no limit." default:"100"`
	Hubs                     int  `help:"Hubs that may have clients; one that has none makes room for another. 0 is no limit." default:"10000"`
	OutboxBytes              Size `help:"Bytes that may wait for one client; over it for 30 seconds the client is closed as SlowClient." default:"1MiB"`
	OutboxMaxBytes           Size `help:"Bytes that may wait for one client at any moment; over it the client is closed as SlowClient at once." default:"64MiB"`
	HubQueuedBytes           Size `help:"Bytes that may wait for all clients of a hub; over it REST answers 503 with Retry-After." default:"256MiB"`
	QueuedBytes              Size `help:"Bytes that may wait for all clients of this node; over it the clients that hold most are closed as SlowClient. 0 is a quarter of the memory the process may use." default:"0"`
	UnfinishedBytes          Size `help:"Bytes that may be held of messages of all clients of this node that have not arrived whole; over it the clients that hold most are closed as Throttled. 0 is an eighth of the memory the process may use." default:"0"`
}

// Sizes bounds single inputs, see [settings.Sizes].
type Sizes struct {
	MessageBytes   Size `help:"One record from a WebSocket client." default:"16MiB"`
	PostBytes      Size `help:"One POST of a client on Server-Sent Events or long polling; over it 413." default:"1MiB"`
	HandshakeBytes Size `help:"The handshake request of a client." default:"16KiB"`
	RESTBodyBytes  Size `help:"One REST body; over it 413." default:"1MiB"`
	TokenBytes     Size `help:"One access token." default:"4KiB"`
	URIBytes       Size `help:"Path and query of a request, up to 64KiB; over it 414." default:"12KiB"`
	HeaderBytes    Size `help:"All headers of a request, up to 128KiB; over it 431." default:"16KiB"`
}

// Clients holds the timers of client connections, see [settings.Clients].
type Clients struct {
	KeepAlive          time.Duration `help:"A client to which nothing was sent for so long gets a Ping; 1s to 120s." default:"15s"`
	Timeout            time.Duration `help:"A client that has pinged once may be silent for so long; 1s to 120s." default:"30s"`
	HandshakeTimeout   time.Duration `help:"How long a client may take for its handshake; 1s to 120s." default:"15s"`
	NegotiateTimeout   time.Duration `help:"How long after negotiating a client may connect." default:"15s"`
	LongPollInterval   time.Duration `help:"After how long a poll is answered although there is nothing." default:"90s"`
	LongPollDisconnect time.Duration `help:"How long a client on long polling may be without a poll." default:"15s"`
	SendTimeout        time.Duration `help:"A client that takes no byte for so long while bytes wait is closed as SlowClient." default:"10s"`
}

// Servers bounds connections of hub servers, see [settings.Servers].
type Servers struct {
	GracePeriod      time.Duration `help:"How long the clients of a hub server that is lost are held for another one to take them, up to 5m; 0s closes them at once, and they reconnect." default:"0s"`
	MigrationTimeout time.Duration `help:"How long a client that moves to another hub server waits for its invocations to end." default:"5s"`
	ResultTimeout    time.Duration `help:"How long a hub server waits for the result of a client that it has asked for one." default:"10m"`
	MaxConnections   int           `help:"Server connections of this node; 0 is no limit." default:"0"`
	MessageBytes     Size          `help:"One message of a hub server, with its payloads for all protocols." default:"32MiB"`
	QueueBytes       Size          `help:"Bytes that may wait for one server connection; over it its clients are not read from. For new server connections." default:"4MiB"`
	HeldBytes        Size          `help:"Bytes that are held back of one client while it moves to another hub server." default:"256KiB"`
}

// Auth says how strictly tokens are checked, see [settings.Auth].
type Auth struct {
	Leeway         time.Duration `help:"Clock difference that a token's times may have; 0s is none." default:"5m"`
	StrictAudience []string      `help:"Hosts that a token's audience may name. Without any the host is not compared." placeholder:"HOST"`
}
