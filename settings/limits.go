package settings

// Limits bounds what the gateway holds and what it reads.
type Limits struct {
	Capacity
	Sizes
	// Rules bound how often clients come and how much is said.
	Rules []Rule
}

// Capacity bounds what is held at a time. A count of 0 means no limit; bounds
// in bytes are always there.
type Capacity struct {
	MaxConnections           int   // client connections of all nodes; over it: 429 (C21, R51)
	MaxDiagnosticConnections int   // clients with the diagnostic claim; over it: 429 (R51)
	GroupsPerConnection      int   // groups that one connection may be in
	GroupsPerUser            int   // standing groups without expiry per user; the oldest goes (R34)
	Hubs                     int   // hubs that may have clients
	OutboxBytes              int64 // queued for one connection; over it for 30 s: closed SlowClient (D17)
	OutboxMaxBytes           int64 // queued for one connection; over it: closed SlowClient at once (D17)
	HubQueuedBytes           int64 // queued for all connections of one hub; over it: 503 (D12)
	QueuedBytes              int64 // queued for all connections of the node; over it the largest holders are closed (D17); 0 is a quarter of the memory
	UnfinishedBytes          int64 // held of records of all clients of the node that have not ended; over it the largest holders are closed (D20); 0 is an eighth of the memory
}

// Sizes bounds single inputs, all in bytes.
type Sizes struct {
	MessageBytes   int64 // one record from a WebSocket client (C81)
	PostBytes      int64 // one POST of a Server-Sent Events or long-polling client; over it: 413 (C50)
	HandshakeBytes int64 // the handshake request
	RESTBodyBytes  int64 // one REST body; over it: 413 (R18)
	TokenBytes     int64 // one access token
	URIBytes       int64 // the request line's target; over it: 414
	HeaderBytes    int64 // all request headers; over it: 431
}

// MaxURIBytes and MaxHeaderBytes are the most that URIBytes and HeaderBytes may
// be. Whoever serves reads as much before it can ask for the bound in force.
const (
	MaxURIBytes    = 64 * kib
	MaxHeaderBytes = 128 * kib
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

func defaultLimits() Limits {
	return Limits{
		Capacity: Capacity{
			MaxDiagnosticConnections: 100, GroupsPerConnection: 50_000,
			GroupsPerUser:  100,
			Hubs:           10_000,
			OutboxBytes:    1 * mib,
			OutboxMaxBytes: 64 * mib,
			HubQueuedBytes: 256 * mib,
		},
		Sizes: Sizes{
			MessageBytes:   16 * mib,
			PostBytes:      1 * mib,
			HandshakeBytes: 16 * kib,
			RESTBodyBytes:  1 * mib,
			TokenBytes:     4 * kib,
			URIBytes:       12 * kib,
			HeaderBytes:    16 * kib,
		},
	}
}
