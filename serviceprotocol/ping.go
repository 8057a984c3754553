package serviceprotocol

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keys of pings. One ping may have several.
const (
	pingClientInHub = "#clientInHub"
	pingClient      = "#client"
	pingEcho        = "echo"
	pingOffline     = "offline"
	pingShutdown    = "shutdown"
	pingTarget      = "target"
	pingStatus      = "status"
	pingClientCount = "clientcount"
	pingServerCount = "servercount"
	pingCapacity    = "capacity"
	pingServers     = "servers"
	pingMessageLog  = "d-m"
)

// Ping keeps a connection alive. It also carries questions, answers and notices.
type Ping struct {
	// Values are keys and values in turn. A ping that only keeps alive has none.
	Values []string
}

// Type returns TypePing.
func (*Ping) Type() Type { return TypePing }

// Append appends the message with its length prefix.
func (m *Ping) Append(dst []byte) []byte {
	var c codec
	c.begin(dst, TypePing, 0)
	m.fields(&c)
	return c.w.end()
}

func (m *Ping) fields(c *codec) { c.rest("values", &m.Values) }

// Get returns the value of the first key that equals the given one exactly.
func (m *Ping) Get(key string) (string, bool) {
	for i := 0; i+1 < len(m.Values); i += 2 {
		if m.Values[i] == key {
			return m.Values[i+1], true
		}
	}
	return "", false
}

func (m *Ping) count(key string) (int, bool) {
	value, ok := m.Get(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(value)
	return n, err == nil
}

func ping(values ...string) *Ping { return &Ping{Values: values} }

// EchoPing asks a hub server to send the same ping back.
func EchoPing(value string) *Ping { return ping(pingEcho, value) }

// Echo reports whether the ping has to be sent back unchanged, before anything else (H80).
func (m *Ping) Echo() bool {
	_, ok := m.Get(pingEcho)
	return ok
}

// OfflinePing tells a hub server that a gateway node is gone, with all its clients. An empty
// instance id stands for all clients of the connection.
func OfflinePing(instanceID string) *Ping { return ping(pingOffline, instanceID) }

// Offline returns the instance id of an OfflinePing.
func (m *Ping) Offline() (instanceID string, ok bool) { return m.Get(pingOffline) }

// TargetPing asks a hub server to open an OnDemand connection to a gateway node.
func TargetPing(instanceID string) *Ping { return ping(pingTarget, instanceID) }

// Target returns the instance id of a TargetPing, which is never empty.
func (m *Ping) Target() (instanceID string, ok bool) {
	instanceID, _ = m.Get(pingTarget)
	return instanceID, instanceID != ""
}

// Fin says what a leaving hub server wants for its clients.
type Fin string

const (
	// FinPlain: nothing. The process ends, or takes the gateway's endpoint out of use.
	FinPlain Fin = "fin:0"
	// FinMigrate: they move to other hub servers.
	FinMigrate Fin = "fin:1"
	// FinKeep: they stay until they leave.
	FinKeep Fin = "fin:2"

	finAck = "finack"
)

// ShutdownPing announces that a hub server leaves. Hub servers repeat it until it is
// acknowledged.
func ShutdownPing(fin Fin) *Ping { return ping(pingShutdown, string(fin)) }

// Shutdown returns the Fin of a ShutdownPing.
func (m *Ping) Shutdown() (fin Fin, ok bool) {
	value, _ := m.Get(pingShutdown)
	switch fin := Fin(value); fin {
	case FinPlain, FinMigrate, FinKeep:
		return fin, true
	}
	return "", false
}

// FinAckPing acknowledges a ShutdownPing. Each one is acknowledged (H74).
func FinAckPing() *Ping { return ping(pingShutdown, finAck) }

// FinAck reports whether the ping is a FinAckPing.
func (m *Ping) FinAck() bool {
	value, _ := m.Get(pingShutdown)
	return value == finAck
}

// MessageLogPing asks a hub server to add tracing ids to what it sends, or to stop doing so.
func MessageLogPing(on bool) *Ping { return ping(pingMessageLog, flag(on)) }

// MessageLog returns what a MessageLogPing asks for.
func (m *Ping) MessageLog() (on, ok bool) {
	value, ok := m.Get(pingMessageLog)
	return value == flag(true), ok
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// ClientCountPing is the keep-alive of a hub server. It tells the number of clients of the
// process and of the connection.
func ClientCountPing(process, connection int) *Ping {
	return ping(pingClientInHub, strconv.Itoa(process), pingClient, strconv.Itoa(connection))
}

// ClientCount returns the numbers of a ClientCountPing.
func (m *Ping) ClientCount() (process, connection int, ok bool) {
	process, ok = m.count(pingClientInHub)
	connection, counted := m.count(pingClient)
	return process, connection, ok && counted
}

// StatusQuestionPing asks whether the hub has clients (H26).
func StatusQuestionPing() *Ping { return ping(pingStatus, flag(true)) }

// Load is what a gateway tells of itself to hub servers that choose among gateways.
type Load struct{ Clients, Servers, Capacity int }

// StatusPing answers a StatusQuestionPing: active if the hub has clients. The load may be nil.
func StatusPing(active bool, load *Load) *Ping {
	m := ping(pingStatus, flag(active))
	if load != nil {
		m.Values = append(m.Values, pingClientCount, strconv.Itoa(load.Clients),
			pingServerCount, strconv.Itoa(load.Servers), pingCapacity, strconv.Itoa(load.Capacity))
	}
	return m
}

// Status returns what a StatusPing says. In a hub server's ping, ok marks the question.
func (m *Ping) Status() (active, ok bool) {
	value, ok := m.Get(pingStatus)
	return value == flag(true), ok
}

// Load returns the load of a StatusPing. ok is false if a part of it is missing.
func (m *Ping) Load() (load Load, ok bool) {
	clients, hasClients := m.count(pingClientCount)
	servers, hasServers := m.count(pingServerCount)
	capacity, hasCapacity := m.count(pingCapacity)
	return Load{clients, servers, capacity}, hasClients && hasServers && hasCapacity
}

// ServersQuestionPing asks which hub servers are connected to the hub (H27).
func ServersQuestionPing() *Ping { return ping(pingServers, "") }

// ServersPing answers a ServersQuestionPing with the ids of the hub servers. They are written
// sorted, because hub servers compare the text. Hub servers only heed an answer whose ticks
// are greater than those of the last; use Ticks.
func ServersPing(ticks int64, ids []string) *Ping {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	return ping(pingServers, strconv.FormatInt(ticks, 10)+":"+strings.Join(sorted, ";"))
}

// IsServersQuestion reports whether the ping is a ServersQuestionPing.
func (m *Ping) IsServersQuestion() bool {
	value, ok := m.Get(pingServers)
	return ok && value == ""
}

// Servers returns what a ServersPing says.
func (m *Ping) Servers() (ticks int64, ids []string, ok bool) {
	value, _ := m.Get(pingServers)
	number, list, ok := strings.Cut(value, ":")
	if !ok {
		return 0, nil, false
	}
	ticks, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, nil, false
	}
	if list != "" {
		ids = strings.Split(list, ";")
	}
	return ticks, ids, true
}

// Ticks is a time as .NET counts it: units of 100 ns since the year 1, UTC.
func Ticks(t time.Time) int64 {
	const epoch = 621355968000000000
	return epoch + t.Unix()*1e7 + int64(t.Nanosecond()/100)
}
