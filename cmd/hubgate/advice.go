package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/hubgate/hubgate/auth"
)

// unreachable turns the error of a request to the gateway at this URL into what
// the user can do about it.
func unreachable(err error, at *url.URL) error {
	gateway := at.Scheme + "://" + at.Host
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		verified *tls.CertificateVerificationError
		record   tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no gateway at %s: is hubgate running?", gateway)
	case errors.As(err, &dns):
		return fmt.Errorf("no gateway at %s: %s (%s)", gateway, dns.Err, dns.Name)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of %s is not signed by anybody this machine trusts: name its PEM file with --ca-file, or do not verify it with --tls-insecure", gateway)
	case errors.As(err, &verified):
		return fmt.Errorf("the certificate of %s is not valid: %w", gateway, verified.Err)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fmt.Errorf("%s does not speak TLS: is it http://%s?", gateway, at.Host)
	}
	// What net/http wraps around errors is the method and the URL.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("no answer from %s: %w", gateway, err)
}

// refusal is the error of an answer that is no success: its status, why, as
// the body says or, for a token that is refused without one, the challenge, and
// what to do about it.
func refusal(resp *http.Response, body []byte, at *url.URL) error {
	reason := plainReason(body)
	if reason == "" {
		reason = challengeReason(resp.Header.Get("WWW-Authenticate"))
	}
	text := resp.Status
	if reason != "" {
		text += ": " + reason
	}
	if advice := advise(resp.StatusCode, reason, at); advice != "" {
		text += "\n  " + advice
	}
	return errors.New(text)
}

// plainReason is the sentence in a body: that of an ErrorDetail, of an error of the admin address, or the text.
func plainReason(body []byte) string {
	body = bytes.TrimSpace(body)
	var detail struct {
		Code, Message string
		Error         json.RawMessage
	}
	if json.Unmarshal(body, &detail) != nil {
		return string(body)
	}
	if detail.Message != "" && detail.Code != "" {
		return detail.Message + " (" + detail.Code + ")"
	}
	var text string
	var inner struct{ Message string } // of the admin address
	switch {
	case json.Unmarshal(detail.Error, &text) == nil && text != "":
		return text
	case json.Unmarshal(detail.Error, &inner) == nil && inner.Message != "":
		return inner.Message
	}
	return string(body)
}

// challengeReason returns the error_description of a bearer challenge, which
// the gateway writes without escapes, or "".
func challengeReason(challenge string) string {
	_, quoted, _ := strings.Cut(challenge, `error_description="`)
	reason, _, _ := strings.Cut(quoted, `"`)
	return reason
}

// advise is the next step after a refusal, "" if there is none to name.
func advise(status int, reason string, at *url.URL) string {
	gateway := at.Scheme + "://" + at.Host
	says := func(f auth.Failure) bool { return strings.Contains(reason, f.Description()) }
	switch {
	case says(auth.TokenSignature):
		return fmt.Sprintf("the gateway at %s knows another key: set HUBGATE_ACCESS_KEY to its own, or %s", gateway, connectionStringEnv)
	case says(auth.TokenExpired), says(auth.TokenNotYetValid):
		return "the clocks of this machine and of the gateway differ by more than auth.leeway"
	case says(auth.TokenAudience):
		return "the gateway accepts tokens for other names only: see auth.strictAudience, and the Endpoint of the connection string"
	case status == http.StatusBadRequest && at.Scheme == "http" && strings.Contains(reason, "HTTPS server"):
		return "the gateway speaks TLS: is it https://" + at.Host + "?"
	case status == http.StatusNotFound && reason == "", status == http.StatusMethodNotAllowed:
		return gateway + " does not seem to be a gateway: is this the URL of the application?"
	}
	return ""
}
