package telemetry

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// text is that of a variable, under the name that holds.
func (s signal) text(what string) (name, text string) {
	name = s.variable(what)
	return name, strings.TrimSpace(os.Getenv(name))
}

// address is where requests go. The variable of a signal has the whole of it.
func (s signal) address(o *Options) string {
	base := o.Endpoint
	if base == "" {
		var name string
		if name, base = s.text("ENDPOINT"); name != envEndpoint {
			return base
		}
	}
	return strings.TrimRight(base, "/") + s.path
}

// header returns the headers of each request.
func (s signal) header(o *Options) (http.Header, error) {
	given := o.Headers
	if name, text := s.text("HEADERS"); given == nil && text != "" {
		var err error
		if given, err = o.ReadHeaders(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	all := http.Header{"User-Agent": {"hubgate/" + o.Resource.Version}}
	for name, value := range given {
		all.Set(name, value)
	}
	return all, nil
}

// packed says whether requests are compressed.
func (s signal) packed() (bool, error) {
	switch name, text := s.text("COMPRESSION"); text {
	case "", "none":
		return false, nil
	case "gzip":
		return true, nil
	default:
		return false, fmt.Errorf("%s: %q is neither gzip nor none", name, text)
	}
}

// timeout bounds one attempt.
func (s signal) timeout() (time.Duration, error) {
	return milliseconds(s.variable("TIMEOUT"), 10*time.Second)
}

// milliseconds reads a variable; without a text, or with 0, it is usual.
func milliseconds(name string, usual time.Duration) (time.Duration, error) {
	text := strings.TrimSpace(os.Getenv(name))
	if text == "" {
		return usual, nil
	}
	const most = 24 * time.Hour
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > uint64(most/time.Millisecond) {
		return 0, fmt.Errorf("%s: %q is no number of milliseconds up to a day", name, text)
	}
	return cmp.Or(time.Duration(n)*time.Millisecond, usual), nil
}

// number reads a variable; without a text, or with 0, it is usual. A larger one than is possible is as large as is.
func number(name string, usual int) (int, error) {
	text := strings.TrimSpace(os.Getenv(name))
	if text == "" {
		return usual, nil
	}
	const most = 1 << 20
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is no number from 0", name, text)
	}
	return cmp.Or(int(min(n, most)), usual), nil
}

// tls returns whom to trust and who the gateway is; nil if no variable says so.
func (s signal) tls() (*tls.Config, error) {
	var c tls.Config
	name, file := s.text("CERTIFICATE")
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: no certificate is in %s", name, file)
		}
	}
	name, chain := s.text("CLIENT_CERTIFICATE")
	_, key := s.text("CLIENT_KEY")
	switch {
	case chain != "" && key != "":
		pair, err := tls.LoadX509KeyPair(chain, key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.Certificates = []tls.Certificate{pair}
	case chain != "" || key != "":
		return nil, errors.New("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY need each other")
	case file == "":
		return nil, nil
	}
	return &c, nil
}
