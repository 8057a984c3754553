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
	Files       Files       `embed:"" group:"Files"`
	Network     Network     `embed:"" group:"Network"`
	TLS         TLS         `embed:"" prefix:"tls-" group:"TLS"`
	Admin       Admin       `embed:"" prefix:"admin-" group:"Managing"`
	Log         Log         `embed:"" prefix:"log-" group:"Logs"`
	Cluster     Cluster     `embed:"" prefix:"cluster-" group:"Cluster"`
	NATS        NATS        `embed:"" prefix:"nats-" group:"NATS outside"`
	Data        Data        `embed:"" prefix:"data-" group:"Data"`
	Service     Service     `embed:"" group:"Service"`
	Upstream    Upstream    `embed:"" prefix:"upstream-" group:"Upstream"`
	Outbox      Outbox      `embed:"" prefix:"upstream-" group:"Upstream: outbox"`
	CORS        CORS        `embed:"" prefix:"cors-" group:"CORS"`
	Capacity    Capacity    `embed:"" prefix:"limits-" group:"Limits: what is held"`
	Sizes       Sizes       `embed:"" prefix:"limits-" group:"Limits: single inputs"`
	Rules       Rules       `embed:"" prefix:"limits-" group:"Limits: rates"`
	Clients     Clients     `embed:"" prefix:"clients-" group:"Client connections"`
	AspNet      AspNet      `embed:"" prefix:"aspnet-" group:"ASP.NET SignalR clients"`
	Servers     Servers     `embed:"" prefix:"servers-" group:"Hub servers"`
	Auth        Auth        `embed:"" prefix:"auth-" group:"Tokens"`
	Presence    Presence    `embed:"" prefix:"presence-" group:"Presence"`
	REST        REST        `embed:"" prefix:"rest-" group:"REST"`
	Recorder    Recorder    `embed:"" prefix:"trace-" group:"Tracing: flight recorder"`
	OTel        OTel        `embed:"" prefix:"otel-" group:"Tracing: OpenTelemetry"`
	OIDC        OIDC        `embed:"" prefix:"oidc-" group:"OpenID Connect"`
	OIDCClients OIDCClients `embed:"" prefix:"oidc-" group:"OpenID Connect: clients"`
	ARM         ARM         `embed:"" prefix:"arm-" group:"Resource API"`

	file   *file // what --config named, nil without it
	shared *file // what all nodes share, nil without that
}

// startGroups are the groups that are read once; all others may change while
// the gateway runs.
var startGroups = []string{"Files", "Network", "TLS", "Managing", "Logs", "Cluster", "NATS outside", "Data", "Upstream: outbox", "Tracing: flight recorder", "Tracing: OpenTelemetry", "Resource API"}

// Files names the files that options come from.
type Files struct {
	Config   string `help:"YAML or JSON file with any of these options. Unknown keys are errors." placeholder:"FILE" file:"-"`
	Settings string `help:"The emulator's settings.json with upstream templates, or a directory that holds one. Without it ./settings.json is read if it exists." placeholder:"FILE"`
}

