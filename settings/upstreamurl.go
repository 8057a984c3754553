package settings

import (
	"errors"
	"net/url"
	"strings"

	"github.com/hubgate/hubgate/webhook"
)

// checkURL says whether the parts can make an absolute http or https URI.
// Everything that is not literal is taken as "1", which may stand in a host, a
// port, a path and a query. A template that begins with a secret can only be
// judged when the secret is known.
func checkURL(parts []webhook.Part) error {
	if len(parts) > 0 && (parts[0].Kind == webhook.Env || parts[0].Kind == webhook.File) {
		return nil
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Kind == webhook.Literal {
			b.WriteString(p.Text)
		} else {
			b.WriteByte('1')
		}
	}
	return CheckUpstreamURL(b.String())
}

// CheckUpstreamURL says whether text, all placeholders replaced, is an
// absolute http or https URI with a host. The error never repeats text.
func CheckUpstreamURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		// What url.Parse says quotes a piece of the URL: maybe of a password.
		return errors.New("is not a valid URL")
	}
	if scheme := strings.ToLower(u.Scheme); scheme != "http" && scheme != "https" || u.Hostname() == "" {
		return errors.New("must begin with http:// or https:// and name a host, or be " + webhook.Echo)
	}
	return nil
}
