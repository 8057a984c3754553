package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hubgate/hubgate/settings"
)

// maxDrain bounds how long a stopping gateway may be asked to wait.
const maxDrain = time.Hour

// maxNodeBytes is what a connection id has room for.
const maxNodeBytes = 12

// Validate returns nil or all that is wrong with what is read once, joined;
// each error begins with the name of the option in the file. kong calls it
// after parsing. The rest is checked by [Config.Settings].
func (c *Config) Validate() error {
	var errs []error
	add := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if len(c.Network.Listen) == 0 {
		add("listen", errors.New("is not set"))
	}
	for _, listen := range c.Network.Listen {
		_, err := addresses(listen)
		add("listen", err)
	}
	_, err := c.AdminAddresses()
	add("adminListen", err)
	add("publicUrl", checkPublicURL(c.Network.PublicURL))
	add("node", checkNode(c.Network.Node))
	if d := c.Network.DrainDelay; d < 0 || d > maxDrain {
		add("drainDelay", fmt.Errorf("must be between 0s and %v, not %v", maxDrain, d))
	}
	if d := c.Network.DrainTimeout; d < 0 || d > maxDrain {
		add("drainTimeout", fmt.Errorf("must be between 0s and %v, not %v", maxDrain, d))
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		add("tls", errors.New("cert and key go together: set both or none"))
	}
	if c.Admin.TLS && c.TLS.Cert == "" {
		add("admin.tls", errors.New("needs tls.cert and tls.key"))
	}
	c.validateCluster(add)
	c.validateARM(add)
	c.validateOTel(add)
	add("upstream.outbox", c.checkOutbox())
	return errors.Join(errs...)
}

// minOutboxStore has room for events that wait, beside everything else.
const minOutboxStore = 64 << 20

// checkOutbox reports what is wrong with the outbox, if there is to be one.
func (c *Config) checkOutbox() error {
	o := &c.Outbox
	switch {
	case o.OutboxAge <= 0 || o.OutboxBytes < 1<<20 || o.OutboxDeadLetters < 1:
		return errors.New("outboxAge must be positive, outboxBytes 1MiB or more, outboxDeadLetters 1 or more")
	case !o.Outbox:
		return nil
	case !c.Clustered() && c.Data.Dir == "":
		return errors.New("events are kept in the store: set data.dir (--data-dir)")
	case !c.External() && c.Data.MaxBytes < minOutboxStore:
		return fmt.Errorf("needs data.maxBytes of 64MiB or more, not %d bytes", c.Data.MaxBytes)
	}
	return nil
}

// MaxKeptMessage bounds a message of a client, in bytes, if events are kept in the store.
const MaxKeptMessage = 64 << 20

// checkKeptMessages refuses bounds of messages over which the outbox could not read them again.
func (c *Config) checkKeptMessages(s *settings.Sizes) error {
	switch {
	case !c.Outbox.Outbox:
		return nil
	case s.MessageBytes > MaxKeptMessage:
		return fmt.Errorf("limits.messageBytes: must be at most 64MiB with upstream.outbox, not %d bytes", s.MessageBytes)
	case s.PostBytes > MaxKeptMessage:
		return fmt.Errorf("limits.postBytes: must be at most 64MiB with upstream.outbox, not %d bytes", s.PostBytes)
	}
	return nil
}

func checkPublicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("must be an http:// or https:// URL without user, query and fragment")
	}
	if p := strings.TrimSuffix(u.Path, "/"); p != "" && (u.EscapedPath() != u.Path || path.Clean(p) != p) {
		return errors.New("has a path with escapes, empty segments or dots, which requests would not have")
	}
	return nil
}

// BasePath is the path of the public URL without a slash at the end: "" or, for
// example, "/gateway". It expects what [Config.Validate] has accepted.
func (c *Config) BasePath() string {
	u, err := url.Parse(c.Network.PublicURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// Proxies are the networks whose X-Forwarded-For is believed.
func (c *Config) Proxies() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range c.Network.TrustedProxies {
		all = append(all, p.Prefix)
	}
	return all
}

func checkNode(tag string) error {
	bad := strings.ContainsFunc(tag, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
	if bad || len(tag) > maxNodeBytes {
		return fmt.Errorf("%q is not a tag of up to %d letters, digits, hyphens and underscores", tag, maxNodeBytes)
	}
	return nil
}

// Address is where to listen.
type Address struct {
	HostPort string // for net.Listen
	Optional bool   // go on without it when the machine does not have it
}

// Addresses returns where to listen for clients and REST. localhost becomes
// 127.0.0.1 and, optional, ::1; with port 0 only the former, since both could
// not have the same port. It expects what [Config.Validate] has accepted.
func (c *Config) Addresses() ([]Address, error) {
	var all []Address
	for _, listen := range c.Network.Listen {
		some, err := addresses(listen)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// AdminAddresses returns where metrics and health are served: none if that is
// switched off.
func (c *Config) AdminAddresses() ([]Address, error) {
	if strings.EqualFold(c.Network.AdminListen, "off") {
		return nil, nil
	}
	return addresses(c.Network.AdminListen)
}

func addresses(listen string) ([]Address, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		if _, number := strconv.ParseUint(listen, 10, 16); number == nil {
			return nil, fmt.Errorf("%q is not HOST:PORT: write localhost:%s, or :%s for all addresses", listen, listen, listen)
		}
		return nil, fmt.Errorf("%q is not HOST:PORT", listen)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("%q has no port between 0 and 65535", listen)
	} else if !strings.EqualFold(host, "localhost") {
		return []Address{{HostPort: listen}}, nil
	} else if n == 0 {
		return []Address{{HostPort: net.JoinHostPort("127.0.0.1", port)}}, nil
	}
	return []Address{
		{HostPort: net.JoinHostPort("127.0.0.1", port)},
		{HostPort: net.JoinHostPort("::1", port), Optional: true},
	}, nil
}

// isLoopback says whether only this machine reaches the address. A name other
// than localhost may be anything.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// Exposed returns the addresses to listen on that other machines may reach.
func (c *Config) Exposed() []string {
	return slices.DeleteFunc(slices.Clone(c.Network.Listen), isLoopback)
}

// AdminExposed says whether other machines may reach metrics and profiles.
func (c *Config) AdminExposed() bool {
	addresses, err := c.AdminAddresses()
	return err == nil && slices.ContainsFunc(addresses, func(a Address) bool { return !isLoopback(a.HostPort) })
}

// checkWellKnownKey refuses to hand the gateway to whoever reaches it.
func (c *Config) checkWellKnownKey(hasEmulatorKey bool) error {
	if !hasEmulatorKey || c.Network.UnsafeListenWithWellKnownKey {
		return nil
	}
	exposed := c.Exposed()
	if len(exposed) == 0 {
		return nil
	}
	return fmt.Errorf("listen: %s can be reached from other machines, and the access key is the emulator's, which everybody knows: "+
		"set accessKey (--access-key, HUBGATE_ACCESS_KEY), or accept the risk with --unsafe-listen-with-well-known-key", exposed[0])
}
