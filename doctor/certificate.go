package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// soonExpired is when an operator should know of the end of a certificate.
const soonExpired = 14 * 24 * time.Hour

// certificate looks at what the gateway, or the proxy before it, shows of itself.
func (x *examination) certificate(ctx context.Context) {
	if x.URL.Scheme != "https" {
		if isLoopback(x.URL.Hostname()) {
			x.find(checkTLS, Skipped, "the URL is http:// on this machine", "", "")
			return
		}
		x.find(checkTLS, Warning, "clients come by plain http://", "Tokens and messages can be read on the way.", "Use --tls-cert and --tls-key, or a proxy with TLS: docs/proxies.md.")
		return
	}
	config := x.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.ServerName = x.URL.Hostname()
	config.NextProtos = []string{"http/1.1"}
	ctx, cancel := x.soon(ctx)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", hostPort(x.URL.Host, "443"))
	if err != nil {
		cause, cure := whyTLS(err)
		x.find(checkTLS, Failed, err.Error(), cause, cure)
		return
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	left := leaf.NotAfter.Sub(x.Now())
	switch {
	case left <= 0:
		x.find(checkTLS, Failed, "the certificate ended "+leaf.NotAfter.UTC().Format(time.DateOnly), "It was not renewed, or the new one is not the one that is served.", "Renew it; the gateway reads its files again when they change.")
	case left < soonExpired:
		x.find(checkTLS, Warning, fmt.Sprintf("the certificate ends %s, in %d days", leaf.NotAfter.UTC().Format(time.DateOnly), int(left/(24*time.Hour))), "Nobody has renewed it yet.", "Renew it; the gateway reads its files again when they change.")
	default:
		x.ok(checkTLS, "the certificate is trusted, and good until "+leaf.NotAfter.UTC().Format(time.DateOnly))
	}
}

func whyTLS(err error) (cause, cure string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "The certificate is for another name.", "Get a certificate with this name among its alternative names, or use the name that it has."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate has ended, or has not begun.", "Renew it, and compare the clocks of the machines."
	case errors.As(err, &unknown):
		return "The chain does not lead to an authority that this machine trusts: the certificate is self-signed, or intermediate certificates are missing.", "Serve the whole chain (fullchain.pem), or name the authority with --ca-file."
	}
	return "There is no TLS server, or nothing at all, at that address.", "Compare the URL with --listen of the gateway and with the proxy's configuration."
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func hostPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(host, port)
}
