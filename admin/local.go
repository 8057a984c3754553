package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// LocalOnly lets requests through whose Host is an IP address or localhost, and answers others
// with 403. It is for pages that only this machine reaches: a web page from elsewhere can make
// a name of its own lead to this machine and then read what a browser here gets from it.
func LocalOnly(pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalName(r.Host) {
			text(w, http.StatusForbidden, "Name this address as localhost or by its IP address.\n")
			return
		}
		pages.ServeHTTP(w, r)
	})
}

func isLocalName(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	_, err = netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}
