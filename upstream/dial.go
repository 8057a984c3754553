package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds one attempt to connect, and one TLS handshake. A dial
	// goes on when the call that wanted it has ended.
	dialTimeout = 10 * time.Second
	// idleTimeout is shorter than Node.js's 5 s: a request that meets a server
	// closing its idle connection fails, and may not be repeated (D8).
	idleTimeout = 4 * time.Second
	// idlePerHost lets as many connections live as calls can be under way.
	idlePerHost = 1024
	// maxResponseHeader bounds the header of an answer.
	maxResponseHeader = 64 << 10
)

// connectError is a failure before anything of a request was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// errGuarded refuses an address; see guarded.
var errGuarded = errors.New("link-local and cloud metadata addresses are refused")

// dialer connects to upstreams. It makes TLS connections itself, so that a
// failed handshake is known to be one.
type dialer struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	via     func(*http.Request) (*url.URL, error)
	tls     *tls.Config
	// unguarded says whether every address may be called.
	unguarded func() bool
}

func newDialer(config *tls.Config, unguarded func() bool) *dialer {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	d := &dialer{tls: config, unguarded: unguarded, via: http.ProxyFromEnvironment}
	d.connect = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: d.control}).DialContext
	return d
}

// control sees the address after name resolution, so a name that resolves to
// something else each time gains nothing.
func (d *dialer) control(_, address string, _ syscall.RawConn) error {
	if d.unguarded() {
		return nil
	}
	if at, err := netip.ParseAddrPort(address); err != nil || guarded(at.Addr()) {
		return errGuarded
	}
	return nil
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.connect(ctx, network, address)
	if err != nil {
		return nil, &connectError{err}
	}
	return conn, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	conn := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &connectError{err}
	}
	return conn, nil
}

// proxy names the proxy for a request, if there is one. A proxy resolves names itself,
// beyond the guard's sight: only addresses given as such can be refused.
func (d *dialer) proxy(r *http.Request) (*url.URL, error) {
	via, err := d.via(r)
	if via == nil || err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(r.URL.Hostname()); err == nil && guarded(addr) && !d.unguarded() {
		return nil, &connectError{errGuarded}
	}
	return via, nil
}

// newTransport returns an HTTP/1.1 transport with keep-alive.
func newTransport(d *dialer) *http.Transport {
	t := &http.Transport{
		Proxy:                  d.proxy,
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		TLSClientConfig:        d.tls,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxResponseHeader,
		// A compressed answer could grow beyond its limit; .NET's HttpClient,
		// which the emulator uses, does not ask for one either.
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

var (
	// guardedPrefixes hold link-local addresses and, with them, the metadata
	// services of AWS, Azure, Google Cloud and OpenStack.
	guardedPrefixes = []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
	}
	// guardedAddrs are metadata services elsewhere: AWS over IPv6, Alibaba
	// Cloud, and the Azure host.
	guardedAddrs = []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("100.100.100.200"),
		netip.MustParseAddr("168.63.129.16"),
	}
	// nat64 is where a translating network shows the IPv4 addresses (RFC 6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

// guarded says whether an address is one that a webhook has no business with
// and that gives secrets away to whoever can make a server call it. Loopback
// and private addresses are where webhooks live; they are not guarded.
func guarded(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if nat64.Contains(addr) {
		full := addr.As16()
		addr = netip.AddrFrom4([4]byte(full[12:]))
	}
	for _, prefix := range guardedPrefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	for _, one := range guardedAddrs {
		if addr == one {
			return true
		}
	}
	return false
}
