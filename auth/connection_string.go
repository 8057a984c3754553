package auth

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// maxConnectionString bounds what ParseConnectionString looks at, in bytes.
const maxConnectionString = 16 << 10

// ConnectionString is what an application is given to find the gateway:
// "Endpoint=http://localhost;Port=8888;AccessKey=…;Version=1.0;".
type ConnectionString struct {
	// Endpoint is an absolute http or https URL without a trailing slash; Port,
	// if given, is already part of it.
	Endpoint *url.URL
	// Port is the value of the Port key, 0 if there is none.
	Port int
	// AccessKey is empty only if AuthType names another way to authenticate.
	AccessKey Secret
	// Version is "" or a version 1.x.
	Version string
	// AuthType is the value of the AuthType key ("azure", "azure.msi" …), usually "".
	AuthType string
	// ClientEndpoint and ServerEndpoint are nil unless given; see Client and Server.
	ClientEndpoint, ServerEndpoint *url.URL
}

// Client returns the URL that clients use: ClientEndpoint, else Endpoint.
func (c ConnectionString) Client() *url.URL {
	if c.ClientEndpoint != nil {
		return c.ClientEndpoint
	}
	return c.Endpoint
}

// Server returns the URL for REST and hub servers: ServerEndpoint, else Endpoint.
func (c ConnectionString) Server() *url.URL {
	if c.ServerEndpoint != nil {
		return c.ServerEndpoint
	}
	return c.Endpoint
}

// ParseConnectionString reads a connection string. Keys may have any letter
// case and unknown ones are passed over; a key given twice, a part without "=",
// no Endpoint, neither AccessKey nor AuthType, a Port outside 1..65535 and a
// Version other than 1.x are errors. Errors never repeat the input.
func ParseConnectionString(s string) (ConnectionString, error) {
	var c ConnectionString
	parts, err := splitConnectionString(s)
	if err != nil {
		return c, err
	}
	for _, endpoint := range []struct {
		key string
		to  **url.URL
	}{
		{"endpoint", &c.Endpoint},
		{"clientendpoint", &c.ClientEndpoint},
		{"serverendpoint", &c.ServerEndpoint},
	} {
		text, given := parts[endpoint.key]
		if !given {
			continue
		}
		if *endpoint.to, err = parseEndpoint(text); err != nil {
			return ConnectionString{}, fmt.Errorf("connection string: %s: %w", endpoint.key, err)
		}
	}
	if c.Endpoint == nil {
		return ConnectionString{}, errors.New("connection string: no Endpoint")
	}
	if text, given := parts["port"]; given {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return ConnectionString{}, errors.New("connection string: Port must be a number from 1 to 65535")
		}
		c.Port = int(port)
		c.Endpoint.Host = net.JoinHostPort(c.Endpoint.Hostname(), strconv.Itoa(c.Port))
	}
	c.AccessKey = Secret(parts["accesskey"])
	c.AuthType = parts["authtype"]
	if c.AccessKey == "" && c.AuthType == "" {
		return ConnectionString{}, errors.New("connection string: no AccessKey")
	}
	c.Version = parts["version"]
	if c.Version != "" && c.Version != "1" && !strings.HasPrefix(c.Version, "1.") {
		return ConnectionString{}, errors.New("connection string: only versions 1.x are supported")
	}
	return c, nil
}

// splitConnectionString returns the values by lower-case key. A value may hold
// "=": keys often end in it.
func splitConnectionString(s string) (map[string]string, error) {
	if len(s) > maxConnectionString {
		return nil, fmt.Errorf("connection string: longer than %d bytes", maxConnectionString)
	}
	parts := make(map[string]string)
	position := 0
	for part := range strings.SplitSeq(s, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		position++
		key, value, found := strings.Cut(part, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if !found || key == "" {
			return nil, fmt.Errorf("connection string: part %d is not of the form key=value", position)
		}
		if _, twice := parts[key]; twice {
			return nil, fmt.Errorf("connection string: part %d repeats a key", position)
		}
		parts[key] = strings.TrimSpace(value)
	}
	return parts, nil
}

func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be an absolute http or https URL")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("must have no user, query or fragment")
	}
	return u, nil
}

// FormatConnectionString returns the connection string in the form the emulator
// prints. The endpoint has no port of its own; a port of 0 is left out. The
// result holds the key in clear.
func FormatConnectionString(endpoint string, port int, key Secret) string {
	var b strings.Builder
	b.WriteString("Endpoint=" + endpoint + ";")
	if port != 0 {
		b.WriteString("Port=" + strconv.Itoa(port) + ";")
	}
	b.WriteString("AccessKey=" + key.Reveal() + ";Version=1.0;")
	return b.String()
}
