package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/hubgate/hubgate/config"
)

// listenAll binds every address or none. An optional one is left out where the
// machine does not have it, for example ::1 without IPv6.
func listenAll(addresses []config.Address) (listeners []net.Listener, err error) {
	for _, a := range addresses {
		l, err := net.Listen("tcp", a.HostPort)
		if err != nil && a.Optional && absent(err) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen: %w", err), closeAll(listeners))
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// absent says that the machine does not have the address, as opposed to
// somebody else having the port.
func absent(err error) bool {
	var dns *net.DNSError
	var addr *net.AddrError
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.As(err, &dns) || errors.As(err, &addr)
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// reachable turns an address that was listened on into one to connect to.
func reachable(hostPort string) string {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return hostPort
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// baseURL is how to reach the gateway: what the configuration says, else the
// first address, by name where it is localhost.
func baseURL(c *config.Config, listeners []net.Listener) string {
	if c.Network.PublicURL != "" {
		return trimSlash(c.Network.PublicURL)
	}
	scheme := "http"
	if c.TLS.Cert != "" {
		scheme = "https"
	}
	_, port, err := net.SplitHostPort(listeners[0].Addr().String())
	host, _, splitErr := net.SplitHostPort(c.Network.Listen[0])
	if err != nil || splitErr != nil {
		return scheme + "://" + listeners[0].Addr().String()
	}
	return scheme + "://" + reachable(net.JoinHostPort(host, port))
}

// isLoopback says whether only this machine reaches the address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
