package aspnetprotocol

import (
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/internal/jsontext"
)

// Negotiation is the answer to negotiate.
type Negotiation struct {
	// URL is the path of all further requests, as clients in JavaScript see it.
	URL                           string
	ConnectionToken, ConnectionID string
	// KeepAlive is the silence after which a client takes its transport for lost; 0 means that it does
	// not watch it. Disconnect is how long it tries to come back, Poll how long a poll may last, and
	// TransportConnect how long it waits for the first frame.
	KeepAlive, Disconnect, Poll, TransportConnect time.Duration
	// PollDelay is a client's pause between polls.
	PollDelay       time.Duration
	TryWebSockets   bool
	ProtocolVersion string // of Version
	Error           string // refuses the client, if not empty
}

// Append appends the answer as JSON, with durations in seconds.
func (n *Negotiation) Append(dst []byte) []byte {
	dst = jsontext.AppendString(append(dst, `{"Url":`...), n.URL)
	dst = jsontext.AppendString(append(dst, `,"ConnectionToken":`...), n.ConnectionToken)
	dst = jsontext.AppendString(append(dst, `,"ConnectionId":`...), n.ConnectionID)
	dst = append(dst, `,"KeepAliveTimeout":`...)
	if n.KeepAlive > 0 {
		dst = appendSeconds(dst, n.KeepAlive)
	} else {
		dst = append(dst, "null"...)
	}
	dst = appendSeconds(append(dst, `,"DisconnectTimeout":`...), n.Disconnect)
	dst = appendSeconds(append(dst, `,"ConnectionTimeout":`...), n.Poll)
	dst = strconv.AppendBool(append(dst, `,"TryWebSockets":`...), n.TryWebSockets)
	dst = jsontext.AppendString(append(dst, `,"ProtocolVersion":`...), n.ProtocolVersion)
	dst = appendSeconds(append(dst, `,"TransportConnectTimeout":`...), n.TransportConnect)
	dst = appendSeconds(append(dst, `,"LongPollDelay":`...), n.PollDelay)
	if n.Error != "" {
		dst = jsontext.AppendString(append(dst, `,"Error":`...), n.Error)
	}
	return append(dst, '}')
}

// appendSeconds writes whole seconds with a fraction of .0, as ASP.NET SignalR does.
func appendSeconds(dst []byte, d time.Duration) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, d.Seconds(), 'f', -1, 64)
	if !strings.Contains(string(dst[start:]), ".") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// versions are those that clients accept, in order.
var versions = []string{"1.5", "2.0", "2.1"}

// Version returns the version to speak with a client that announces one: the highest that is not over
// it, else the lowest.
func Version(announced string) string {
	major, minor, ok := cutVersion(announced)
	best := versions[0]
	for _, v := range versions {
		if a, b, _ := cutVersion(v); ok && (a < major || a == major && b <= minor) {
			best = v
		}
	}
	return best
}

// cutVersion reads "2.1". Further parts do not count.
func cutVersion(v string) (major, minor uint64, ok bool) {
	if len(v) > len("4294967295.4294967295.4294967295.4294967295") {
		return 0, 0, false
	}
	first, rest, _ := strings.Cut(v, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.ParseUint(second, 10, 32)
	return major, minor, err == nil
}