// Network says where the gateway listens and how others see it.
type Network struct {
	Listen         []string      `help:"Address for clients, REST and health; repeatable. localhost is 127.0.0.1 and, where it exists, ::1. Without a host: all addresses." default:"localhost:8888"`
	AdminListen    string        `help:"Address for metrics, health, the portal, the live view, this documentation and profiles, or off." default:"127.0.0.1:8889"`
	PublicURL      string        `help:"The URL by which clients and applications reach the gateway, if a proxy or a container changes it. The gateway prints it and signs tokens for it. Requests are accepted with its path and without." placeholder:"URL"`
	TrustedProxies []Prefix      `help:"Networks, or single addresses, whose X-Forwarded-For is believed: the client's address comes from it." placeholder:"CIDR"`
	Node           string        `help:"Name of this node, which is in its connection ids: up to 12 letters, digits, hyphens and underscores. In a cluster each node needs one of its own." placeholder:"TAG"`
	DrainDelay     time.Duration `help:"How long everything goes on after SIGTERM while health checks say that the gateway shuts down, so that balancers send it nothing more. Then it drains." default:"0s"`
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
	Level  Word `help:"Lowest level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	Format Word `help:"Format of log lines: text or json." enum:"text,json" default:"text"`
}

// Service holds the modes, the keys and the short way to name webhooks.
type Service struct {
	Mode         settings.Mode   `help:"Mode of all hubs that have no mode of their own: default, serverless or classic." default:"serverless"`
	HubMode      map[string]Word `help:"Mode of one hub: chat=default; repeatable, or with semicolons. In the file it is hubs.chat.mode, which stays in force for hubs that are not named here." placeholder:"HUB=MODE" file:"-"`
	FaultsHub    []string        `help:"Hub into which faults may be injected, to test its clients; repeatable, or with commas. In the file it is hubs.chat.faults. Not for hubs that people use." placeholder:"HUB" file:"-"`
	AccessKey    secret.Text     `help:"Primary access key, 32 to 256 bytes. The default is the emulator's key, with which the gateway listens on loopback only." default:"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH" placeholder:"KEY"`
	SecondaryKey secret.Text     `help:"Second access key, so that one can be replaced while the other serves." placeholder:"KEY"`
	Upstream     []string        `help:"Webhook for all events, or for those of some hubs: chat,news=https://example.com/hook; repeatable, or with commas; the first that matches is called. The URL echo is a webhook that the gateway has itself: it answers calls with their arguments. Replaces the templates of all files." placeholder:"[HUBS=]URL" sep:"none" file:"-"`
}

// Upstream bounds webhooks, see [settings.Upstream].
type Upstream struct {
	Timeout                 time.Duration      `help:"Longest time for one webhook, from connecting to the last byte of its answer." default:"100s"`
	MaxResponseBytes        Size               `help:"Largest answer to a call (invoke)." default:"16MiB"`
	Unmatched               settings.Unmatched `help:"Answer to a call that no template matches: error, or silent (no answer, like the emulator)." default:"error"`
	Streams                 bool               `help:"Call webhooks also for clients that ask for a stream, which REST then sends. Otherwise such clients get an error, as in Azure."`
	Rejection               settings.Rejection `help:"Effect of 401 or 403 as the answer to the connected event: close closes the client, ignore keeps it (like the emulator)." default:"close"`
	IgnoreEventCase         bool               `help:"Event patterns ignore letter case, as hub and category patterns always do."`
	MaxConcurrentPerOrigin  int                `help:"Webhooks under way at the same time to one scheme, host and port." default:"256"`
	QueuePerConnection      int                `help:"Events of one client that may wait for earlier ones." default:"256"`
	QueueBytesPerConnection Size               `help:"Bytes of the events of one client that may wait; a single event may be larger." default:"1MiB"`
	AllowLinkLocal          bool               `help:"Permit webhooks on link-local and cloud metadata addresses."`
	AllowedEnv              []string           `help:"Environment variables that {@env:NAME} in a URL template may read." placeholder:"NAME"`
	TokenURL                string             `help:"Where the gateway gets the tokens that webhooks want (auth of a template): the token endpoint of an OAuth 2 server, by the client credentials grant." placeholder:"URL"`
	ClientID                string             `help:"The gateway's own client id there." placeholder:"ID"`
	ClientSecret            secret.Text        `help:"The gateway's own client secret there." placeholder:"SECRET"`
	AllowedFiles            []string           `help:"Files that {@file:PATH} in a URL template may read: absolute paths, with a slash at the end for all below." placeholder:"PATH"`
}

// Outbox keeps events until webhooks have them.
type Outbox struct {
	Outbox            bool          `help:"Keep connected and disconnected events, and messages that nobody waits for, in the store until a webhook has them: they are delivered at least once, though nodes die. Needs data.dir or a cluster."`
	OutboxBytes       Size          `help:"Bytes that the store takes for events that wait, of all nodes together. A node has a quarter of that in memory at most, and 128MiB. When there is no room, clients are not read any further." default:"512MiB"`
	OutboxAge         time.Duration `help:"How long an event is tried before it becomes a dead letter." default:"24h"`
	OutboxDeadLetters int           `help:"Dead letters that are kept, for seven days each. The oldest go first." default:"1000"`
}

// CORS says which web pages may use the gateway.
type CORS struct {
	AllowedOrigins []string `help:"Origins of web pages that may connect, such as https://app.example; * is any." default:"*" placeholder:"ORIGIN"`
}

// Capacity bounds what is held at a time, see [settings.Capacity].
type Capacity struct {
	MaxConnections           int  `help:"Maximum number of client connections, of all nodes of a cluster together; 0 is no limit. Further clients get 429. Nodes tell each other once a second what they have." default:"0"`
	MaxDiagnosticConnections int  `help:"Maximum number of diagnostic client connections; 0 is no limit. Further ones get 429." default:"100"`
	GroupsPerConnection      int  `help:"Maximum number of groups of one connection, about 300 bytes each; 0 is no limit." default:"50000"`
	GroupsPerUser            int  `help:"Memberships without expiry per user; when exceeded, the oldest is removed. 0 is no limit." default:"100"`
	Hubs                     int  `help:"Maximum number of hubs that have clients, on all nodes of a cluster together; hubs are created on first use, and one without clients makes room for another. 0 is no limit." default:"10000"`
	OutboxBytes              Size `help:"Bytes that may wait for one client. A client for which more waits for 30 seconds is closed as SlowClient." default:"1MiB"`
	OutboxMaxBytes           Size `help:"Bytes that may wait for one client at any moment. When exceeded, the client is closed as SlowClient at once." default:"64MiB"`
	HubQueuedBytes           Size `help:"Bytes that may wait for all clients of a hub. When exceeded, REST answers 503 with Retry-After." default:"256MiB"`
	QueuedBytes              Size `help:"Bytes that may wait for all clients of the gateway. When exceeded, the clients for which most waits are closed as SlowClient. 0 is a quarter of the memory the process may use." default:"0"`
	UnfinishedBytes          Size `help:"Bytes of messages that have not arrived completely, of all clients of the gateway. When exceeded, the clients with most of them are closed as Throttled. 0 is an eighth of the memory the process may use." default:"0"`
}

// Sizes bounds single inputs, see [settings.Sizes].
type Sizes struct {
	MessageBytes   Size `help:"One message from a WebSocket client." default:"16MiB"`
	PostBytes      Size `help:"One POST of a client with Server-Sent Events or long polling. A larger one gets 413." default:"1MiB"`
	HandshakeBytes Size `help:"The handshake request of a client." default:"16KiB"`
	RESTBodyBytes  Size `help:"One REST body. A larger one gets 413." default:"1MiB"`
	TokenBytes     Size `help:"One access token." default:"4KiB"`
	URIBytes       Size `help:"Path and query of a request, up to 64KiB. Longer ones get 414." default:"12KiB"`
	HeaderBytes    Size `help:"All headers of a request, up to 128KiB. Larger ones get 431." default:"16KiB"`
}

// Clients holds the timers of client connections, see [settings.Clients].
type Clients struct {
	KeepAlive          time.Duration `help:"A client gets a ping when nothing was sent to it for this time; 1s to 120s." default:"15s"`
	Timeout            time.Duration `help:"A client that sends pings may be silent for this time; 1s to 120s." default:"30s"`
	HandshakeTimeout   time.Duration `help:"Longest time for a client's handshake; 1s to 120s." default:"15s"`
	NegotiateTimeout   time.Duration `help:"How long after negotiating a client may connect." default:"15s"`
	LongPollInterval   time.Duration `help:"A poll is answered after this time even if there is no message." default:"90s"`
	LongPollDisconnect time.Duration `help:"A client with long polling may be without a poll for this time." default:"15s"`
	StatefulReconnect  time.Duration `help:"A client with stateful reconnect may be without a connection for this time. 0 turns stateful reconnect off." default:"30s"`
	SendTimeout        time.Duration `help:"A client that takes no byte for this time, while bytes wait for it, is closed as SlowClient." default:"10s"`
	InvokeTimeout      time.Duration `help:"How long a REST caller waits for the answer of a client (:invoke), unless it asks for less. Then: 504." default:"30s"`
}

// AspNet holds the timers of clients of ASP.NET SignalR, see [settings.AspNet].
type AspNet struct {
	KeepAlive         time.Duration `help:"A client of ASP.NET SignalR gets a keep-alive each time this has passed, whatever else is sent to it; 1s to 120s." default:"10s"`
	Timeout           time.Duration `help:"What these clients are told: after this time without a byte they reconnect. More than one and a half times aspnet.keepAlive." default:"20s"`
	DisconnectTimeout time.Duration `help:"How long such a client may be without a transport, or without a poll, before its connection ends. Until then it comes back and has missed nothing. More than aspnet.timeout." default:"30s"`
	ConnectTimeout    time.Duration `help:"What these clients are told: how long to wait for the first message on a transport before they try the next one; 1s to 120s." default:"5s"`
	LongPollInterval  time.Duration `help:"A poll of such a client is answered after this time even if there is no message." default:"110s"`
}

// Servers bounds connections of hub servers, see [settings.Servers].
type Servers struct {
	GracePeriod      time.Duration `help:"How long clients are kept after their hub server was lost, until another server takes them; at most 5m. With 0s they are closed at once and reconnect." default:"0s"`
	MigrationTimeout time.Duration `help:"How long a client that moves to another hub server waits for its calls to finish." default:"5s"`
	ResultTimeout    time.Duration `help:"How long a hub server waits for a result that it asked a client for." default:"10m"`
	MaxConnections   int           `help:"Maximum number of server connections; 0 is no limit." default:"0"`
	MessageBytes     Size          `help:"One message of a hub server, with its payloads for all protocols." default:"32MiB"`
	QueueBytes       Size          `help:"Bytes that may wait for one server connection. When exceeded, its clients are not read from until there is room. A change applies to new server connections." default:"4MiB"`
	HeldBytes        Size          `help:"Bytes of one client that are kept while it moves to another hub server." default:"256KiB"`
}

// Auth says how strictly tokens are checked, see [settings.Auth].
type Auth struct {
	Leeway         time.Duration `help:"Difference between clocks that is tolerated when the times of a token are checked; 0s is none." default:"5m"`
	StrictAudience []string      `help:"Hosts that the audience of a token may name. Without any, the host is not compared." placeholder:"HOST"`

	DisableLocalKeys bool `help:"Refuse every token that is signed with an access key: only tokens of oidc.issuers open REST and server connections. Clients still connect with tokens that an application signs with a key from /api/v1/auth/accessKey. Webhooks get neither X-ASRS-Signature nor X-Hubgate-Signature. Needs an accessKey of one's own, of which those keys are made."`
}

// Recorder is the flight recorder of a node.
type Recorder struct {
	Recorder Size   `help:"Memory for what happened last to connections and messages, which hubgate trace searches; at least 512KiB. 0 keeps nothing." default:"4MiB"`
	Live     bool   `help:"Azure's live trace at /livetrace, for those who have a token for it. Settings that are changed while the gateway runs can turn it on too."`
	Logs     string `help:"File for resource logs in Azure's schema, one JSON object a line; - is standard output. SIGHUP opens it anew." placeholder:"FILE"`
	LogBytes Size   `help:"Size at which the file of resource logs is renamed to FILE.1, and a new one begins; three old ones are kept. 0: it grows." default:"100MiB"`
	Payloads bool   `help:"Keep the first 1KiB of the arguments of messages too. Whoever may look at the admin address sees them."`
}

// Presence says who may ask who is connected, see [settings.Presence].
type Presence struct {
	Access settings.PresenceAccess `help:"Whose tokens may list connections, users and groups below /hubgate: key is those that are signed with an access key for the path, or of an issuer with a claim of oidc.restClaims or oidc.readerClaims; claim those that have the claim hubgate.presence too; off is nobody's." default:"key"`
	Events bool                    `help:"Let them follow who connects and disconnects, as Server-Sent Events. While nobody does it costs nothing."`
}

// REST is for callers of the REST API, see [settings.REST].
type REST struct {
	IdempotencyAge time.Duration `help:"How long the answer to a send with the header Idempotency-Key is remembered: a repeat with the key within that time is not sent again. 1s to 24h; 0 refuses requests with the header." default:"10m"`
}

// Rules bound how often clients come and how much is said, see [settings.ParseRule].
type Rules struct {
	Rules []string `help:"How many connects, messages or bytes there may be, for each connection, user, hub or access key: 'user messages 10/s burst=20 hubs=chat'. With the word report the rule only counts; repeatable. See limits.md." placeholder:"RULE" sep:"none"`
}
