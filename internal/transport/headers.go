package transport

import (
	"net/http"
	"slices"
	"strings"
	"unique"

	"github.com/hubgate/hubgate/gateway"
)

// withheld are headers that no application gets: credentials, and what belongs
// to this hop or to the transport.
var withheld = map[string]bool{
	"Authorization": true, "Proxy-Authorization": true, "Proxy-Authenticate": true, "Cookie": true,
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Content-Length": true,
	// The gateway writes it anew, from proxies that it trusts.
	"X-Forwarded-For": true,
}

// withheldPrefixes are groups of such headers; asrs- are the gateway's own and
// must never be a client's word.
var withheldPrefixes = []string{"Sec-Websocket-", "Asrs-", "X-Asrs-"}

// maxKeptHeaders and maxKeptValue bound what a connection keeps of its request.
const (
	maxKeptHeaders = 64
	maxKeptValue   = 4 << 10
)

// KeptHeaders returns the headers that the application may see, ordered by
// name. Names and values are shared between connections: most clients of a hub
// send the same ones.
func KeptHeaders(header http.Header) []gateway.Header {
	var kept []gateway.Header
	for name, values := range header {
		if withheld[name] || slices.ContainsFunc(withheldPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		for _, value := range values {
			if len(value) <= maxKeptValue {
				kept = append(kept, gateway.Header{Name: unique.Make(name).Value(), Value: unique.Make(value).Value()})
			}
		}
	}
	slices.SortStableFunc(kept, func(a, b gateway.Header) int { return strings.Compare(a.Name, b.Name) })
	return slices.Clip(kept[:min(len(kept), maxKeptHeaders)])
}

// HeaderBytes returns the size of a request's headers as they are on the wire in HTTP/1.1.
func HeaderBytes(r *http.Request) (n int64) {
	n = int64(len("Host: \r\n") + len(r.Host))
	for name, values := range r.Header {
		for _, value := range values {
			n += int64(len(name) + len(": \r\n") + len(value))
		}
	}
	return n
}
