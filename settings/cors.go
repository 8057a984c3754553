package settings

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// CORS says which web pages may read the gateway's answers.
type CORS struct {
	// AllowedOrigins lists origins as browsers send them, see [NormalOrigin]; "*" is any (R88).
	AllowedOrigins []string
}

var (
	errOrigin   = errors.New(`is neither "*" nor an origin such as "https://app.example"`)
	errWildcard = errors.New(`is no origin: a part of a name cannot be "*"; list each origin, or "*" for all`)
)

// defaultPorts are the ports that browsers leave out.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// NormalOrigin returns an origin in the one spelling in which browsers send it: in lower case, a
// host with other letters in its ASCII form, without the port that its scheme has anyway and
// without a slash at the end. "*" and "null", which pages from files send, stay. The error
// follows the text of the origin.
func NormalOrigin(text string) (string, error) {
	if text == "*" || text == "null" {
		return text, nil
	}
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	switch {
	case err != nil || u.Scheme == "" || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return "", errOrigin
	case strings.Contains(u.Host, "*"):
		return "", errWildcard
	}
	host := u.Hostname()
	if strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if host, err = idna.Lookup.ToASCII(host); err != nil {
			return "", fmt.Errorf("has no valid host: %w", err)
		}
	}
	host = strings.ToLower(host)
	if port := u.Port(); port != "" && port != defaultPorts[u.Scheme] {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
