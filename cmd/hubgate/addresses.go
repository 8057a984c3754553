package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/hubgate/hubgate/config"
)

// The flags that say where to listen.
const (
	listenFlag = "--listen"
	adminFlag  = "--admin-listen"
	armFlag    = "--arm-listen"
)

// listenAll binds every address or none. An optional one is left out where the
// machine does not have it, for example ::1 without IPv6. The flag is where the
// addresses come from, for errors.
func listenAll(addresses []config.Address, flag string) (listeners []net.Listener, err error) {
	for _, a := range addresses {
		l, err := net.Listen("tcp", a.HostPort)
		if err != nil && a.Optional && absent(err) {
			continue
		}
		if err != nil {
			return nil, errors.Join(listenError(a.HostPort, flag, err), closeAll(listeners))
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// listenError says what to do about an address that cannot be had.
func listenError(address, flag string, err error) error {
	switch {
	case errors.Is(err, errInUse) && flag == adminFlag:
		return fmt.Errorf("%s, the address for metrics and health, is in use, perhaps by another hubgate: choose another with %s, or off", address, flag)
	case errors.Is(err, errInUse) && flag == armFlag:
		return fmt.Errorf("%s, the address of the resource API, is in use: choose another with %s", address, flag)
	case errors.Is(err, errInUse):
		return fmt.Errorf("%s is in use, perhaps by another hubgate: choose another with %s", address, flag)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: not permitted; ports below 1024 are for root or, on Linux, for processes with CAP_NET_BIND_SERVICE", flag, address)
	}
	return fmt.Errorf("%s %s: %w", flag, address, err)
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
